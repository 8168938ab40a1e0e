// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RoundId} from "./RoundId.sol";
import {SeatSet} from "./SeatSet.sol";
import {StudyId} from "./StudyId.sol";

/// @notice A round's result, or what is claimed to be.
struct Aggregate {
    bytes32 cid; // digest of the aggregate's CID
    bytes32 root; // chunk tree over its header and words
    bytes32 model; // digest of the next model's CID
    SeatSet included; // whose updates
    uint32 weight; // sum of their weights
}

/// @notice An aggregate of one round of one study, by its hash.
type AggregateId is bytes32;

using {hash} for Aggregate global;
using {equals as ==} for AggregateId global;

/// @notice keccak256(abi.encode(study, round, aggregate)).
function hash(Aggregate memory aggregate, StudyId study, RoundId round) pure returns (AggregateId) {
    return AggregateId.wrap(keccak256(abi.encode(study, round, aggregate)));
}

function equals(AggregateId a, AggregateId b) pure returns (bool) {
    return AggregateId.unwrap(a) == AggregateId.unwrap(b);
}
