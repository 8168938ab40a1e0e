// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Aggregate, AggregateId} from "../types/Aggregate.sol";
import {Clock} from "../types/Clock.sol";
import {RoundId} from "../types/RoundId.sol";
import {StudyId} from "../types/StudyId.sol";
import {Update} from "../types/Update.sol";
import {Vector, VectorList, chunksOf, vectorAt} from "../types/Vector.sol";

/// @dev Makes the functions of types callable.
contract TypesHarness {
    VectorList private _list;

    function hashOf(Aggregate calldata aggregate, StudyId study, RoundId round)
        external
        pure
        returns (AggregateId)
    {
        return aggregate.hash(study, round);
    }

    function commitmentOf(Update calldata update) external pure returns (bytes32) {
        return update.commitment();
    }

    function attestationEnd(uint256 finalAt, uint256 disputeSeconds) external pure returns (uint256) {
        return Clock.attestationEnd(finalAt, disputeSeconds);
    }

    function unlockedAt(uint256 endedAt, uint256 disputeSeconds) external pure returns (uint256) {
        return Clock.unlockedAt(endedAt, disputeSeconds);
    }

    function settledAt(uint256 endedAt, RoundId newest, uint256 disputeSeconds)
        external
        pure
        returns (uint256)
    {
        return Clock.settledAt(endedAt, newest, disputeSeconds);
    }

    function longestRound(
        uint256 trainingSeconds,
        uint256 aggregatingSeconds,
        uint256 claimSeconds,
        uint256 maxAttempts,
        uint256 leavers
    ) external pure returns (uint256) {
        return Clock.longestRound(trainingSeconds, aggregatingSeconds, claimSeconds, maxAttempts, leavers);
    }

    function keep(Vector[] calldata vectors) external {
        _list.write(vectors);
    }

    function kept() external view returns (Vector[] memory vectors, uint256 chunks) {
        return (_list.read(), _list.chunkCount());
    }

    function words() external view returns (uint256[3] memory) {
        return _list.packed;
    }

    function at(Vector[] calldata vectors, uint256 index)
        external
        pure
        returns (Vector memory vector, uint256 first, uint256 chunks)
    {
        (vector, first) = vectorAt(vectors, index);
        return (vector, first, chunksOf(vectors));
    }
}
