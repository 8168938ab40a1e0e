// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A hospital's commitment to one round's work.
struct Update {
    bytes32 cid; // digest of the update's CID
    bytes32 updateRoot; // chunk tree over the header and the words
    bytes32 cohortCid; // digest of the cohort manifest's CID
    bytes32 cohortRoot; // hash over the count of the cohort's leaves and their Merkle root
    uint32 weight; // patients in the cohort, rounded down to the study's step
}

using {commitment} for Update global;

/// @notice What a contract keeps of an update: keccak256(updateRoot, keccak256(abi.encode(cid, cohortCid, cohortRoot, weight))).
/// @dev In two steps, so that a proof about the vector opens the root and one word more.
function commitment(Update memory update) pure returns (bytes32) {
    bytes32 rest = keccak256(abi.encode(update.cid, update.cohortCid, update.cohortRoot, update.weight));
    return keccak256(abi.encode(update.updateRoot, rest));
}
