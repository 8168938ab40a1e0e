// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IRewards} from "./interfaces/IRewards.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {Seats} from "./libraries/Seats.sol";
import {BPS} from "./types/Bps.sol";
import {DatasetId} from "./types/DatasetId.sol";
import {StudyId} from "./types/StudyId.sol";

/// @dev The most that attesters and patients may get of a round's reward.
uint256 constant SET_ASIDE_BPS_LIMIT = 5_000;
/// @dev Longest time to enrol, Training or Aggregating phase, window of a claim: a stake waits for nobody longer.
uint256 constant PHASE_LIMIT = 90 days;

bytes32 constant ATTESTATION_TYPEHASH =
    keccak256("Attestation(uint64 study,uint16 round,bytes32 aggregateHash)");

/// @title FederatedRounds
contract FederatedRounds is IFederatedRounds, AccessManaged, Pausable, EIP712, Guarded {
    using SafeCast for uint256;
    using Seats for uint64;

    // Immutables

    IConsortium public immutable CONSORTIUM;
    IDatasetRegistry public immutable DATASETS;
    IStakeVault public immutable VAULT;
    IDisputes public immutable DISPUTES;
    IRewards public immutable REWARDS;
    /// @notice Shortest Training and Aggregating phase, in seconds.
    uint256 public immutable MIN_PHASE_SECONDS;
    /// @notice Shortest dispute window, in seconds.
    uint256 public immutable MIN_DISPUTE_SECONDS;
    /// @notice Longest dispute window, in seconds: the vault's exit delay.
    uint256 public immutable MAX_DISPUTE_SECONDS;

    // Storage

    /// @inheritdoc IFederatedRounds
    uint64 public studyCount;

    mapping(StudyId study => Study) private _studies;
    mapping(StudyId study => mapping(uint8 seat => Seat)) private _seats;
    mapping(StudyId study => mapping(address hospital => uint256 seatPlusOne)) private _seatOf;
    mapping(StudyId study => mapping(uint16 round => Round)) private _rounds;
    mapping(StudyId study => mapping(uint16 round => Absence)) private _absences;
    mapping(StudyId study => mapping(uint16 round => mapping(bytes32 aggregateHash => Ballot))) private
        _ballots;

    /// @inheritdoc IFederatedRounds
    mapping(StudyId study => mapping(uint16 round => mapping(uint8 seat => bytes32 commitment))) public
        updateOf;

    /// @inheritdoc IFederatedRounds
    mapping(StudyId study => mapping(uint16 round => uint96 amount)) public carriedInto;

    // Constructor

    constructor(
        address authority,
        IConsortium consortium,
        IDatasetRegistry datasets,
        IStakeVault vault,
        IDisputes disputes,
        IRewards rewards,
        uint256 minPhaseSeconds,
        uint256 minDisputeSeconds
    ) AccessManaged(authority) EIP712("MedFed FederatedRounds", "1") {
        uint256 exitDelay = vault.exitDelay();
        require(minPhaseSeconds <= PHASE_LIMIT, PhaseLengthOutOfRange(minPhaseSeconds, 0, PHASE_LIMIT));
        require(minDisputeSeconds <= exitDelay, DisputeLengthOutOfRange(minDisputeSeconds, 0, exitDelay));
        CONSORTIUM = consortium;
        DATASETS = datasets;
        VAULT = vault;
        DISPUTES = disputes;
        REWARDS = rewards;
        MIN_PHASE_SECONDS = minPhaseSeconds;
        MIN_DISPUTE_SECONDS = minDisputeSeconds;
        MAX_DISPUTE_SECONDS = exitDelay;
    }

    // Modifiers

    modifier onlyDisputes() {
        _requireTrusted(msg.sender == address(DISPUTES));
        _;
    }

    // Admin functions

    /// @inheritdoc IFederatedRounds
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IFederatedRounds
    function unpause() external restricted {
        _unpause();
    }

    // Creating a study

    /// @inheritdoc IFederatedRounds
    function createStudy(StudyTerms calldata terms) external whenNotPaused returns (StudyId study) {
        _requireTimes(terms);
        _requireSizes(terms);
        _requireShares(terms);
        Purposes.requireRequest(terms.purposes);

        study = StudyId.wrap(++studyCount);
        _writeStudy(_studies[study], terms);

        emit StudyCreated(study, msg.sender, terms);

        DISPUTES.agree(study, terms);
        VAULT.fund(study, terms.token, uint256(terms.rewardPerRound) * terms.rounds, msg.sender);
    }

    /// @inheritdoc IFederatedRounds
    function enrol(StudyId study, DatasetId dataset) external whenNotPaused returns (uint8 seat) {
        Study storage s = _studies[study];
        address hospital = _requireActiveHospital(msg.sender);
        require(s.state == State.Enrolling, NotEnrolling(study, s.state));
        require(block.timestamp < s.enrolDeadline, DeadlinePassed(s.enrolDeadline, block.timestamp));
        seat = s.members;
        require(seat < s.maxHospitals, StudyFull(study, seat));
        require(_seatOf[study][hospital] == 0, AlreadyEnrolled(study, hospital));

        s.members = seat + 1;
        _seatOf[study][hospital] = uint256(seat) + 1;

        (uint16 version, uint32 records, uint32 uses, uint24 disease) = DATASETS.lock(dataset, hospital);
        require(Purposes.permitsStudy(uses, disease, s.purposes, s.disease), UseNotPermitted(study, dataset));
        // Written after the call, to the registry of this deployment, because only its answer has the pinned version and count.
        Seat storage place = _seats[study][seat];
        (place.hospital, place.dataset, place.version, place.records) = (hospital, dataset, version, records);

        emit Enrolled(study, hospital, dataset, seat, version, records);

        VAULT.lock(hospital, s.token, s.stake);
    }

    /// @inheritdoc IFederatedRounds
    function cancel(StudyId study) external {
        Study storage s = _studies[study];
        require(s.state == State.Enrolling, NotEnrolling(study, s.state));
        require(msg.sender == s.sponsor, NotTheSponsor(study, msg.sender));

        _end(study, s, State.Aborted);
    }

    // Training

    /// @inheritdoc IFederatedRounds
    function submitUpdate(StudyId study, uint16 round, uint8 seat, Update calldata update) external {
        Study storage s = _studies[study];
        Seat storage place = _seats[study][seat];
        _requireOperator(study, seat, place.hospital);
        Round storage r = _requireTraining(study, round, s);
        require(
            updateOf[study][round][seat] == 0 && !_hasAbstained(study, round, seat, r),
            AlreadyActed(study, round, seat)
        );
        require(!place.struck, SeatStruck(study, seat));
        _requireWeight(update.weight, s, place.records);

        updateOf[study][round][seat] = _commitment(update);
        r.submitted |= Seats.bit(seat);
        r.totalWeight += update.weight;

        emit UpdateSubmitted(study, round, seat, update);

        _act(study, round, s, r);
    }

    /// @inheritdoc IFederatedRounds
    function abstain(StudyId study, uint16 round, uint8 seat) external {
        Study storage s = _studies[study];
        Seat storage place = _seats[study][seat];
        address hospital = place.hospital;
        (bool operator, bool active) = CONSORTIUM.isOperator(hospital, msg.sender);
        require(
            hospital != address(0) && (operator || !active || place.struck),
            NotTheSeatsOperator(study, seat, msg.sender)
        );
        Round storage r = _requireTraining(study, round, s);
        require(
            updateOf[study][round][seat] == 0 && !_absences[study][round].abstained.has(seat),
            AlreadyActed(study, round, seat)
        );

        _absences[study][round].abstained |= Seats.bit(seat);

        emit Abstained(study, round, seat);

        _act(study, round, s, r);
    }

    // Attesting

    /// @inheritdoc IFederatedRounds
    function attest(StudyId study, uint16 round, uint8 seat, Aggregate calldata aggregate) external {
        _attestAs(study, round, seat, _propose(study, round, aggregate));
    }

    /// @inheritdoc IFederatedRounds
    function attestHash(StudyId study, uint16 round, uint8 seat, bytes32 aggregateHash) external {
        require(
            _ballots[study][round][aggregateHash].attesters != 0,
            AggregateUnknown(study, round, aggregateHash)
        );

        _attestAs(study, round, seat, aggregateHash);
    }

    /// @inheritdoc IFederatedRounds
    function attestBySig(
        StudyId study,
        uint16 round,
        Aggregate calldata aggregate,
        uint8[] calldata seats,
        bytes calldata signatures
    ) external {
        require(
            seats.length != 0 && signatures.length == seats.length * 64,
            SignatureCount(seats.length, signatures.length / 64)
        );
        bytes32 aggregateHash = _propose(study, round, aggregate);
        bytes32 digest =
            _hashTypedDataV4(keccak256(abi.encode(ATTESTATION_TYPEHASH, study, round, aggregateHash)));

        uint64 attesters;
        for (uint256 i = 0; i < seats.length; ++i) {
            uint8 seat = seats[i];
            _requireSigned(study, seat, digest, signatures[i * 64:i * 64 + 64]);
            require(!attesters.has(seat), AlreadyAttested(study, round, seat));
            attesters |= Seats.bit(seat);
        }

        _attest(study, round, aggregateHash, attesters, false);
    }

    // Moving on

    /// @inheritdoc IFederatedRounds
    function advance(StudyId study) external {
        Study storage s = _studies[study];
        if (s.state == State.Enrolling) return _advanceEnrolment(study, s);
        require(s.state == State.Running, NotRunning(study, s.state));
        uint16 round = s.round;
        Round storage r = _rounds[study][round];
        uint256 until = _voidableAt(study, round, s, r);
        require(block.timestamp >= until, NothingToAdvance(study, until));

        bool tooMany = s.voids == s.maxVoids;
        if (s.voids != type(uint8).max) s.voids += 1;
        _void(study, round, r);

        if (tooMany) _end(study, s, State.Aborted);
        else _open(study, s, round + 1);
    }

    // Money

    /// @inheritdoc IFederatedRounds
    function claim(
        StudyId study,
        uint16 round,
        uint8 seat,
        Aggregate calldata aggregate,
        Update calldata update
    ) external {
        Study storage s = _studies[study];
        bytes32 aggregateHash = _hash(study, round, aggregate);
        Ballot storage ballot = _ballots[study][round][aggregateHash];
        Ballot memory b = ballot;
        require(b.finalAt != 0, NotFinal(study, round, aggregateHash));
        uint256 until = uint256(b.finalAt) + s.disputeSeconds;
        require(block.timestamp >= until, ClaimLocked(study, round, until));
        _requirePaying(study, round, s);
        require(!b.claimed.has(seat), AlreadyClaimed(study, round, seat));
        require(updateOf[study][round][seat] == _commitment(update), UpdateMismatch(study, round, seat));
        require(!_absences[study][round].struck.has(seat), AlreadyStruck(study, round, seat));

        // A quorum that is in league can understate the included weight. What it named is all that is paid for: the rest was carried on.
        uint32 weight = aggregate.included.has(seat) ? uint32(Math.min(update.weight, b.weight)) : 0;
        (ballot.claimed, ballot.weight) = (b.claimed | Seats.bit(seat), b.weight - weight);
        uint256 amount = _payOf(study, s, round, seat, aggregate, b.attesters, weight);
        require(amount != 0, NothingToClaim(study, round, seat));
        address hospital = _seats[study][seat].hospital;

        emit Claimed(study, round, seat, hospital, amount);

        VAULT.pay(study, hospital, amount);
    }

    /// @inheritdoc IFederatedRounds
    function release(StudyId study, uint8 seat) external {
        Study storage s = _studies[study];
        _requireSettled(study, s);
        Seat storage place = _seats[study][seat];
        DatasetId dataset = place.dataset;
        require(DatasetId.unwrap(dataset) != 0, AlreadyReleased(study, seat));

        place.dataset = DatasetId.wrap(0);
        uint256 left = s.stake - DISPUTES.slashedOf(study, seat);

        emit StakeReleased(study, seat, left);

        DATASETS.unlock(dataset);
        VAULT.unlock(place.hospital, s.token, left);
    }

    /// @inheritdoc IFederatedRounds
    function refund(StudyId study) external {
        Study storage s = _studies[study];
        _requireSettled(study, s);
        require(!s.refunded, AlreadyRefunded(study));

        s.refunded = true;
        uint256 amount = _unpaid(study, s);

        emit Refunded(study, s.sponsor, amount);

        VAULT.pay(study, s.sponsor, amount);
    }

    // Functions of the disputes contract

    /// @inheritdoc IFederatedRounds
    function finaliseByTime(StudyId study, uint16 round, uint8 seat, Aggregate calldata aggregate)
        external
        onlyDisputes
    {
        _attest(study, round, _propose(study, round, aggregate), Seats.bit(seat), true);
    }

    /// @inheritdoc IFederatedRounds
    function strikeUpdate(StudyId study, uint16 round, uint8 seat, uint32 weight)
        external
        onlyDisputes
        returns (bool open, bool slashable)
    {
        Study storage s = _studies[study];
        Round storage r = _rounds[study][round];
        Absence storage absence = _absences[study][round];
        open = r.outcome == Outcome.Open;
        if (!open) _requireDisputable(study, round, s, r);
        require(!absence.struck.has(seat), AlreadyStruck(study, round, seat));

        uint64 bit = Seats.bit(seat);
        slashable = !s.struck.has(seat);
        s.struck |= bit;
        _seats[study][seat].struck = true;
        absence.struck |= bit;
        if (open) {
            r.submitted &= ~bit;
            r.totalWeight -= weight;
            r.attested = 0;
        }

        emit UpdateStruck(study, round, seat, weight);
    }

    /// @inheritdoc IFederatedRounds
    function refute(StudyId study, uint16 round, bytes32 aggregateHash)
        external
        onlyDisputes
        returns (uint64 seats)
    {
        Study storage s = _studies[study];
        Ballot storage ballot = _ballots[study][round][aggregateHash];
        require(ballot.finalAt != 0, NotFinal(study, round, aggregateHash));
        _requireDisputable(study, round, s, _rounds[study][round]);
        seats = ballot.attesters & ~s.struck;
        require(seats != 0, AlreadyRefuted(study, round, aggregateHash));

        s.struck |= seats;
        if (s.voidFrom == 0 || round < s.voidFrom) s.voidFrom = round;

        emit RoundRefuted(study, round, aggregateHash, seats);

        if (s.state == State.Running) _void(study, s.round, _rounds[study][s.round]);
        if (s.state != State.Aborted) _end(study, s, State.Aborted);
    }

    /// @inheritdoc IFederatedRounds
    function forfeit(StudyId study, uint256 amount) external onlyDisputes {
        _forfeit(study, _studies[study], amount);
    }

    // Views

    /// @inheritdoc IFederatedRounds
    function getStudy(StudyId study) external view returns (Study memory) {
        return _studies[study];
    }

    /// @inheritdoc IFederatedRounds
    function getSeat(StudyId study, uint8 seat) external view returns (Seat memory) {
        return _seats[study][seat];
    }

    /// @inheritdoc IFederatedRounds
    function seatOf(StudyId study, address hospital) external view returns (bool enrolled, uint8 seat) {
        uint256 seatPlusOne = _seatOf[study][hospital];
        return seatPlusOne == 0 ? (false, 0) : (true, uint8(seatPlusOne - 1));
    }

    /// @inheritdoc IFederatedRounds
    function getRound(StudyId study, uint16 round) external view returns (Round memory) {
        return _rounds[study][round];
    }

    /// @inheritdoc IFederatedRounds
    function getBallot(StudyId study, uint16 round, bytes32 aggregateHash)
        external
        view
        returns (Ballot memory)
    {
        return _ballots[study][round][aggregateHash];
    }

    /// @inheritdoc IFederatedRounds
    function getAbsence(StudyId study, uint16 round) external view returns (Absence memory) {
        return _absences[study][round];
    }

    /// @inheritdoc IFederatedRounds
    function phase(StudyId study, uint16 round) external view returns (Phase) {
        return _phase(_studies[study], _rounds[study][round]);
    }

    /// @inheritdoc IFederatedRounds
    function hashAggregate(StudyId study, uint16 round, Aggregate calldata aggregate)
        external
        pure
        returns (bytes32)
    {
        return _hash(study, round, aggregate);
    }

    // Internal: checks

    function _requireTimes(StudyTerms calldata t) private view {
        require(block.timestamp < t.enrolDeadline, DeadlinePassed(t.enrolDeadline, block.timestamp));
        uint256 enrolling = t.enrolDeadline - block.timestamp;
        require(enrolling <= PHASE_LIMIT, PhaseLengthOutOfRange(enrolling, 0, PHASE_LIMIT));
        _requirePhase(t.trainingSeconds);
        _requirePhase(t.aggregatingSeconds);
        _requirePhase(t.claimSeconds);
        require(
            t.disputeSeconds >= MIN_DISPUTE_SECONDS && t.disputeSeconds <= MAX_DISPUTE_SECONDS,
            DisputeLengthOutOfRange(t.disputeSeconds, MIN_DISPUTE_SECONDS, MAX_DISPUTE_SECONDS)
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
            t.minHospitals >= 2 && t.minHospitals <= t.maxHospitals && t.maxHospitals <= Seats.LIMIT,
            HospitalsOutOfRange(t.minHospitals, t.maxHospitals, Seats.LIMIT)
        );
        require(t.rounds != 0, RoundsZero());
        require(
            t.cohortStep != 0 && t.cohortStep <= t.maxWeight, CohortStepOutOfRange(t.cohortStep, t.maxWeight)
        );
    }

    function _requireShares(StudyTerms calldata t) private pure {
        uint256 aside = uint256(t.attesterBps) + t.patientBps;
        require(aside <= SET_ASIDE_BPS_LIMIT, ShareOutOfRange(aside, SET_ASIDE_BPS_LIMIT));
        require(t.sponsorFeeBps <= BPS, ShareOutOfRange(t.sponsorFeeBps, BPS));
    }

    function _requireActiveHospital(address operator) private view returns (address hospital) {
        bool active;
        (hospital, active) = CONSORTIUM.servedBy(operator);
        require(active, NotAnActiveHospital(operator));
    }

    function _requireOperator(StudyId study, uint8 seat, address hospital) private view {
        (bool operator, bool active) = CONSORTIUM.isOperator(hospital, msg.sender);
        require(operator, NotTheSeatsOperator(study, seat, msg.sender));
        require(active, HospitalSuspended(study, seat));
    }

    function _requireSigned(StudyId study, uint8 seat, bytes32 digest, bytes calldata signature)
        private
        view
    {
        // slither-disable-next-line unused-return (a failed recovery gives address zero, which is nobody's operator)
        (address recovered,,) = ECDSA.tryRecover(digest, bytes32(signature[:32]), bytes32(signature[32:]));
        (bool operator, bool active) = CONSORTIUM.isOperator(_seats[study][seat].hospital, recovered);
        require(operator, BadSignature(seat, recovered));
        require(active, HospitalSuspended(study, seat));
    }

    function _requireTraining(StudyId study, uint16 round, Study storage s)
        private
        view
        returns (Round storage r)
    {
        r = _rounds[study][round];
        Phase now_ = _phase(s, r);
        require(now_ == Phase.Training, WrongPhase(study, round, now_));
    }

    function _requireWeight(uint32 weight, Study storage s, uint32 records) private view {
        uint256 most = records < s.maxWeight ? records : s.maxWeight;
        require(
            weight != 0 && weight <= most && weight % s.cohortStep == 0,
            WeightNotAllowed(weight, s.cohortStep, most)
        );
    }

    /// @dev Those who submitted in this round and have not attested yet.
    function _requireAttesters(StudyId study, uint16 round, uint64 seats, Round storage r) private view {
        uint64 strangers = seats & ~r.submitted;
        require(strangers == 0, NotASubmitter(study, round, strangers.lowest()));
        uint64 again = seats & r.attested;
        require(again == 0, AlreadyAttested(study, round, again.lowest()));
    }

    function _requirePaying(StudyId study, uint16 round, Study storage s) private view {
        uint16 from = s.voidFrom;
        require(from == 0 || round < from, PayVoid(study, round, from));
    }

    /// @dev The round is final and its claims have not unlocked. It ended when the next one opened, or the study completed.
    function _requireDisputable(StudyId study, uint16 round, Study storage s, Round storage r) private view {
        require(r.outcome == Outcome.Final, WrongPhase(study, round, _phase(s, r)));
        uint256 openedNext = _rounds[study][round + 1].openedAt;
        uint256 until = (openedNext != 0 ? openedNext : s.endedAt) + s.disputeSeconds;
        require(block.timestamp < until, DisputeClosed(study, round, until));
    }

    function _requireSettled(StudyId study, Study storage s) private view {
        require(_hasEnded(s), NotEnded(study, s.state));
        uint256 until = _settledAt(s);
        require(block.timestamp >= until, StakeLocked(study, until));
    }

    // Internal: steps

    function _writeStudy(Study storage s, StudyTerms calldata t) private {
        s.state = State.Enrolling;
        s.minHospitals = t.minHospitals;
        s.maxHospitals = t.maxHospitals;
        s.rounds = t.rounds;
        s.maxVoids = t.maxVoids;
        s.cohortStep = t.cohortStep;
        s.trainingSeconds = t.trainingSeconds;
        s.aggregatingSeconds = t.aggregatingSeconds;
        s.disputeSeconds = t.disputeSeconds;
        s.maxWeight = t.maxWeight;
        s.attesterBps = t.attesterBps;
        s.patientBps = t.patientBps;
        s.scoreMode = t.scoreMode;
        s.sponsorFeeBps = t.sponsorFeeBps;
        (s.token, s.stake) = (t.token, t.stake);
        (s.sponsor, s.enrolDeadline, s.purposes, s.disease) =
        (msg.sender, t.enrolDeadline, t.purposes, t.disease);
        (s.rule, s.rewardPerRound) = (t.rule, t.rewardPerRound);
        s.spec = t.spec;
    }

    function _advanceEnrolment(StudyId study, Study storage s) private {
        bool over = block.timestamp >= s.enrolDeadline;
        bool enough = s.members >= s.minHospitals;
        require(
            over || (enough && (s.members == s.maxHospitals || msg.sender == s.sponsor)),
            NothingToAdvance(study, s.enrolDeadline)
        );

        if (!enough) return _end(study, s, State.Aborted);
        s.state = State.Running;
        _open(study, s, 1);
    }

    function _open(StudyId study, Study storage s, uint16 round) private {
        s.round = round;
        Round storage r = _rounds[study][round];
        r.openedAt = uint32(block.timestamp);
        r.finalsBefore = s.finals;

        emit RoundOpened(study, round);
    }

    function _end(StudyId study, Study storage s, State state) private {
        s.state = state;
        if (s.endedAt == 0) s.endedAt = uint40(block.timestamp);

        if (state == State.Completed) emit StudyCompleted(study);
        else emit StudyAborted(study);
    }

    /// @dev One more hospital has submitted or abstained; the last one closes Training.
    function _act(StudyId study, uint16 round, Study storage s, Round storage r) private {
        uint8 acted = r.acted + 1;
        r.acted = acted;
        if (acted != s.members) return;

        r.closedAt = uint32(block.timestamp);

        emit TrainingClosed(study, round);
    }

    function _propose(StudyId study, uint16 round, Aggregate calldata aggregate)
        private
        returns (bytes32 aggregateHash)
    {
        aggregateHash = _hash(study, round, aggregate);
        Ballot storage ballot = _ballots[study][round][aggregateHash];
        if (ballot.included != 0) return aggregateHash;
        uint64 submitted = _rounds[study][round].submitted;
        uint32 total = _rounds[study][round].totalWeight;
        uint256 least = _studies[study].minHospitals;
        uint256 included = aggregate.included.count();
        require(aggregate.included & ~submitted == 0, IncludedNotSubmitted(aggregate.included, submitted));
        require(included >= least, TooFewIncluded(included, least));
        require(
            aggregate.included == submitted
                ? aggregate.weight == total
                : aggregate.weight != 0 && aggregate.weight < total,
            WrongTotalWeight(aggregate.weight, total)
        );

        (ballot.included, ballot.weight) = (aggregate.included, aggregate.weight);

        emit AggregateProposed(study, round, aggregateHash, aggregate);
    }

    function _attestAs(StudyId study, uint16 round, uint8 seat, bytes32 aggregateHash) private {
        _requireOperator(study, seat, _seats[study][seat].hospital);

        _attest(study, round, aggregateHash, Seats.bit(seat), false);
    }

    /// @param byTime Whether these attestations decide, however many there are.
    function _attest(StudyId study, uint16 round, bytes32 aggregateHash, uint64 seats, bool byTime) private {
        Study storage s = _studies[study];
        Round storage r = _rounds[study][round];
        Ballot storage ballot = _ballots[study][round][aggregateHash];
        if (!byTime) _requireAttesters(study, round, seats, r);
        _requireAttestable(study, round, s, r, ballot);

        r.attested |= seats;
        uint64 attesters = ballot.attesters | seats;
        ballot.attesters = attesters;

        emit Attested(study, round, aggregateHash, seats);

        if (r.outcome != Outcome.Open) return;
        if (byTime || (attesters & r.submitted).count() * 3 >= r.submitted.count() * 2) {
            ballot.finalAt = uint32(block.timestamp);
            _finalise(study, round, s, r, aggregateHash, ballot);
        }
    }

    function _requireAttestable(
        StudyId study,
        uint16 round,
        Study storage s,
        Round storage r,
        Ballot storage ballot
    ) private view {
        Phase now_ = _phase(s, r);
        if (now_ == Phase.Aggregating) {
            // A ballot with an update that has left the set counts no more.
            (uint64 included, uint64 submitted) = (ballot.included, r.submitted);
            require(included & ~submitted == 0, IncludedNotSubmitted(included, submitted));
            return;
        }
        uint256 finalAt = ballot.finalAt;
        require(now_ == Phase.Final && finalAt != 0, WrongPhase(study, round, now_));
        _requirePaying(study, round, s);
        uint256 until = finalAt + s.disputeSeconds;
        require(block.timestamp < until, AttestationClosed(study, round, until));
    }

    function _finalise(
        StudyId study,
        uint16 round,
        Study storage s,
        Round storage r,
        bytes32 aggregateHash,
        Ballot storage ballot
    ) private {
        r.outcome = Outcome.Final;
        uint16 finals = s.finals + 1;
        s.finals = finals;
        if (ballot.included != r.submitted) _carry(study, round, _leftOutPay(study, s, round, r, ballot));

        emit RoundFinal(study, round, aggregateHash);

        if (finals == s.rounds) _end(study, s, State.Completed);
        else _open(study, s, round + 1);
    }

    /// @dev What was not paid in `round` joins the reward of the next one, or the refund when there is none.
    function _carry(StudyId study, uint16 round, uint256 amount) private {
        if (amount != 0) carriedInto[study][round + 1] += amount.toUint96();
    }

    /// @dev Slashed tokens join the newest round that nobody can have claimed from yet; after the last one, or once a round was proved
    /// wrong, they are the sponsor's.
    function _forfeit(StudyId study, Study storage s, uint256 amount) private {
        uint16 round = s.state == State.Running ? s.round : 0;
        if (round == 0) s.forfeited += amount.toUint96();
        else _carry(study, round - 1, amount);

        emit Forfeited(study, round, amount);
    }

    function _void(StudyId study, uint16 round, Round storage r) private {
        r.outcome = Outcome.Void;
        _carry(study, round, carriedInto[study][round]);

        emit RoundVoid(study, round);
    }

    // Internal: pure facts

    function _hasAbstained(StudyId study, uint16 round, uint8 seat, Round storage r)
        private
        view
        returns (bool)
    {
        // Only when more have acted than submitted can anyone have abstained, so the usual case reads nothing more.
        return r.acted != r.submitted.count() && _absences[study][round].abstained.has(seat);
    }

    function _phase(Study storage s, Round storage r) private view returns (Phase) {
        if (r.openedAt == 0) return Phase.None;
        if (r.outcome == Outcome.Final) return Phase.Final;
        if (r.outcome == Outcome.Void) return Phase.Void;
        bool training = r.closedAt == 0 && block.timestamp < uint256(r.openedAt) + s.trainingSeconds;
        return training ? Phase.Training : Phase.Aggregating;
    }

    /// @dev From when on an open round may be voided: at the end of Training when too few submitted, else after Aggregating, which
    /// disputes may prolong.
    function _voidableAt(StudyId study, uint16 round, Study storage s, Round storage r)
        private
        view
        returns (uint256)
    {
        uint256 closed = r.closedAt != 0 ? r.closedAt : uint256(r.openedAt) + s.trainingSeconds;
        if (r.submitted.count() < s.minHospitals) return closed;
        return Math.max(closed + s.aggregatingSeconds, DISPUTES.heldUntil(study, round));
    }

    function _hasEnded(Study storage s) private view returns (bool) {
        return s.state == State.Completed || s.state == State.Aborted;
    }

    /// @dev From when on absences of an ended study are no longer recorded, and stakes and the rest of the pot are given back. Where
    /// a round was opened there is time to record, or a silent hospital could void, abort and release at one stroke.
    function _settledAt(Study storage s) private view returns (uint256) {
        return uint256(s.endedAt) + (s.round == 0 ? 0 : s.disputeSeconds);
    }

    /// @dev A round's reward: the attesters' part of it, and that of the updates. The rest is the patients'.
    function _poolsOf(StudyId study, Study storage s, uint16 round)
        private
        view
        returns (uint256 attesterPool, uint256 updatePool)
    {
        uint256 reward = uint256(s.rewardPerRound) + carriedInto[study][round];
        attesterPool = reward * s.attesterBps / BPS;
        updatePool = reward - attesterPool - reward * s.patientBps / BPS;
    }

    /// @dev Rounded down once, in the vault's favour: both parts are brought over one denominator.
    function _payOf(
        StudyId study,
        Study storage s,
        uint16 round,
        uint8 seat,
        Aggregate calldata aggregate,
        uint64 attesters,
        uint256 score
    ) private view returns (uint256) {
        (uint256 attesterPool, uint256 updatePool) = _poolsOf(study, s, round);
        Round storage r = _rounds[study][round];
        uint256 total = r.totalWeight;
        if (s.scoreMode == ScoreMode.Equal) {
            (score, total) = (aggregate.included.has(seat) ? 1 : 0, r.submitted.count());
        } else if (s.scoreMode == ScoreMode.Reviewed) {
            (uint256 own, uint256 all, uint64 revealers) = REWARDS.scoresOf(study, round, seat);
            if (revealers != 0) attesters = revealers;
            // What the left-out updates weigh has been carried on, whatever the reviews say.
            if (all != 0) (score, total) = (own * aggregate.weight, all * total);
        }
        uint256 among = attesters.count();
        // slither-disable-next-line divide-before-multiply (the pool is whole units; what it loses stays with the updates' share)
        uint256 share = attesters.has(seat) ? attesterPool * total : 0;
        return (updatePool * score * among + share) / (total * among);
    }

    /// @dev What the submitters that are left out would have had, rounded down.
    function _leftOutPay(StudyId study, Study storage s, uint16 round, Round storage r, Ballot storage ballot)
        private
        view
        returns (uint256)
    {
        (, uint256 updatePool) = _poolsOf(study, s, round);
        (uint256 kept, uint256 total) = s.scoreMode == ScoreMode.Equal
            ? (ballot.included.count(), r.submitted.count())
            : (uint256(ballot.weight), uint256(r.totalWeight));
        return updatePool * (total - kept) / total;
    }

    /// @dev What no round pays out: the rounds that were never final or are void for their pay, and what was carried past them.
    function _unpaid(StudyId study, Study storage s) private view returns (uint256) {
        uint16 from = s.voidFrom;
        (uint256 paid, uint16 next) =
            from == 0 ? (s.finals, s.round + 1) : (_rounds[study][from].finalsBefore, from);
        return uint256(s.rewardPerRound) * (s.rounds - paid) + carriedInto[study][next] + s.forfeited;
    }

    function _commitment(Update calldata update) private pure returns (bytes32) {
        bytes32 rest = keccak256(abi.encode(update.cid, update.cohortCid, update.cohortRoot, update.weight));
        return keccak256(abi.encode(update.updateRoot, rest));
    }

    function _hash(StudyId study, uint16 round, Aggregate calldata aggregate) private pure returns (bytes32) {
        return keccak256(abi.encode(study, round, aggregate));
    }
}
