// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RoundId} from "../types/RoundId.sol";
import {SeatId} from "../types/SeatId.sol";
import {SeatSet} from "../types/SeatSet.sol";
import {StudyId} from "../types/StudyId.sol";
import {Vector} from "../types/Vector.sol";
import {IAggregationRule} from "./IAggregationRule.sol";
import {IFederatedRounds} from "./IFederatedRounds.sol";

/// @title What studies offer and ask for, and their money
/// @notice A sponsor posts terms and pays all rewards in. Here stands what was taken from each seat's stake, for whatever reason, and here
/// stakes are released and the sponsor is refunded when a study is over.
/// @dev Holds no funds: `IStakeVault` does.
interface IStudies {
    /// @notice How the part of a round's reward that is for its updates is shared out.
    enum ScoreMode {
        Weight, // by consented patients
        Equal, // the same for each submitter
        Reviewed // by the submitters' reviews of each other's updates, as `IPayouts` tallies them
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
        uint16 patientBps; // share of a round's reward for the patients in its cohorts, in 1/10,000
        uint24 claimSeconds; // window of an aggregator's claim, and the time to attest after one failed or the set changed
        uint8 maxAttempts; // aggregator's claims in a round; 0 where only a quorum ends it
        uint96 bond; // of an aggregator's claim, and of a stranger's objection to one
        ScoreMode scoreMode;
        uint16 sponsorFeeBps; // the sponsor's share of the finished model's licence fees, in 1/10,000
        Vector[] training; // what an update consists of
        Vector[] statistics; // what it consists of until a first round was final; none for a study that begins with training
    }

    /// @notice What a study says about money and claims, but for what enrolling needs. Two words: the first is what pay needs.
    struct Offer {
        uint96 rewardPerRound;
        uint96 bond;
        uint24 claimSeconds;
        uint16 attesterBps;
        uint16 patientBps;
        ScoreMode scoreMode;
        IAggregationRule rule; // second word
        uint8 maxAttempts;
        uint16 sponsorFeeBps;
        bool refunded; // whether the sponsor had the refund
        SeatSet released; // the seats whose stake was released
    }

    /// @notice What is for whom of a round's reward.
    struct Pools {
        uint256 attesters;
        uint256 patients;
        uint256 updates;
        ScoreMode scoreMode; // how the last is shared out
    }

    /// @notice What was taken from one seat's stake, for whatever was not the whole of it. One word.
    struct Taken {
        uint96 amount; // smallest units
        uint8 misses; // rounds in which it was absent
    }

    event StudyCreated(StudyId indexed study, address indexed sponsor, StudyTerms terms);
    /// @notice Seats were absent: `warned` the first time, `slashed` of `SLASH_BPS` of their stake, as far as it was there.
    event AbsencesRecorded(StudyId indexed study, RoundId indexed round, SeatSet warned, SeatSet slashed);
    /// @notice Seats that attested to a result with a wrong update in it lost `SLASH_BPS` of their stake, as far as it was there.
    event CarelessSlashed(StudyId indexed study, RoundId indexed round, SeatSet seats);
    /// @notice Seats lost what was left of their stake to a proof.
    event StakeLost(StudyId indexed study, RoundId indexed round, SeatSet seats);
    /// @notice A struck update left too few: `amount` of its author's stake is for those that remain.
    event Compensated(StudyId indexed study, RoundId indexed round, uint256 amount);
    event StakeReleased(StudyId indexed study, SeatId indexed seat, uint256 amount);
    event Refunded(StudyId indexed study, address indexed sponsor, uint256 amount);

    error PhaseLengthOutOfRange(uint256 length, uint256 least, uint256 most);
    error DisputeLengthOutOfRange(uint256 length, uint256 least, uint256 most);
    /// @notice With every phase used up, the study could lock stakes for longer than `most` seconds.
    error StudyTooLong(uint256 longest, uint256 most);
    error HospitalsOutOfRange(uint256 least, uint256 most, uint256 limit);
    /// @notice A study has at least one round to complete, at most 254 that may be void, and fewer than `limit` of both.
    error RoundsOutOfRange(uint256 rounds, uint256 maxVoids, uint256 limit);
    error CohortStepOutOfRange(uint256 step, uint256 maxWeight);
    error VectorsOutOfRange(uint256 vectors, uint256 least, uint256 limit);
    error VectorEmpty(uint256 words, uint256 steps);
    /// @notice A rule that counts each hospital once takes no weighted vector.
    error RuleNotWeighted(IAggregationRule rule);
    error SumCouldWrap(uint256 maxHospitals, uint256 maxWeight, uint256 steps);
    error ShareOutOfRange(uint256 bps, uint256 limit);
    error RewardOutOfRange(uint256 reward, uint256 most);
    error AttemptsOutOfRange(uint256 attempts, uint256 limit);
    /// @notice A bond is more than nothing and at most half of the stake: a larger one could be saved by having an update struck.
    error BondOutOfRange(uint256 bond, uint256 most);
    error RuleNotPerChunk(IAggregationRule rule);
    error NotSettled(StudyId study, uint256 until);
    error AlreadyReleased(StudyId study, SeatId seat);
    error SeatUnknown(StudyId study, SeatId seat);
    error AlreadyRefunded(StudyId study);

    /// @notice Posts a study and draws `rewardPerRound * rounds` from the sponsor, who has approved the vault for it.
    /// @dev Assumes of the rule that it answers the same question always in the same way; `checkChunk` is only called to read.
    function create(StudyTerms calldata terms) external returns (StudyId study);

    /// @notice Gives free what is left of a seat's stake, and its dataset: `disputeSeconds` after the study has ended, or as soon as
    /// it has when no round was ever opened. Anyone may call.
    function release(StudyId study, SeatId seat) external;

    /// @notice Gives the sponsor the rewards of the rounds that never became final, when stakes may be released. Anyone may call.
    function refund(StudyId study) external;

    /// @notice Called by the proofs contract: seats that attested to a wrong result lose what is left of their stake.
    function slashLiars(StudyId study, RoundId round, SeatSet seats, address challenger) external;

    /// @notice Called by the proofs contract: the author of a wrong update loses what is left of its stake.
    /// @param short Whether the round is left with too few: half of it is for those that remain, up to the round's reward.
    function slashAuthor(StudyId study, RoundId round, SeatId seat, bool short, address challenger) external;

    /// @notice Called by the proofs contract: seats that attested to a result with a wrong update in it lose `SLASH_BPS` of their stake. No
    /// challenger has a share: else one bug in everybody's software would be a bounty of all stakes.
    function slashCareless(StudyId study, RoundId round, SeatSet seats) external;

    /// @notice Called by the claims contract: seats were absent from a round. The first time warns (in the first round it costs, as
    /// the hospital never took part), later ones cost `SLASH_BPS` of the stake.
    function slashAbsent(StudyId study, RoundId round, SeatSet seats) external;

    /// @notice How many studies there are; ids count from 1.
    function studyCount() external view returns (uint64);

    /// @notice What the study offers; all zero when there is none.
    function getOffer(StudyId study) external view returns (Offer memory);

    /// @notice What an update of a round consists of.
    /// @param statistics Whether the round is one before the first final one: its updates are the study's statistics, if it has any.
    function vectorsOf(StudyId study, bool statistics) external view returns (Vector[] memory);

    /// @notice A round's reward, shared out. Rounded down but for the updates' part.
    function poolsOf(StudyId study) external view returns (Pools memory);

    /// @notice The bond of a claim, its window, and how many there may be in a round.
    function claimTermsOf(StudyId study)
        external
        view
        returns (uint96 bond, uint24 claimSeconds, uint8 maxAttempts);

    /// @notice The bond of a claim.
    function bondOf(StudyId study) external view returns (uint96);

    /// @notice How updates become an aggregate.
    function ruleOf(StudyId study) external view returns (IAggregationRule);

    /// @notice What a study took from a seat's stake, smallest units. No more than the stake is ever taken, and the rest is released.
    function takenOf(StudyId study, SeatId seat) external view returns (uint96 amount);

    /// @notice In how many rounds a seat was absent.
    function missesOf(StudyId study, SeatId seat) external view returns (uint8);

    /// @notice The seats that have nothing left of their stake because of a proof.
    function stakesLost(StudyId study) external view returns (SeatSet);

    /// @notice What a void round pays to those that stayed in its set, from the stake of one that left.
    function compensationOf(StudyId study, RoundId round) external view returns (uint96 amount);
}
