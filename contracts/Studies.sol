// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IAggregationRule} from "./interfaces/IAggregationRule.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IStudies} from "./interfaces/IStudies.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {BPS} from "./types/Bps.sol";
import {Clock, PHASE_LIMIT, STUDY_LIMIT} from "./types/Clock.sol";
import {RoundId} from "./types/RoundId.sol";
import {SeatId} from "./types/SeatId.sol";
import {SEAT_LIMIT, SeatSet, setOf} from "./types/SeatSet.sol";
import {StudyId} from "./types/StudyId.sol";
import {VECTOR_LIMIT, Vector, VectorList} from "./types/Vector.sol";

/// @dev The most that attesters and patients may get of a round's reward.
uint256 constant SET_ASIDE_BPS_LIMIT = 5_000;
/// @dev The most attempts in a round: one challenge reads them all.
uint256 constant ATTEMPT_LIMIT = 16;
/// @dev A sum of words, and one of weights, stays below 2^31 in size.
uint256 constant SUM_LIMIT = 1 << 31;
/// @dev Final and void rounds of a study together stay below this, and void ones below the other, so that no counter overflows.
uint256 constant ROUND_LIMIT = type(uint16).max;
uint256 constant VOID_LIMIT = type(uint8).max;
/// @dev A hospital is slashed from its second miss on.
uint256 constant SLASHED_FROM_MISS = 2;

/// @title Studies
contract Studies is IStudies, Guarded {
    // Immutables

    IFederatedRounds public immutable ROUNDS;
    address public immutable CLAIMS;
    address public immutable PROOFS;
    IStakeVault public immutable VAULT;
    IDatasetRegistry public immutable DATASETS;
    /// @notice Shortest Training and Aggregating phase, in seconds.
    uint256 public immutable MIN_PHASE_SECONDS;
    /// @notice Shortest dispute window, in seconds.
    uint256 public immutable MIN_DISPUTE_SECONDS;
    /// @notice The share of a stake that one absence, or one careless attestation, costs, in 1/10,000.
    uint256 public immutable SLASH_BPS;

    // Storage

    /// @inheritdoc IStudies
    uint64 public studyCount;

    mapping(StudyId study => Offer) private _offers;
    mapping(StudyId study => VectorList) private _training;
    mapping(StudyId study => VectorList) private _statistics;
    mapping(StudyId study => mapping(SeatId seat => Taken)) private _taken;

    /// @inheritdoc IStudies
    mapping(StudyId study => SeatSet) public stakesLost;

    /// @inheritdoc IStudies
    mapping(StudyId study => mapping(RoundId round => uint96 amount)) public compensationOf;

    // Constructor

    constructor(
        IFederatedRounds rounds,
        address claims,
        address proofs,
        IStakeVault vault,
        IDatasetRegistry datasets,
        uint256 minPhaseSeconds,
        uint256 minDisputeSeconds,
        uint256 slashBps
    ) {
        require(minPhaseSeconds <= PHASE_LIMIT, PhaseLengthOutOfRange(minPhaseSeconds, 0, PHASE_LIMIT));
        require(minDisputeSeconds <= PHASE_LIMIT, DisputeLengthOutOfRange(minDisputeSeconds, 0, PHASE_LIMIT));
        require(slashBps <= BPS, ShareOutOfRange(slashBps, BPS));
        ROUNDS = rounds;
        CLAIMS = claims;
        PROOFS = proofs;
        VAULT = vault;
        DATASETS = datasets;
        MIN_PHASE_SECONDS = minPhaseSeconds;
        MIN_DISPUTE_SECONDS = minDisputeSeconds;
        SLASH_BPS = slashBps;
    }

    // Creating a study

    /// @inheritdoc IStudies
    function create(StudyTerms calldata terms) external returns (StudyId study) {
        _requireTimes(terms);
        _requireSizes(terms);
        _requireShares(terms);
        _requireVectors(terms);
        _requireClaims(terms);
        Purposes.requireRequest(terms.purposes);

        study = StudyId.wrap(++studyCount);
        _write(study, terms);

        emit StudyCreated(study, msg.sender, terms);

        ROUNDS.open(study, _roundTermsOf(terms), _enrolmentOf(terms));
        VAULT.fund(study, terms.token, uint256(terms.rewardPerRound) * terms.rounds, msg.sender);
    }

    // Ending a study

    /// @inheritdoc IStudies
    function release(StudyId study, SeatId seat) external {
        _requireSettled(study, ROUNDS.getStudy(study));
        IFederatedRounds.Seat memory holder = ROUNDS.getSeat(study, seat);
        require(holder.hospital != address(0), SeatUnknown(study, seat));
        SeatSet released = _offers[study].released;
        require(!released.has(seat), AlreadyReleased(study, seat));

        _offers[study].released = released.add(seat);
        (address token, uint96 stake) = ROUNDS.stakeOf(study);
        uint256 left = stake - _takenOf(study, seat, stake);

        emit StakeReleased(study, seat, left);

        DATASETS.unlock(holder.dataset);
        VAULT.unlock(holder.hospital, token, left, true);
    }

    /// @inheritdoc IStudies
    function refund(StudyId study) external {
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        _requireSettled(study, s);
        Offer storage offer = _offers[study];
        require(!offer.refunded, AlreadyRefunded(study));

        offer.refunded = true;
        address sponsor = ROUNDS.sponsorOf(study);
        uint256 amount = uint256(offer.rewardPerRound) * (s.rounds - s.finals);

        emit Refunded(study, sponsor, amount);

        VAULT.pay(study, sponsor, amount);
    }

    // Functions of the proofs and the claims contract

    /// @inheritdoc IStudies
    function slashLiars(StudyId study, RoundId round, SeatSet seats, address challenger)
        external
        only(msg.sender == PROOFS)
    {
        _slashAll(study, round, seats, 0, challenger);
    }

    /// @inheritdoc IStudies
    function slashAuthor(StudyId study, RoundId round, SeatId seat, bool short, address challenger)
        external
        only(msg.sender == PROOFS)
    {
        uint256 kept = short ? _compensate(study, round, seat) : 0;

        _slashAll(study, round, setOf(seat), kept, challenger);
    }

    /// @inheritdoc IStudies
    function slashCareless(StudyId study, RoundId round, SeatSet seats) external only(msg.sender == PROOFS) {
        seats = seats - stakesLost[study];
        if (seats.isEmpty()) return;

        emit CarelessSlashed(study, round, seats);

        _slashParts(study, seats);
    }

    /// @inheritdoc IStudies
    function slashAbsent(StudyId study, RoundId round, SeatSet seats) external only(msg.sender == CLAIMS) {
        SeatSet slashed = _countMisses(study, round, seats);

        emit AbsencesRecorded(study, round, seats - slashed, slashed);

        if (!slashed.isEmpty()) _slashParts(study, slashed);
    }

    // Views

    /// @inheritdoc IStudies
    function getOffer(StudyId study) external view returns (Offer memory) {
        return _offers[study];
    }

    /// @inheritdoc IStudies
    function vectorsOf(StudyId study, bool statistics) external view returns (Vector[] memory vectors) {
        if (statistics) vectors = _statistics[study].read();
        if (vectors.length == 0) vectors = _training[study].read();
    }

    /// @inheritdoc IStudies
    function poolsOf(StudyId study) external view returns (Pools memory) {
        return _poolsOf(study);
    }

    /// @inheritdoc IStudies
    function claimTermsOf(StudyId study)
        external
        view
        returns (uint96 bond, uint24 claimSeconds, uint8 maxAttempts)
    {
        Offer storage offer = _offers[study];
        return (offer.bond, offer.claimSeconds, offer.maxAttempts);
    }

    /// @inheritdoc IStudies
    function bondOf(StudyId study) external view returns (uint96) {
        return _offers[study].bond;
    }

    /// @inheritdoc IStudies
    function ruleOf(StudyId study) external view returns (IAggregationRule) {
        return _offers[study].rule;
    }

    /// @inheritdoc IStudies
    function takenOf(StudyId study, SeatId seat) external view returns (uint96 amount) {
        // slither-disable-next-line unused-return (the rest is not asked for)
        (, uint96 stake) = ROUNDS.stakeOf(study);
        return _takenOf(study, seat, stake);
    }

    /// @inheritdoc IStudies
    function missesOf(StudyId study, SeatId seat) external view returns (uint8) {
        return _taken[study][seat].misses;
    }

    // Internal: checks

    function _requireTimes(StudyTerms calldata t) private view {
        require(
            block.timestamp < t.enrolDeadline,
            IFederatedRounds.DeadlinePassed(t.enrolDeadline, block.timestamp)
        );
        uint256 enrolling = t.enrolDeadline - block.timestamp;
        require(enrolling <= PHASE_LIMIT, PhaseLengthOutOfRange(enrolling, 0, PHASE_LIMIT));
        _requirePhase(t.trainingSeconds);
        _requirePhase(t.aggregatingSeconds);
        _requirePhase(t.claimSeconds);
        require(
            t.disputeSeconds >= MIN_DISPUTE_SECONDS && t.disputeSeconds <= PHASE_LIMIT,
            DisputeLengthOutOfRange(t.disputeSeconds, MIN_DISPUTE_SECONDS, PHASE_LIMIT)
        );
    }

    function _requirePhase(uint256 length) private view {
        require(
            length >= MIN_PHASE_SECONDS && length <= PHASE_LIMIT,
            PhaseLengthOutOfRange(length, MIN_PHASE_SECONDS, PHASE_LIMIT)
        );
    }

    function _requireSizes(StudyTerms calldata t) private pure {
        require(
            t.minHospitals >= 2 && t.minHospitals <= t.maxHospitals && t.maxHospitals <= SEAT_LIMIT,
            HospitalsOutOfRange(t.minHospitals, t.maxHospitals, SEAT_LIMIT)
        );
        uint256 rounds = uint256(t.rounds) + t.maxVoids;
        require(
            t.rounds != 0 && t.maxVoids < VOID_LIMIT && rounds < ROUND_LIMIT,
            RoundsOutOfRange(t.rounds, t.maxVoids, ROUND_LIMIT)
        );
        uint256 longest = rounds
            * Clock.longestRound(
                t.trainingSeconds,
                t.aggregatingSeconds,
                t.claimSeconds,
                t.maxAttempts,
                t.maxHospitals - t.minHospitals
            );
        require(longest <= STUDY_LIMIT, StudyTooLong(longest, STUDY_LIMIT));
        require(
            t.cohortStep != 0 && t.cohortStep <= t.maxWeight, CohortStepOutOfRange(t.cohortStep, t.maxWeight)
        );
    }

    function _requireShares(StudyTerms calldata t) private pure {
        uint256 aside = uint256(t.attesterBps) + t.patientBps;
        require(aside <= SET_ASIDE_BPS_LIMIT, ShareOutOfRange(aside, SET_ASIDE_BPS_LIMIT));
        require(t.sponsorFeeBps <= BPS, ShareOutOfRange(t.sponsorFeeBps, BPS));
        // So that the pot has room for a compensation in each void round.
        uint256 most = type(uint96).max / (uint256(t.rounds) + t.maxVoids + 1);
        require(t.rewardPerRound <= most, RewardOutOfRange(t.rewardPerRound, most));
    }

    function _requireVectors(StudyTerms calldata t) private pure {
        bool weighted = t.rule.weighted();
        uint256 weights = uint256(t.maxHospitals) * t.maxWeight;
        require(weights < SUM_LIMIT, SumCouldWrap(t.maxHospitals, t.maxWeight, 1));
        require(t.training.length != 0, VectorsOutOfRange(0, 1, VECTOR_LIMIT));
        _requireEach(t, t.training, weighted);
        _requireEach(t, t.statistics, weighted);
    }

    function _requireEach(StudyTerms calldata t, Vector[] calldata vectors, bool weighted) private pure {
        require(vectors.length <= VECTOR_LIMIT, VectorsOutOfRange(vectors.length, 0, VECTOR_LIMIT));
        for (uint256 i = 0; i < vectors.length; ++i) {
            Vector calldata v = vectors[i];
            require(v.words != 0 && v.steps != 0, VectorEmpty(v.words, v.steps));
            require(weighted || !v.weighted, RuleNotWeighted(t.rule));
            uint256 sum = uint256(t.maxHospitals) * (v.weighted ? t.maxWeight : 1) * v.steps;
            require(sum < SUM_LIMIT, SumCouldWrap(t.maxHospitals, v.weighted ? t.maxWeight : 1, v.steps));
        }
    }

    function _requireClaims(StudyTerms calldata t) private pure {
        require(t.maxAttempts <= ATTEMPT_LIMIT, AttemptsOutOfRange(t.maxAttempts, ATTEMPT_LIMIT));
        uint256 most = t.stake / 2;
        require(t.maxAttempts == 0 || (t.bond != 0 && t.bond <= most), BondOutOfRange(t.bond, most));
        require(t.maxAttempts == 0 || t.rule.perChunk(), RuleNotPerChunk(t.rule));
    }

    function _requireSettled(StudyId study, IFederatedRounds.Study memory s) private view {
        uint256 until = Clock.settledAt(s.endedAt, s.round, s.disputeSeconds);
        require(until != 0 && block.timestamp >= until, NotSettled(study, until));
    }

    // Internal: writing terms

    function _write(StudyId study, StudyTerms calldata t) private {
        Offer storage offer = _offers[study];
        offer.rewardPerRound = t.rewardPerRound;
        offer.bond = t.bond;
        offer.claimSeconds = t.claimSeconds;
        offer.attesterBps = t.attesterBps;
        offer.patientBps = t.patientBps;
        offer.scoreMode = t.scoreMode;
        offer.rule = t.rule;
        offer.maxAttempts = t.maxAttempts;
        offer.sponsorFeeBps = t.sponsorFeeBps;
        _training[study].write(t.training);
        _statistics[study].write(t.statistics);
    }

    function _roundTermsOf(StudyTerms calldata t)
        private
        pure
        returns (IFederatedRounds.RoundTerms memory r)
    {
        r.minHospitals = t.minHospitals;
        r.rounds = t.rounds;
        r.maxVoids = t.maxVoids;
        r.cohortStep = t.cohortStep;
        r.trainingSeconds = t.trainingSeconds;
        r.aggregatingSeconds = t.aggregatingSeconds;
        r.disputeSeconds = t.disputeSeconds;
        r.maxWeight = t.maxWeight;
    }

    function _enrolmentOf(StudyTerms calldata t) private view returns (IFederatedRounds.Enrolment memory e) {
        (e.token, e.stake, e.sponsor, e.spec) = (t.token, t.stake, msg.sender, t.spec);
        (e.enrolDeadline, e.purposes, e.disease) = (t.enrolDeadline, t.purposes, t.disease);
        e.maxHospitals = t.maxHospitals;
    }

    // Internal: the ledger of what was taken

    /// @dev Takes all that is left of some stakes.
    function _slashAll(StudyId study, RoundId round, SeatSet seats, uint256 kept, address challenger)
        private
    {
        SeatSet lost = stakesLost[study];
        seats = seats - lost;
        if (seats.isEmpty()) return;
        (address token, uint96 stake) = ROUNDS.stakeOf(study);
        SeatId[] memory list = seats.toArray();
        uint256[] memory amounts = new uint256[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            amounts[i] = stake - _taken[study][list[i]].amount;
        }

        stakesLost[study] = lost | seats;

        emit StakeLost(study, round, seats);

        VAULT.slash(study, token, ROUNDS.hospitalsOf(study, seats), amounts, kept, challenger);
    }

    /// @dev Takes `SLASH_BPS` of some stakes that are not lost, as far as it is there.
    function _slashParts(StudyId study, SeatSet seats) private {
        (address token, uint96 stake) = ROUNDS.stakeOf(study);
        uint256 part = uint256(stake) * SLASH_BPS / BPS;
        SeatId[] memory list = seats.toArray();
        uint256[] memory amounts = new uint256[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            uint96 before = _taken[study][list[i]].amount;
            uint256 left = stake - before;
            amounts[i] = part < left ? part : left;
            // The cast is safe: the amount is at most the stake.
            _taken[study][list[i]].amount = before + uint96(amounts[i]);
        }

        VAULT.slash(study, token, ROUNDS.hospitalsOf(study, seats), amounts, 0, address(0));
    }

    /// @dev Half of what is left of a stake is for those that remain in the round, up to its reward: a friend among them saves no more.
    function _compensate(StudyId study, RoundId round, SeatId seat) private returns (uint256 kept) {
        // slither-disable-next-line unused-return (the rest is not asked for)
        (, uint96 stake) = ROUNDS.stakeOf(study);
        uint96 left = stake - _takenOf(study, seat, stake);
        uint96 reward = _offers[study].rewardPerRound;
        kept = Math.min(left / 2, reward);
        if (kept == 0) return 0;

        // The cast is safe: both are uint96.
        compensationOf[study][round] += uint96(kept);

        emit Compensated(study, round, kept);
    }

    /// @return slashed For whom this miss costs.
    function _countMisses(StudyId study, RoundId round, SeatSet seats) private returns (SeatSet slashed) {
        SeatId[] memory list = seats.toArray();
        for (uint256 i = 0; i < list.length; ++i) {
            Taken storage taken = _taken[study][list[i]];
            uint8 misses = taken.misses;
            if (misses != type(uint8).max) taken.misses = ++misses;
            if (misses >= SLASHED_FROM_MISS || round == RoundId.wrap(1)) slashed = slashed.add(list[i]);
        }
    }

    // Internal: facts

    function _takenOf(StudyId study, SeatId seat, uint96 stake) private view returns (uint96) {
        return stakesLost[study].has(seat) ? stake : _taken[study][seat].amount;
    }

    function _poolsOf(StudyId study) private view returns (Pools memory pools) {
        Offer storage offer = _offers[study];
        uint256 reward = offer.rewardPerRound;
        pools.attesters = reward * offer.attesterBps / BPS;
        pools.patients = reward * offer.patientBps / BPS;
        pools.updates = reward - pools.attesters - pools.patients;
        pools.scoreMode = offer.scoreMode;
    }
}
