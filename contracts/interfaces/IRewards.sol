// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DatasetId} from "../types/DatasetId.sol";
import {StudyId} from "../types/StudyId.sol";
import {IFederatedRounds} from "./IFederatedRounds.sol";

/// @title Reviews of updates, the patients' pay, and what nobody claims
/// @notice In `Reviewed` studies the submitters of a final round score each other's updates from data of their own: they commit to
/// their scores, then reveal them; the medians decide how the round's reward is shared. In any study the patients in a round's cohorts
/// may claim the share that is set aside for them.
/// @dev Facts come from `IFederatedRounds`, value moves through `IStakeVault`. Holds no funds.
interface IRewards {
    /// @notice The reviews of one round.
    struct Review {
        uint64 committed; // bitmap of seats
        uint64 revealed; // bitmap of seats
        uint48 total; // sum of the scores, once tallied
        bool tallied;
        bool counted; // at least half of the submitters revealed
    }

    /// @notice What ties a patient to a cohort: the leaf keccak256(abi.encode(study, round, dataset, patient, salt)) and its proof.
    struct PatientLeaf {
        DatasetId dataset; // of the seat
        bytes32 salt; // of this use
        bytes32[] proof; // from the leaf to the update's `cohortRoot`
    }

    event ReviewCommitted(StudyId indexed study, uint16 indexed round, uint8 indexed seat, bytes32 hash);

    /// @notice `scores` are those of the submitted seats, ascending.
    event ReviewRevealed(StudyId indexed study, uint16 indexed round, uint8 indexed seat, int16[] scores);

    /// @notice `scores` are those of the submitted seats, ascending; all zero when fewer than half of the submitters revealed.
    event ReviewsTallied(StudyId indexed study, uint16 indexed round, uint16[] scores, uint256 total);
    event PatientPaid(
        StudyId indexed study, uint16 indexed round, uint8 indexed seat, address patient, uint256 amount
    );
    event Swept(StudyId indexed study, address indexed sponsor, uint256 amount);

    error NotReviewed(StudyId study);
    error ReviewClosed(StudyId study, uint16 round, uint256 closedAt);
    error ReviewNotOpen(StudyId study, uint16 round, uint256 opensAt);
    error AlreadyCommitted(StudyId study, uint16 round, uint8 seat);
    error AlreadyRevealed(StudyId study, uint16 round, uint8 seat);
    error ReviewMismatch(StudyId study, uint16 round, uint8 seat);
    error ScoreCount(uint256 scores, uint256 expected);
    error AlreadyTallied(StudyId study, uint16 round);
    error NotTallied(StudyId study, uint16 round);
    error NotInCohort(StudyId study, uint16 round, uint8 seat, address patient);
    error LeafClaimed(StudyId study, uint16 round, bytes32 leaf);
    error CohortSpent(StudyId study, uint16 round, uint8 seat);
    error SweepLocked(StudyId study, uint256 until);
    error NothingToSweep(StudyId study);
    error SweepDelayOutOfRange(uint256 delay, uint256 least);

    /// @notice A submitter of a final round commits to its scores, in the first half of the dispute window.
    /// @param hash keccak256(abi.encode(study, round, seat, hospital, scores, salt)).
    function commitReview(StudyId study, uint16 round, uint8 seat, bytes32 finalHash, bytes32 hash) external;

    /// @notice Shows the scores committed to, from the second half of the dispute window until its end.
    /// @param scores One for each submitted seat, ascending; what a reviewer says of its own update is not counted.
    function revealReview(
        StudyId study,
        uint16 round,
        uint8 seat,
        bytes32 finalHash,
        int16[] calldata scores,
        bytes32 salt
    ) external;

    /// @notice Takes the median of each seat's scores, once the dispute window is over: of an even number the mean of the middle two
    /// rounded down, negative ones as zero, left-out and struck updates as zero. Anyone may call.
    function tally(StudyId study, uint16 round, bytes32 finalHash) external;

    /// @notice Pays the caller for one leaf of a cohort of a final round. Claiming is voluntary: it links the caller's account to
    /// the study, the round and the hospital, for everybody to see.
    function claimPatient(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update calldata update,
        PatientLeaf calldata leaf
    ) external;

    /// @notice Gives the sponsor all that is left in the pot, a long time after the study. Anyone may call.
    function sweep(StudyId study) external;

    /// @notice How the rewards of a `Reviewed` round are shared. Reverts with `NotTallied` while the reviews await their tally; never for a
    /// round that nobody revealed a review of.
    /// @return score Of the seat.
    /// @return total Of all included seats; zero when the round is paid by weight.
    /// @return revealers Bitmap of the seats that share the attesters' part for revealing; zero when fewer than half of the submitters did,
    /// and the attesters have it.
    function scoresOf(StudyId study, uint16 round, uint8 seat)
        external
        view
        returns (uint256 score, uint256 total, uint64 revealers);

    /// @notice A seat's part in a final round as the study's score mode says it, for the market: score and the sum of all scores of the
    /// round's included and unstruck seats' (or, by weight, the total weight; or, equal, the number of submitters).
    function shareOf(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update calldata update
    ) external view returns (uint256 score, uint256 total);

    /// @notice A patient's part in what a final round gives to patients: `part` of `whole`, the same for each leaf of one seat and never
    /// more than the seat's part together. Reverts unless the leaf is in the cohort of an update that earned.
    /// @return digest The leaf.
    function patientShareOf(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update calldata update,
        address patient,
        PatientLeaf calldata leaf
    ) external view returns (bytes32 digest, uint256 part, uint256 whole);

    /// @notice The reviews of a round.
    function getReview(StudyId study, uint16 round) external view returns (Review memory);
}
