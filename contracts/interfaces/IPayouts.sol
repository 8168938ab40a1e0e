// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Aggregate, AggregateId} from "../types/Aggregate.sol";
import {DatasetId} from "../types/DatasetId.sol";
import {RoundId} from "../types/RoundId.sol";
import {SeatId} from "../types/SeatId.sol";
import {SeatSet} from "../types/SeatSet.sol";
import {StudyId} from "../types/StudyId.sol";
import {Update} from "../types/Update.sol";

/// @title Pay: hospitals' and patients' claims, and reviews of updates
/// @notice Hospitals are paid for final rounds when these can no longer be disputed. In `Reviewed` studies the submitters of a final round score
/// each other's updates from data of their own: they commit to their scores, then reveal them; the medians decide how the round's
/// reward is shared. In any study the patients in a round's cohorts may claim the share that is set aside for them. What is earned stays
/// until it is claimed, and what nobody earns stays in the vault: it is no use to anybody to keep others from their pay.
/// @dev Facts come from `IFederatedRounds` and `IStudies`, value moves through `IStakeVault`. Holds no funds.
interface IPayouts {
    /// @notice One round that a seat claims for.
    struct Earned {
        RoundId round;
        Aggregate aggregate; // its result; not read where the round is void
        Update update; // the seat's
    }

    /// @notice The reviews of one round.
    struct Review {
        SeatSet committed;
        SeatSet revealed;
        uint48 total; // sum of the scores, once tallied
        bool tallied;
        bool counted; // at least half of the submitters revealed
    }

    /// @notice What ties a patient to a cohort: the leaf sha256(abi.encode("medfed cohort leaf", study, round, dataset, patient, salt)) and
    /// its place among the leaves whose count the cohort's root commits to.
    struct PatientLeaf {
        DatasetId dataset;
        bytes32 salt;
        uint32 index;
        uint32 count; // of all leaves of the cohort
        bytes32[] proof; // siblings from the leaf up
    }

    event Claimed(
        StudyId indexed study, RoundId indexed round, SeatId indexed seat, address hospital, uint256 amount
    );
    event ReviewCommitted(StudyId indexed study, RoundId indexed round, SeatId indexed seat, bytes32 hash);
    event ReviewRevealed(StudyId indexed study, RoundId indexed round, SeatId indexed seat, int16[] scores);
    /// @notice `scores` of the submitted seats in ascending order, and their sum.
    event ReviewsTallied(StudyId indexed study, RoundId indexed round, uint16[] scores, uint256 total);
    event PatientPaid(
        StudyId indexed study, RoundId indexed round, SeatId indexed seat, address patient, uint256 amount
    );

    error ClaimLocked(StudyId study, RoundId round, uint256 until);
    error NothingToClaim(StudyId study, RoundId round, SeatId seat);
    /// @notice The seat is paid nothing for this round: an update or an attestation of it was proved wrong.
    error PayVoid(StudyId study, RoundId round, SeatId seat);
    error NotReviewed(StudyId study);
    error ReviewClosed(StudyId study, RoundId round, uint256 closedAt);
    error ReviewNotOpen(StudyId study, RoundId round, uint256 opensAt);
    error AlreadyCommitted(StudyId study, RoundId round, SeatId seat);
    error AlreadyRevealed(StudyId study, RoundId round, SeatId seat);
    error ScoreCount(uint256 scores, uint256 expected);
    error ReviewMismatch(StudyId study, RoundId round, SeatId seat);
    error AlreadyTallied(StudyId study, RoundId round);
    error NotTallied(StudyId study, RoundId round);
    error NotInCohort(StudyId study, RoundId round, SeatId seat, address patient);
    error LeafClaimed(StudyId study, RoundId round, bytes32 leaf);

    /// @notice Pays one seat for rounds whose disputes are over, into its hospital's free balance. Anyone may call.
    /// @dev Of a final round's reward, `attesterBps` are for the submitters in equal parts, each for attesting (where reviews count, for
    /// revealing its own), `patientBps` for the patients in the cohorts, and the rest for the updates by the study's score mode. A hospital that was
    /// suspended while the round trained counts as a submitter of all it could: its part, and that of a left-out update or a missing attestation, is
    /// nobody's. A void round pays what a struck stake left for those that stayed in its set, by weight (or equally, in that mode).
    function claim(StudyId study, SeatId seat, Earned[] calldata earned) external;

    /// @notice A submitter's operator commits to its scores, in the first half of the dispute window.
    /// @param hash keccak256(abi.encode(study, round, seat, hospital, scores, salt)).
    function commitReview(StudyId study, RoundId round, SeatId seat, AggregateId result, bytes32 hash)
        external;

    /// @notice Reveals a review, in the second half of the dispute window.
    /// @param scores One for each submitted seat in ascending order; one's own is not counted.
    function revealReview(
        StudyId study,
        RoundId round,
        SeatId seat,
        AggregateId result,
        int16[] calldata scores,
        bytes32 salt
    ) external;

    /// @notice Makes the scores of a round from its reviews, after the dispute window. Claims of the round wait for it if any was revealed.
    function tally(StudyId study, RoundId round, AggregateId result) external;

    /// @notice Pays the caller for one leaf in a cohort of a final round, into its free balance: the cohort's part by weight, divided by its
    /// weight or the count of its leaves, whichever is more.
    function claimPatient(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update calldata update,
        PatientLeaf calldata leaf
    ) external;

    /// @notice A seat's score and the sum of all, and who revealed; all zero where reviews do not count.
    function scoresOf(StudyId study, RoundId round, SeatId seat)
        external
        view
        returns (uint256 score, uint256 total, SeatSet revealers);

    /// @notice What part of a round's update pool a seat has: `score / total`. Reverts when the seat earns nothing in it, or disputes are open.
    function shareOf(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update calldata update
    ) external view returns (uint256 score, uint256 total);

    /// @notice The leaf of a patient in a cohort, and what part of a round's patient pool it is: `part / whole`. Reverts when there is none.
    function patientShareOf(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update calldata update,
        address patient,
        PatientLeaf calldata leaf
    ) external view returns (bytes32 digest, uint256 part, uint256 whole);

    /// @notice The reviews of a round.
    function getReview(StudyId study, RoundId round) external view returns (Review memory);
}
