// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DatasetId} from "../types/DatasetId.sol";
import {StudyId} from "../types/StudyId.sol";
import {IAggregationRule} from "./IAggregationRule.sol";

/// @title Studies and their rounds
/// @notice Hospitals enrol with a dataset and a stake, commit to one update per round, and attest to the aggregate that they
/// recomputed. Two thirds of a round's submitters make it final and open the next one; `IDisputes` makes it final by time, takes
/// wrong updates out and convicts those that attested to a wrong aggregate. A seat is a hospital's place in a study and its bit in every
/// bitmap. The phase of a round is a function of stored facts and time; nothing needs a scheduler.
/// @dev Assumes of the chain that block times never fall. Holds no funds: `IStakeVault` does.
interface IFederatedRounds {
    enum State {
        None,
        Enrolling,
        Running,
        Completed,
        Aborted
    }

    enum Phase {
        None, // no such round
        Training,
        Screening, // masked studies only
        Unmasking, // masked studies only
        Aggregating,
        Final,
        Void
    }

    enum Outcome {
        Open,
        Final,
        Void
    }

    /// @notice How the part of a round's reward that is for its updates is shared out.
    enum ScoreMode {
        Weight, // by consented patients
        Equal, // the same for each submitter
        Reviewed // by the submitters' reviews of each other's updates, as IRewards tallies them
    }

    /// @notice What a sponsor offers and asks for.
    struct StudyTerms {
        bytes32 spec; // digest of the study spec's CID
        address token; // rewards and stakes
        uint96 rewardPerRound; // smallest units, for each final round
        uint96 stake; // per hospital
        IAggregationRule rule; // how updates become an aggregate
        uint32 purposes; // the study's purpose, as in Purposes
        uint24 disease; // disease code, 0 for none
        uint32 enrolDeadline; // Unix seconds
        uint8 minHospitals; // fewer submitters make a round void
        uint8 maxHospitals; // at most 64
        uint16 rounds; // final rounds to complete the study
        uint8 maxVoids; // one more void round aborts the study
        uint16 cohortStep; // weights are multiples of it
        uint24 trainingSeconds; // longest Training phase
        uint24 aggregatingSeconds; // longest Aggregating phase without an aggregator's claim
        uint24 disputeSeconds; // claims of a round unlock that long after it is final
        uint32 maxWeight; // of one update
        uint16 attesterBps; // share of a round's reward for its attesters (its reviewers), in 1/10,000
        uint32 words; // of an update: the number of parameters
        uint32 steps; // largest size of a word per unit of weight; of any word where the rule does not weight
        uint24 claimSeconds; // window of an aggregator's claim, and the time to attest after one failed or the set changed
        uint8 maxAttempts; // aggregator's claims in a round; 0 where only a quorum ends it
        uint96 bond; // of an aggregator's claim, and of a stranger's objection to one
        ScoreMode scoreMode;
        uint16 patientBps; // share of a round's reward for the patients in its cohorts, in 1/10,000
        uint16 sponsorFeeBps; // the sponsor's share of the finished model's licence fees, in 1/10,000
    }

    /// @notice A study, but for what `IDisputes.getTerms` has.
    struct Study {
        State state;
        uint8 members; // seats taken
        uint8 minHospitals;
        uint16 round; // the newest round, from 1; 0 while enrolling
        uint16 finals; // final rounds so far
        uint16 rounds;
        uint8 voids; // void rounds so far
        uint16 cohortStep;
        uint24 trainingSeconds;
        uint24 aggregatingSeconds;
        uint24 disputeSeconds;
        uint32 maxWeight;
        uint16 attesterBps;
        uint16 patientBps;
        uint16 voidFrom; // this round and later ones pay nobody, as its aggregate was proved wrong; 0 for none
        ScoreMode scoreMode;
        address token; // second word: what enrolling needs
        uint96 stake;
        address sponsor; // third word
        uint32 enrolDeadline;
        uint32 purposes;
        uint24 disease;
        uint8 maxHospitals;
        IAggregationRule rule; // fourth word
        uint96 rewardPerRound;
        bytes32 spec; // fifth word
        uint40 endedAt; // sixth word, written once: when the study completed or aborted
        bool refunded;
        uint8 maxVoids;
        uint16 sponsorFeeBps;
        uint64 struck; // bitmap of the seats that lost their stake to a proof
        uint96 forfeited; // slashed when no round could pay it out any more; the sponsor's
    }

    /// @notice One word.
    struct Seat {
        address hospital;
        DatasetId dataset; // 0 once released
        uint16 version; // pinned version of the dataset
        uint32 records; // pinned record count
        bool struck; // an update of it was proved wrong: it submits no more, and anyone may abstain for it
    }

    /// @notice One word.
    struct Round {
        uint32 openedAt; // Unix seconds; the cohort is that of the second before
        uint32 closedAt; // when all had acted; 0 if they have not (all)
        uint32 totalWeight; // of the submitted updates
        uint8 acted; // how many have submitted or abstained
        uint64 submitted; // bitmap of the seats whose updates may be included
        uint64 attested; // bitmap of seats
        Outcome outcome;
        uint16 finalsBefore; // final rounds before this one
    }

    /// @notice One word for each aggregate that anyone attested to.
    struct Ballot {
        uint64 attesters; // bitmap of seats
        uint64 claimed; // bitmap of seats
        uint64 included; // bitmap of seats
        uint32 finalAt; // Unix seconds; 0 unless this aggregate is the round's result
        uint32 weight; // of the updates it includes, less what was claimed for already
    }

    /// @notice One word, only for rounds in which somebody did not submit or an update was proved wrong.
    struct Absence {
        uint64 abstained; // bitmap of seats
        uint64 struck; // bitmap of seats whose update was proved wrong; it earns nothing
    }

    /// @notice A hospital's commitment to one round's work.
    struct Update {
        bytes32 cid; // digest of the update's CID
        bytes32 updateRoot; // chunk tree over the header and the words
        bytes32 cohortCid; // digest of the cohort manifest's CID
        bytes32 cohortRoot; // Merkle root of the cohort's leaves
        uint32 weight; // patients in the cohort, rounded down to the study's step
    }

    /// @notice A round's result.
    struct Aggregate {
        bytes32 cid; // digest of the aggregate's CID
        bytes32 root; // chunk tree over its header and words
        bytes32 model; // digest of the next model's CID
        uint64 included; // bitmap of seats
        uint32 weight; // sum of the included updates' weights
    }

    event StudyCreated(StudyId indexed study, address indexed sponsor, StudyTerms terms);
    event Enrolled(
        StudyId indexed study,
        address indexed hospital,
        DatasetId indexed dataset,
        uint8 seat,
        uint16 version,
        uint32 records
    );
    event RoundOpened(StudyId indexed study, uint16 indexed round);
    event TrainingClosed(StudyId indexed study, uint16 indexed round);
    event UpdateSubmitted(StudyId indexed study, uint16 indexed round, uint8 indexed seat, Update update);
    event Abstained(StudyId indexed study, uint16 indexed round, uint8 indexed seat);
    event AggregateProposed(
        StudyId indexed study, uint16 indexed round, bytes32 aggregateHash, Aggregate aggregate
    );
    event Attested(StudyId indexed study, uint16 indexed round, bytes32 aggregateHash, uint64 seats);
    event RoundFinal(StudyId indexed study, uint16 indexed round, bytes32 aggregateHash);
    event RoundVoid(StudyId indexed study, uint16 indexed round);
    /// @notice An update was proved wrong. It left the round's set, unless the round was final already; it earns nothing.
    event UpdateStruck(StudyId indexed study, uint16 indexed round, uint8 indexed seat, uint32 weight);

    /// @notice The final aggregate of a round was proved wrong. `seats` attested to it and had their stake until now. This round
    /// and later ones pay nobody.
    event RoundRefuted(StudyId indexed study, uint16 indexed round, bytes32 aggregateHash, uint64 seats);

    /// @notice Slashed tokens joined the reward of `round`; the sponsor's refund where it is 0.
    event Forfeited(StudyId indexed study, uint16 indexed round, uint256 amount);
    event StudyCompleted(StudyId indexed study);
    event StudyAborted(StudyId indexed study);
    event Claimed(
        StudyId indexed study, uint16 indexed round, uint8 indexed seat, address hospital, uint256 amount
    );
    event StakeReleased(StudyId indexed study, uint8 indexed seat, uint256 amount);
    event Refunded(StudyId indexed study, address indexed sponsor, uint256 amount);

    error PhaseLengthOutOfRange(uint256 length, uint256 least, uint256 most);
    error DisputeLengthOutOfRange(uint256 length, uint256 least, uint256 most);
    error HospitalsOutOfRange(uint256 least, uint256 most, uint256 limit);
    error RoundsZero();
    error CohortStepOutOfRange(uint256 step, uint256 maxWeight);
    error SumCouldWrap(uint256 maxHospitals, uint256 maxWeight, uint256 steps);
    error ShareOutOfRange(uint256 bps, uint256 limit);
    error DeadlinePassed(uint256 deadline, uint256 now_);
    error NotEnrolling(StudyId study, State state);
    error NotRunning(StudyId study, State state);
    error NotEnded(StudyId study, State state);
    error NotTheSponsor(StudyId study, address account);
    error NotAnActiveHospital(address account);
    error AlreadyEnrolled(StudyId study, address hospital);
    error StudyFull(StudyId study, uint8 members);
    error UseNotPermitted(StudyId study, DatasetId dataset);
    error WrongPhase(StudyId study, uint16 round, Phase phase);
    error NotTheSeatsOperator(StudyId study, uint8 seat, address account);
    error HospitalSuspended(StudyId study, uint8 seat);
    error AlreadyActed(StudyId study, uint16 round, uint8 seat);
    error WeightNotAllowed(uint256 weight, uint256 step, uint256 most);
    error NotASubmitter(StudyId study, uint16 round, uint8 seat);
    error AlreadyAttested(StudyId study, uint16 round, uint8 seat);
    error AggregateUnknown(StudyId study, uint16 round, bytes32 aggregateHash);
    error IncludedNotSubmitted(uint64 included, uint64 submitted);
    error TooFewIncluded(uint256 included, uint256 least);
    error WrongTotalWeight(uint256 weight, uint256 total);
    error AttestationClosed(StudyId study, uint16 round, uint256 closedAt);
    error SignatureCount(uint256 seats, uint256 signatures);
    error BadSignature(uint8 seat, address recovered);
    error NothingToAdvance(StudyId study, uint256 until);
    error ClaimLocked(StudyId study, uint16 round, uint256 until);
    error NotFinal(StudyId study, uint16 round, bytes32 aggregateHash);
    error AlreadyClaimed(StudyId study, uint16 round, uint8 seat);
    error UpdateMismatch(StudyId study, uint16 round, uint8 seat);
    error NothingToClaim(StudyId study, uint16 round, uint8 seat);
    error PayVoid(StudyId study, uint16 round, uint16 voidFrom);
    error DisputeClosed(StudyId study, uint16 round, uint256 closedAt);
    error AlreadyStruck(StudyId study, uint16 round, uint8 seat);
    error AlreadyRefuted(StudyId study, uint16 round, bytes32 aggregateHash);
    error SeatStruck(StudyId study, uint8 seat);
    error StakeLocked(StudyId study, uint256 until);
    error AlreadyReleased(StudyId study, uint8 seat);
    error AlreadyRefunded(StudyId study);

    /// @notice Stops new studies and enrolments. Only for the pauser role. Never stops a running study, a claim or a refund.
    function pause() external;

    /// @notice Takes new studies and enrolments again. Only for the pauser role.
    function unpause() external;

    /// @notice Posts a study and draws `rewardPerRound * rounds` from the sponsor, who has approved the vault for it.
    function createStudy(StudyTerms calldata terms) external returns (StudyId study);

    /// @notice Takes a seat for the hospital that the caller operates, with one dataset and the stake from its free balance.
    function enrol(StudyId study, DatasetId dataset) external returns (uint8 seat);

    /// @notice The sponsor takes the study back while it is enrolling.
    function cancel(StudyId study) external;

    /// @notice Commits to an update. The bytes are published when Training has closed.
    function submitUpdate(StudyId study, uint16 round, uint8 seat, Update calldata update) external;

    /// @notice Present without work; anyone may say it for a suspended hospital, or one whose update was proved wrong.
    function abstain(StudyId study, uint16 round, uint8 seat) external;

    /// @notice Attests to an aggregate given in full. The attestation that makes two thirds of the submitters ends the round and
    /// opens the next. Attestations to the final aggregate are taken until the round's claims unlock. Where an included update is
    /// proved wrong before that, the attestation counts for nothing and everybody may attest anew.
    function attest(StudyId study, uint16 round, uint8 seat, Aggregate calldata aggregate) external;

    /// @notice Attests to an aggregate that somebody has given in full before.
    function attestHash(StudyId study, uint16 round, uint8 seat, bytes32 aggregateHash) external;

    /// @notice Hands in attestations that were signed by the seats' operators.
    /// @param seats The signers' seats.
    /// @param signatures 64 bytes for each seat, in their order: r and vs (ERC-2098) over
    /// Attestation(uint64 study,uint16 round,bytes32 aggregateHash).
    function attestBySig(
        StudyId study,
        uint16 round,
        Aggregate calldata aggregate,
        uint8[] calldata seats,
        bytes calldata signatures
    ) external;

    /// @notice Does what time allows: opens a study that has its hospitals, ends one that does not get them, voids a round that
    /// cannot end any more and that no aggregator's claim holds open. Anyone may call; the sponsor may open a study with enough hospitals
    /// before its deadline.
    function advance(StudyId study) external;

    /// @notice Pays one seat for one final round into its hospital's free balance. Anyone may call.
    /// @dev Of the round's reward, `attesterBps` go to the attesters in equal parts (where reviews count, to those that revealed
    /// theirs), `patientBps` to the patients in the cohorts through `IRewards`, and the rest to the updates by the study's score mode.
    function claim(
        StudyId study,
        uint16 round,
        uint8 seat,
        Aggregate calldata aggregate,
        Update calldata update
    ) external;

    /// @notice Gives free what is left of a seat's stake, and its dataset: `disputeSeconds` after the study has ended, or as soon as
    /// it has when no round was ever opened.
    function release(StudyId study, uint8 seat) external;

    /// @notice Gives the sponsor what no round will pay out, when stakes may be released.
    function refund(StudyId study) external;

    /// @notice Called by the disputes contract: makes an aggregator's claim the result of a round, attested to by its author.
    function finaliseByTime(StudyId study, uint16 round, uint8 seat, Aggregate calldata aggregate) external;

    /// @notice Called by the disputes contract: an update of this weight was proved wrong. While the round is open the update leaves its set
    /// and all may attest anew; in a final round, until its claims unlock, it only loses its pay.
    /// @return open Whether the set of an open round changed.
    /// @return slashable Whether the seat still had its stake.
    function strikeUpdate(StudyId study, uint16 round, uint8 seat, uint32 weight)
        external
        returns (bool open, bool slashable);

    /// @notice Called by the disputes contract: the final aggregate of a round was proved wrong, before the round's claims unlocked.
    /// The study aborts, whether it was running or completed.
    /// @return seats Those that attested to it and still had their stake.
    function refute(StudyId study, uint16 round, bytes32 aggregateHash) external returns (uint64 seats);

    /// @notice Called by the disputes contract: slashed tokens that have reached the study's pot join the reward of the newest round that
    /// nobody can have claimed from yet, or the sponsor's refund.
    function forfeit(StudyId study, uint256 amount) external;

    /// @notice How many studies there are; ids count from 1.
    function studyCount() external view returns (uint64);

    /// @notice The study's record; `State.None` when there is none.
    function getStudy(StudyId study) external view returns (Study memory);

    /// @notice A seat's record.
    function getSeat(StudyId study, uint8 seat) external view returns (Seat memory);

    /// @notice The seat of a hospital, if it has one.
    function seatOf(StudyId study, address hospital) external view returns (bool enrolled, uint8 seat);

    /// @notice A round's record; all zero when it has not opened.
    function getRound(StudyId study, uint16 round) external view returns (Round memory);

    /// @notice The ballot of one aggregate.
    function getBallot(StudyId study, uint16 round, bytes32 aggregateHash)
        external
        view
        returns (Ballot memory);

    /// @notice Who abstained, and whose update was proved wrong.
    function getAbsence(StudyId study, uint16 round) external view returns (Absence memory);

    /// @notice A seat's commitment: keccak256(updateRoot, keccak256(abi.encode(cid, cohortCid, cohortRoot, weight))).
    function updateOf(StudyId study, uint16 round, uint8 seat) external view returns (bytes32 commitment);

    /// @notice What a round pays on top of the study's reward: left over from earlier rounds, or slashed.
    function carriedInto(StudyId study, uint16 round) external view returns (uint96 amount);

    /// @notice The phase of a round now.
    function phase(StudyId study, uint16 round) external view returns (Phase);

    /// @notice keccak256(abi.encode(study, round, aggregate)).
    function hashAggregate(StudyId study, uint16 round, Aggregate calldata aggregate)
        external
        pure
        returns (bytes32);
}
