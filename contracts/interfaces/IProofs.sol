// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Aggregate, AggregateId} from "../types/Aggregate.sol";
import {RoundId} from "../types/RoundId.sol";
import {SeatId} from "../types/SeatId.sol";
import {StudyId} from "../types/StudyId.sol";
import {Update} from "../types/Update.sol";

/// @title Proofs that an update or an aggregate is wrong
/// @notice Until the claims of a round unlock, anyone may open one chunk of every included update and of the aggregate; the study's rule
/// recomputes it. A true proof is never refused because of what else was proved before, and whoever lied is slashed.
/// @dev Judges and keeps nothing. What follows from a proof is done by `IFederatedRounds`, `IClaims` and `IStudies`.
interface IProofs {
    /// @notice `challenger` proved an aggregate wrong by its chunk `index`.
    event AggregateRefuted(
        StudyId indexed study,
        RoundId indexed round,
        address indexed challenger,
        AggregateId aggregateHash,
        uint32 index
    );

    /// @notice `challenger` proved a seat's update wrong by its chunk `index`.
    event UpdateRefuted(
        StudyId indexed study, RoundId indexed round, address indexed challenger, SeatId seat, uint32 index
    );

    error NothingAtStake(StudyId study, RoundId round, AggregateId aggregateHash);
    error OpeningLength(uint256 words, uint256 expected);
    error UpdateNotOpened(StudyId study, RoundId round, SeatId seat);
    error ChunkNotProved(bytes32 root, uint256 index);
    error ChallengeUnfounded(StudyId study, RoundId round, uint256 index);

    /// @notice Proves that an aggregate is wrong in one chunk. Every attempt over the present set that names it loses its bond, which
    /// `IClaims.settle` shares out; if it is the round's result, and claims are locked, every attester loses what is left of its stake and the study
    /// aborts. Reverts when the chunk is right.
    /// @param index Of the chunk; 0 is the header, which is compared with what it must be. Beyond the last chunk the tree is padded with
    /// chunks of zeros.
    /// @param openings In words of 32 bytes, for each included seat in ascending order (none for the header and beyond the last chunk): updateRoot,
    /// the hash of the rest of the update as in `IFederatedRounds.updateOf`, 16 words of the chunk, one for each level of the proof from the leaf up.
    /// Then the aggregate's chunk and proof.
    function challengeChunk(
        StudyId study,
        RoundId round,
        Aggregate calldata aggregate,
        uint32 index,
        bytes32[] calldata openings
    ) external;

    /// @notice Proves that one chunk of an update cannot be right: another header than it must have, a word beyond what its weight
    /// allows, or padding that is not zero. Its hospital loses its stake and submits no more. The update leaves the set of an open round; if
    /// that leaves too few after updates were due to be published, those that remain are paid from the stake. Where it is part of a round's result, that
    /// is undone, its attesters lose `SLASH_BPS` of their stake, and the study aborts. Reverts when nothing is wrong.
    /// @param result The hash of the round's result, where it was final; else anything.
    /// @param opening In words of 32 bytes: 16 of the chunk, one for each level of its proof from the leaf up.
    function challengeUpdate(
        StudyId study,
        RoundId round,
        SeatId seat,
        Update calldata update,
        AggregateId result,
        uint32 index,
        bytes32[] calldata opening
    ) external;
}
