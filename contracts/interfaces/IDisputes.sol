// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {StudyId} from "../types/StudyId.sol";
import {IAggregationRule} from "./IAggregationRule.sol";
import {IFederatedRounds} from "./IFederatedRounds.sol";

/// @title What ends a round without a quorum, and what undoes a lie
/// @notice An aggregator may claim, against a bond, that an aggregate of all submitted updates is right. The claim becomes the round's
/// result when its window closes and nobody objected. Until the claims of a round unlock, anyone may open one chunk of every included
/// update and of the aggregate; the study's rule recomputes it. Who lied is slashed, who proved it is paid a share of that.
/// @dev `IFederatedRounds` keeps the facts of studies and rounds, this contract judges and calls back; all slashing is its. Holds no
/// funds: bonds are locked in `IStakeVault`. A study's contest begins anew when an update leaves the round's set: attempts over the old set
/// lapse unharmed, and all submitters may claim and object once more.
interface IDisputes {
    /// @notice What a study says about disputes, and who may claim no more in it. Three words.
    struct DisputeTerms {
        uint32 words; // of an update
        uint32 steps; // largest size of a word per unit of weight; of any word where the rule does not weight
        uint24 trainingSeconds;
        uint24 aggregatingSeconds;
        uint24 claimSeconds;
        uint24 disputeSeconds;
        uint8 minHospitals;
        uint8 maxAttempts;
        bool weighted; // what the rule said when the study was posted
        uint64 barred; // bitmap of the seats whose claim was proved wrong
        IAggregationRule rule; // second word
        uint96 bond;
        address token; // third word
        uint96 stake;
    }

    /// @notice A seat's absences so far. One word.
    struct Record {
        uint8 misses; // rounds in which it neither submitted nor abstained
        uint8 leftOut; // final rounds that left its update out
        uint96 slashed; // for these, smallest units
    }

    enum AttemptState {
        None,
        Pending, // becomes final when its window closes without an objection
        Objected, // can only be confirmed by a quorum
        Accepted, // made its round final
        Refuted, // proved wrong; its bond awaits being shared out
        Settled // its bond was returned, or slashed and shared out
    }

    /// @notice An aggregator's claim. Two words, and a third for a stranger's objection.
    struct Attempt {
        bytes32 aggregateHash;
        AttemptState state; // second word
        uint8 seat; // its author
        uint8 era; // how many updates had left the round's set before; it has lapsed when more have now
        uint40 madeAt; // Unix seconds
        address challenger; // who proved it wrong
        address objector; // third word: a stranger whose bond is locked; zero for a submitter's free objection
    }

    /// @notice What is contested in one round. One word.
    struct Contest {
        uint8 count; // attempts so far; they are numbered from 0
        uint8 used; // of the study's `maxAttempts`, since the set changed last
        uint8 era; // how many updates have left the set
        uint40 heldUntil; // Unix seconds; the round is not void before
        uint64 authors; // bitmap of the seats that made an attempt, since the set changed last
        uint64 objectors; // bitmap of the seats that objected for free, since the set changed last
    }

    /// @notice `seat` claims, with its bond, that this is the round's result.
    event AttemptMade(
        StudyId indexed study,
        uint16 indexed round,
        uint8 indexed seat,
        uint8 attempt,
        bytes32 aggregateHash,
        IFederatedRounds.Aggregate aggregate
    );

    /// @notice The time path is closed for this attempt. `bond` is 0 for a submitter's free objection.
    event Objected(
        StudyId indexed study, uint16 indexed round, uint8 attempt, address objector, uint256 bond
    );

    /// @notice The window closed without objection: the attempt is the round's result.
    event AttemptAccepted(StudyId indexed study, uint16 indexed round, uint8 attempt);

    /// @notice The attempt was proved wrong: its bond is lost, and its author makes no further attempt in the study.
    event AttemptRefuted(StudyId indexed study, uint16 indexed round, uint8 attempt, address challenger);

    /// @notice The attempt is over: what was slashed of its author's and of its objector's bond. The rest is free again.
    event AttemptSettled(
        StudyId indexed study, uint16 indexed round, uint8 attempt, uint256 fromAuthor, uint256 fromObjector
    );

    /// @notice `challenger` proved an aggregate wrong: by chunk `index`, or by its weight where `index` is the largest uint32.
    event AggregateRefuted(
        StudyId indexed study,
        uint16 indexed round,
        address indexed challenger,
        bytes32 aggregateHash,
        uint32 index
    );

    /// @notice `challenger` proved a seat's update wrong by its chunk `index`.
    event UpdateRefuted(
        StudyId indexed study, uint16 indexed round, address indexed challenger, uint8 seat, uint32 index
    );

    /// @notice `challenger` got `amount` of what was slashed.
    event ChallengerPaid(StudyId indexed study, address indexed challenger, uint256 amount);

    event AbsenceWarned(StudyId indexed study, uint16 indexed round, uint8 indexed seat);
    event AbsenceSlashed(StudyId indexed study, uint16 indexed round, uint8 indexed seat, uint256 amount);

    error VectorEmpty(uint256 words, uint256 steps);
    error AttemptsOutOfRange(uint256 attempts, uint256 limit);
    error BondZero();
    error RuleNotPerChunk(IAggregationRule rule);
    error NothingToRecord(StudyId study, uint16 round);
    error RecordingClosed(StudyId study, uint256 closedAt);
    error QuorumOnly(StudyId study);
    error AttemptsExhausted(StudyId study, uint16 round, uint8 limit);
    error AttemptPending(StudyId study, uint16 round, uint8 attempt);
    error AlreadyAttempted(StudyId study, uint16 round, uint8 seat);
    error SeatBarred(StudyId study, uint8 seat);
    error NotTheLeader(StudyId study, uint16 round, uint8 leader, uint256 openToAllAt);
    error SetIncomplete(uint64 included, uint64 submitted);
    error NoAttemptPending(StudyId study, uint16 round);
    error AttemptUnknown(StudyId study, uint16 round, uint8 attempt);
    error AttemptOver(StudyId study, uint16 round, uint8 attempt);
    error AttemptDiffers(StudyId study, uint16 round, bytes32 aggregateHash);
    error ClaimWindowOpen(StudyId study, uint16 round, uint256 until);
    error ClaimWindowClosed(StudyId study, uint16 round, uint256 closedAt);
    error BondLocked(StudyId study, uint16 round, uint256 until);
    error NothingAtStake(StudyId study, uint16 round, bytes32 aggregateHash);
    error OpeningLength(uint256 words, uint256 expected);
    error UpdateNotOpened(StudyId study, uint16 round, uint8 seat);
    error ChunkNotProved(bytes32 root, uint256 index);
    error UpdateCount(uint256 updates, uint256 expected);
    error ChallengeUnfounded(StudyId study, uint16 round, uint256 index);

    /// @notice Called by the rounds contract: checks and keeps what a new study says about disputes.
    /// @dev Assumes of the rule that it answers the same question always in the same way; `checkChunk` is only called to read.
    function agree(StudyId study, IFederatedRounds.StudyTerms calldata terms) external;

    /// @notice A bonded claim over the complete set of a round's submitters, by the operator of one of them. At first only the
    /// leader may make it: the submitter at (round + attempts) modulo the number of those that may; after half of the Aggregating phase
    /// any of them. One attempt at a time, one per hospital.
    function submitAggregate(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate
    ) external;

    /// @notice Closes the time path of the pending attempt, until its window closes. A submitter's operator objects once in a round
    /// for free; everybody else locks the study's bond, which is lost if that very aggregate becomes final. Leaves `claimSeconds` more to
    /// attest; the next attempt may follow at once.
    function object(StudyId study, uint16 round) external;

    /// @notice Makes the pending attempt the round's result, once its window has closed. Anyone may call.
    /// @dev The author counts as the one attester: it is paid as one, and slashed as one if the aggregate is proved wrong.
    function finalise(StudyId study, uint16 round, IFederatedRounds.Aggregate calldata aggregate) external;

    /// @notice Ends an attempt and frees its bonds. At once where it was proved wrong (the challenger has its share of the bond, the study
    /// the rest), its round is void or its set has changed; else when the claims of the round unlock. Its author is slashed if another aggregate of the same set became final, its objector (if not a submitter) if this very one
    /// did; nobody is where the study was aborted by a proof against this or an earlier round. Anyone may call.
    /// @param finalHash The hash of the round's final aggregate; zero when it is not final.
    function settle(StudyId study, uint16 round, uint8 attempt, bytes32 finalHash) external;

    /// @notice Proves that an aggregate is wrong in one chunk. Every attempt that names it loses its bond, which `settle` shares out; if it
    /// is the round's result and its claims are locked, every attester is slashed and the study aborts. Reverts when the chunk is right.
    /// @param index Of the chunk; 0 is the header, which is compared with what it must be.
    /// @param openings In words of 32 bytes, for each included seat in ascending order (none for index 0): updateRoot, the hash of the rest
    /// of the update as in `IFederatedRounds.updateOf`, 16 words of the chunk, one for each level of the proof from the leaf up. Then
    /// the aggregate's chunk and proof.
    function challengeChunk(
        StudyId study,
        uint16 round,
        IFederatedRounds.Aggregate calldata aggregate,
        uint32 index,
        bytes32[] calldata openings
    ) external;

    /// @notice Proves that an aggregate's weight is not the sum of its updates'; otherwise like `challengeChunk`.
    /// @param updates Of the included seats, in ascending order.
    function challengeWeight(
        StudyId study,
        uint16 round,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update[] calldata updates
    ) external;

    /// @notice Proves that one chunk of an update cannot be right: another header than it must have, a word beyond what its weight
    /// allows, or padding that is not zero. Slashes the hospital's stake; the update leaves the set of an open round, or loses its
    /// pay in a final one whose claims are locked. Reverts when nothing is wrong.
    /// @param opening In words of 32 bytes: 16 of the chunk, one for each level of its proof from the leaf up.
    function challengeUpdate(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Update calldata update,
        uint32 index,
        bytes32[] calldata opening
    ) external;

    /// @notice Warns or slashes the hospitals that were silent in a round whose Training has closed, and those that a final
    /// aggregate left out. A first miss warns (one in the first round slashes, as the hospital never took part), later ones slash; being
    /// left out slashes from the third time. Slashed tokens join a later round's reward. A study never takes more than its stake from
    /// a seat, and nothing once its stakes may be released.
    /// @param aggregate The round's final aggregate; one that is not final (all zero will do) leaves only silence to record.
    function recordAbsences(StudyId study, uint16 round, IFederatedRounds.Aggregate calldata aggregate)
        external;

    /// @notice What a study says about disputes; all zero when there is none.
    function getTerms(StudyId study) external view returns (DisputeTerms memory);

    /// @notice What a study took from a seat's stake, smallest units. No more than that is ever taken, and the rest is released.
    function slashedOf(StudyId study, uint8 seat) external view returns (uint96 amount);

    /// @notice A seat's absences so far.
    function recordOf(StudyId study, uint8 seat) external view returns (Record memory);

    /// @notice The seats whose absence from a round was warned or slashed: bitmap.
    function absencesRecorded(StudyId study, uint16 round) external view returns (uint64 seats);

    /// @notice What is contested in a round; all zero when nothing is.
    function getContest(StudyId study, uint16 round) external view returns (Contest memory);

    /// @notice One attempt; `AttemptState.None` when there is none of this number.
    function getAttempt(StudyId study, uint16 round, uint8 attempt) external view returns (Attempt memory);

    /// @notice The seats that make no attempt any more in this study: bitmap.
    function barred(StudyId study) external view returns (uint64 seats);

    /// @notice Until when the round is not void although Aggregating is over; 0 when nothing holds it.
    /// @dev Each attempt holds it for at most twice `claimSeconds`, and each update that leaves the set for `claimSeconds`.
    function heldUntil(StudyId study, uint16 round) external view returns (uint256);

    /// @notice The seat that may make the next attempt before all may; reverts when nobody may.
    function leaderOf(StudyId study, uint16 round) external view returns (uint8 seat);
}
