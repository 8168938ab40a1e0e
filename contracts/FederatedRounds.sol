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
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {Seats} from "./libraries/Seats.sol";
import {DatasetId} from "./types/DatasetId.sol";
import {StudyId} from "./types/StudyId.sol";

/// @dev Shares are in 1/10,000.
uint256 constant BPS = 10_000;
/// @dev The most that attesters may get of a round's reward.
uint256 constant ATTESTER_BPS_LIMIT = 5_000;
/// @dev A hospital is slashed from its second miss on, and from the third time that its update is left out.
uint256 constant SLASHED_FROM_MISS = 2;
uint256 constant SLASHED_FROM_LEFT_OUT = 3;
/// @dev A sum of words stays below 2^31 in size, so a sum of weights does.
uint256 constant WEIGHT_SUM_LIMIT = 1 << 31;
/// @dev Longest time to enrol, Training or Aggregating phase: a stake waits for nobody longer.
uint256 constant PHASE_LIMIT = 90 days;

bytes32 constant ATTESTATION_TYPEHASH =
    keccak256("Attestation(uint64 study,uint16 round,bytes32 aggregateHash)");

/// @title FederatedRounds
contract FederatedRounds is IFederatedRounds, AccessManaged, Pausable, EIP712 {
    using SafeCast for uint256;
    using Seats for uint64;

    // Immutables

    IConsortium public immutable CONSORTIUM;
    IDatasetRegistry public immutable DATASETS;
    IStakeVault public immutable VAULT;
    /// @notice Shortest Training and Aggregating phase, in seconds.
    uint256 public immutable MIN_PHASE_SECONDS;
    /// @notice Shortest dispute window, in seconds; the longest is the vault's exit delay.
    uint256 public immutable MIN_DISPUTE_SECONDS;
    /// @notice The share of a stake that one absence costs, in 1/10,000.
    uint256 public immutable SLASH_BPS;

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

    /// @inheritdoc IFederatedRounds
    mapping(StudyId study => mapping(uint8 seat => uint96 amount)) public slashedOf;

    // Constructor

    constructor(
        address authority,
        IConsortium consortium,
        IDatasetRegistry datasets,
        IStakeVault vault,
        uint256 minPhaseSeconds,
        uint256 minDisputeSeconds,
        uint256 slashBps
    ) AccessManaged(authority) EIP712("MedFed FederatedRounds", "1") {
        uint256 exitDelay = vault.exitDelay();
        require(minPhaseSeconds <= PHASE_LIMIT, PhaseLengthOutOfRange(minPhaseSeconds, 0, PHASE_LIMIT));
        require(minDisputeSeconds <= exitDelay, DisputeLengthOutOfRange(minDisputeSeconds, 0, exitDelay));
        require(slashBps <= BPS, ShareOutOfRange(slashBps, BPS));
        CONSORTIUM = consortium;
        DATASETS = datasets;
        VAULT = vault;
        MIN_PHASE_SECONDS = minPhaseSeconds;
        MIN_DISPUTE_SECONDS = minDisputeSeconds;
        SLASH_BPS = slashBps;
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
        Purposes.requireRequest(terms.purposes);

        study = StudyId.wrap(++studyCount);
        _writeStudy(_studies[study], terms);

        emit StudyCreated(study, msg.sender, terms);

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
        address hospital = _seats[study][seat].hospital;
        (bool operator, bool active) = CONSORTIUM.isOperator(hospital, msg.sender);
        require(hospital != address(0) && (operator || !active), NotTheSeatsOperator(study, seat, msg.sender));
        Round storage r = _requireTraining(study, round, s);
        require(
            !r.submitted.has(seat) && !_absences[study][round].abstained.has(seat),
            AlreadyActed(study, round, seat)
        );

        _absences[study][round].abstained |= Seats.bit(seat);

        emit Abstained(study, round, seat);

        _act(study, round, s, r);
    }

    // Attesting

    /// @inheritdoc IFederatedRounds
    function attest(StudyId study, uint16 round, uint8 seat, Aggregate calldata aggregate) external {
        _requireOperator(study, seat, _seats[study][seat].hospital);
        bytes32 aggregateHash = _propose(study, round, aggregate);

        _attest(study, round, aggregateHash, Seats.bit(seat));
    }

    /// @inheritdoc IFederatedRounds
    function attestHash(StudyId study, uint16 round, uint8 seat, bytes32 aggregateHash) external {
        _requireOperator(study, seat, _seats[study][seat].hospital);
        require(
            _ballots[study][round][aggregateHash].attesters != 0,
            AggregateUnknown(study, round, aggregateHash)
        );

        _attest(study, round, aggregateHash, Seats.bit(seat));
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

        _attest(study, round, aggregateHash, attesters);
    }

    // Moving on

    /// @inheritdoc IFederatedRounds
    function advance(StudyId study) external {
        Study storage s = _studies[study];
        if (s.state == State.Enrolling) return _advanceEnrolment(study, s);
        require(s.state == State.Running, NotRunning(study, s.state));
        uint16 round = s.round;
        Round storage r = _rounds[study][round];
        uint256 until = _voidableAt(s, r);
        require(block.timestamp >= until, NothingToAdvance(study, until));

        r.outcome = Outcome.Void;
        bool tooMany = s.voids == s.maxVoids;
        s.voids = _saturatingIncrement(s.voids);
        _carry(study, round, carriedInto[study][round]);

        emit RoundVoid(study, round);

        if (tooMany) _end(study, s, State.Aborted);
        else _open(study, s, round + 1);
    }

    /// @inheritdoc IFederatedRounds
    function recordAbsences(StudyId study, uint16 round, Aggregate calldata aggregate) external {
        Study storage s = _studies[study];
        Round storage r = _rounds[study][round];
        Phase now_ = _phase(s, r);
        require(now_ != Phase.None && now_ != Phase.Training, WrongPhase(study, round, now_));
        _requireUnsettled(study, s);
        Absence storage absence = _absences[study][round];
        bool isFinal = _ballots[study][round][_hash(study, round, aggregate)].finalAt != 0;
        uint64 silent = Seats.first(s.members) & ~(r.submitted | absence.abstained);
        uint64 leftOut = isFinal ? r.submitted & ~aggregate.included : 0;
        uint64 found = (silent | leftOut) & ~absence.recorded;
        require(found != 0, NothingToRecord(study, round));

        absence.recorded |= found;
        for (uint8 seat = 0; seat < s.members; ++seat) {
            if (found.has(seat)) _recordAbsence(study, round, seat, silent.has(seat));
        }
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
        require(!b.claimed.has(seat), AlreadyClaimed(study, round, seat));
        require(updateOf[study][round][seat] == _commitment(update), UpdateMismatch(study, round, seat));

        // A quorum that is in league can understate the included weight. What it named is all that is paid for: the rest was carried on.
        uint32 weight = aggregate.included.has(seat) ? uint32(Math.min(update.weight, b.weight)) : 0;
        (ballot.claimed, ballot.weight) = (b.claimed | Seats.bit(seat), b.weight - weight);
        uint256 amount = _payOf(study, s, round, seat, b.attesters, weight);
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
        uint256 left = s.stake - slashedOf[study][seat];

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
        uint256 amount = uint256(s.rewardPerRound) * (s.rounds - s.finals) + carriedInto[study][s.round + 1];

        emit Refunded(study, s.sponsor, amount);

        VAULT.pay(study, s.sponsor, amount);
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
        uint256 most = VAULT.exitDelay();
        require(block.timestamp < t.enrolDeadline, DeadlinePassed(t.enrolDeadline, block.timestamp));
        uint256 enrolling = t.enrolDeadline - block.timestamp;
        require(enrolling <= PHASE_LIMIT, PhaseLengthOutOfRange(enrolling, 0, PHASE_LIMIT));
        _requirePhase(t.trainingSeconds);
        _requirePhase(t.aggregatingSeconds);
        require(
            t.disputeSeconds >= MIN_DISPUTE_SECONDS && t.disputeSeconds <= most,
            DisputeLengthOutOfRange(t.disputeSeconds, MIN_DISPUTE_SECONDS, most)
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
        require(
            uint256(t.maxHospitals) * t.maxWeight < WEIGHT_SUM_LIMIT,
            SumCouldWrap(t.maxHospitals, t.maxWeight)
        );
        require(t.attesterBps <= ATTESTER_BPS_LIMIT, ShareOutOfRange(t.attesterBps, ATTESTER_BPS_LIMIT));
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

    function _requireSettled(StudyId study, Study storage s) private view {
        require(_hasEnded(s), NotEnded(study, s.state));
        uint256 until = _settledAt(s);
        require(block.timestamp >= until, StakeLocked(study, until));
    }

    function _requireUnsettled(StudyId study, Study storage s) private view {
        require(!_hasEnded(s) || block.timestamp < _settledAt(s), RecordingClosed(study, _settledAt(s)));
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
        _rounds[study][round].openedAt = uint40(block.timestamp);

        emit RoundOpened(study, round);
    }

    function _end(StudyId study, Study storage s, State state) private {
        s.state = state;
        s.endedAt = uint40(block.timestamp);

        if (state == State.Completed) emit StudyCompleted(study);
        else emit StudyAborted(study);
    }

    /// @dev One more hospital has submitted or abstained; the last one closes Training.
    function _act(StudyId study, uint16 round, Study storage s, Round storage r) private {
        uint8 acted = r.acted + 1;
        r.acted = acted;
        if (acted != s.members) return;

        r.closedAt = uint40(block.timestamp);

        emit TrainingClosed(study, round);
    }

    function _propose(StudyId study, uint16 round, Aggregate calldata aggregate)
        private
        returns (bytes32 aggregateHash)
    {
        aggregateHash = _hash(study, round, aggregate);
        Ballot storage ballot = _ballots[study][round][aggregateHash];
        if (ballot.attesters != 0) return aggregateHash;
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

        ballot.weight = aggregate.weight;

        emit AggregateProposed(study, round, aggregateHash, aggregate);
    }

    function _attest(StudyId study, uint16 round, bytes32 aggregateHash, uint64 seats) private {
        Study storage s = _studies[study];
        Round storage r = _rounds[study][round];
        Ballot storage ballot = _ballots[study][round][aggregateHash];
        _requireAttesters(study, round, seats, r);
        _requireAttestable(study, round, s, r, ballot);

        r.attested |= seats;
        uint64 attesters = ballot.attesters | seats;
        ballot.attesters = attesters;

        emit Attested(study, round, aggregateHash, seats);

        if (r.outcome == Outcome.Open && attesters.count() * 3 >= r.submitted.count() * 2) {
            ballot.finalAt = uint40(block.timestamp);
            _finalise(study, round, s, r, aggregateHash, ballot.weight);
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
        if (now_ == Phase.Aggregating) return;
        uint256 finalAt = ballot.finalAt;
        require(now_ == Phase.Final && finalAt != 0, WrongPhase(study, round, now_));
        uint256 until = finalAt + s.disputeSeconds;
        require(block.timestamp < until, AttestationClosed(study, round, until));
    }

    function _finalise(
        StudyId study,
        uint16 round,
        Study storage s,
        Round storage r,
        bytes32 aggregateHash,
        uint32 weight
    ) private {
        r.outcome = Outcome.Final;
        uint16 finals = s.finals + 1;
        s.finals = finals;
        if (weight != r.totalWeight) {
            _carry(study, round, _leftOutPay(study, s, round, weight, r.totalWeight));
        }

        emit RoundFinal(study, round, aggregateHash);

        if (finals == s.rounds) _end(study, s, State.Completed);
        else _open(study, s, round + 1);
    }

    /// @dev What was not paid in `round` joins the reward of the next one, or the refund when there is none.
    function _carry(StudyId study, uint16 round, uint256 amount) private {
        if (amount != 0) carriedInto[study][round + 1] += amount.toUint96();
    }

    function _recordAbsence(StudyId study, uint16 round, uint8 seat, bool silent) private {
        Study storage s = _studies[study];
        Seat storage place = _seats[study][seat];
        bool slashed;
        if (silent) {
            uint8 misses = _saturatingIncrement(place.misses);
            place.misses = misses;
            slashed = misses >= SLASHED_FROM_MISS || round == 1;
        } else {
            uint8 leftOut = _saturatingIncrement(place.leftOut);
            place.leftOut = leftOut;
            slashed = leftOut >= SLASHED_FROM_LEFT_OUT;
        }
        if (!slashed) {
            emit AbsenceWarned(study, round, seat);
            return;
        }

        uint96 before = slashedOf[study][seat];
        uint256 most = Math.min(uint256(s.stake) * SLASH_BPS / BPS, s.stake - before);
        slashedOf[study][seat] = before + most.toUint96();
        uint256 taken = VAULT.slash(place.hospital, s.token, most, study);
        // Into the newest round that nobody can have claimed from yet; after the last one it is the sponsor's.
        _carry(study, s.state == State.Running ? s.round - 1 : s.round, taken);

        emit AbsenceSlashed(study, round, seat, taken);
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

    /// @dev From when on an open round may be voided: at the end of Training when too few submitted, else after Aggregating.
    function _voidableAt(Study storage s, Round storage r) private view returns (uint256) {
        uint256 closed = r.closedAt != 0 ? r.closedAt : uint256(r.openedAt) + s.trainingSeconds;
        return r.submitted.count() < s.minHospitals ? closed : closed + s.aggregatingSeconds;
    }

    function _hasEnded(Study storage s) private view returns (bool) {
        return s.state == State.Completed || s.state == State.Aborted;
    }

    /// @dev From when on absences of an ended study are no longer recorded, and stakes and the rest of the pot are given back. Where
    /// a round was opened there is time to record, or a silent hospital could void, abort and release at one stroke.
    function _settledAt(Study storage s) private view returns (uint256) {
        return uint256(s.endedAt) + (s.round == 0 ? 0 : s.disputeSeconds);
    }

    function _reward(StudyId study, Study storage s, uint16 round) private view returns (uint256) {
        return uint256(s.rewardPerRound) + carriedInto[study][round];
    }

    /// @dev Rounded down once, in the vault's favour: both parts are brought over one denominator.
    function _payOf(StudyId study, Study storage s, uint16 round, uint8 seat, uint64 attesters, uint32 weight)
        private
        view
        returns (uint256)
    {
        uint256 reward = _reward(study, s, round);
        uint256 attesterPool = reward * s.attesterBps / BPS;
        uint256 total = _rounds[study][round].totalWeight;
        uint256 among = attesters.count();
        // slither-disable-next-line divide-before-multiply (the pool is whole units; what it loses stays with the updates' share)
        uint256 share = attesters.has(seat) ? attesterPool * total : 0;
        return ((reward - attesterPool) * weight * among + share) / (total * among);
    }

    /// @dev What the submitters that are left out would have had, rounded down.
    function _leftOutPay(StudyId study, Study storage s, uint16 round, uint32 weight, uint32 total)
        private
        view
        returns (uint256)
    {
        uint256 reward = _reward(study, s, round);
        return (reward - reward * s.attesterBps / BPS) * (total - weight) / total;
    }

    function _saturatingIncrement(uint8 count) private pure returns (uint8) {
        return count == type(uint8).max ? count : count + 1;
    }

    function _commitment(Update calldata update) private pure returns (bytes32) {
        bytes32 rest = keccak256(abi.encode(update.cid, update.cohortCid, update.cohortRoot, update.weight));
        return keccak256(abi.encode(update.updateRoot, rest));
    }

    function _hash(StudyId study, uint16 round, Aggregate calldata aggregate) private pure returns (bytes32) {
        return keccak256(abi.encode(study, round, aggregate));
    }
}
