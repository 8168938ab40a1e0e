// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IClaims} from "./interfaces/IClaims.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IStudies} from "./interfaces/IStudies.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {Aggregate, AggregateId} from "./types/Aggregate.sol";
import {
    ATTESTATION_TYPEHASH,
    DOMAIN_NAME_HASH,
    DOMAIN_TYPEHASH,
    DOMAIN_VERSION_HASH
} from "./types/Attestation.sol";
import {Clock} from "./types/Clock.sol";
import {DatasetId} from "./types/DatasetId.sol";
import {RoundId} from "./types/RoundId.sol";
import {SeatId} from "./types/SeatId.sol";
import {NO_SEATS, SeatSet, firstSeats, setOf} from "./types/SeatSet.sol";
import {StudyId} from "./types/StudyId.sol";
import {Update} from "./types/Update.sol";

/// @title FederatedRounds
contract FederatedRounds is IFederatedRounds, Guarded {
    // Immutables

    IConsortium private immutable CONSORTIUM;
    IDatasetRegistry private immutable DATASETS;
    address private immutable CONSENTS;
    IStakeVault private immutable VAULT;
    IStudies private immutable STUDIES;
    IClaims private immutable CLAIMS;
    address private immutable PROOFS;
    address private immutable PAYOUTS;
    address private immutable MARKET;

    // Storage

    mapping(StudyId study => Study) private _studies;
    mapping(StudyId study => Enrolment) private _enrolments;
    mapping(StudyId study => mapping(SeatId seat => Seat)) private _seats;
    mapping(StudyId study => mapping(address hospital => uint256 seatPlusOne)) private _seatOf;
    mapping(StudyId study => mapping(RoundId round => Round)) private _rounds;
    mapping(StudyId study => mapping(RoundId round => Absence)) private _absences;
    mapping(StudyId study => mapping(RoundId round => mapping(AggregateId aggregateHash => Ballot))) private
        _ballots;

    /// @inheritdoc IFederatedRounds
    mapping(StudyId study => mapping(RoundId round => mapping(SeatId seat => bytes32 commitment))) public
        updateOf;

    // Constructor

    constructor(Deployment memory d) {
        CONSORTIUM = IConsortium(d.consortium);
        DATASETS = IDatasetRegistry(d.datasets);
        CONSENTS = d.consents;
        VAULT = IStakeVault(d.vault);
        STUDIES = IStudies(d.studies);
        CLAIMS = IClaims(d.claims);
        PROOFS = d.proofs;
        PAYOUTS = d.payouts;
        MARKET = d.market;
    }

    // Enrolling

    /// @inheritdoc IFederatedRounds
    function open(StudyId study, RoundTerms calldata terms, Enrolment calldata enrolment)
        external
        only(msg.sender == address(STUDIES))
    {
        Study storage s = _studies[study];
        (s.state, s.minHospitals, s.rounds) = (State.Enrolling, terms.minHospitals, terms.rounds);
        (s.maxVoids, s.cohortStep, s.maxWeight) = (terms.maxVoids, terms.cohortStep, terms.maxWeight);
        s.trainingSeconds = terms.trainingSeconds;
        s.aggregatingSeconds = terms.aggregatingSeconds;
        s.disputeSeconds = terms.disputeSeconds;
        _enrolments[study] = enrolment;
    }

    /// @inheritdoc IFederatedRounds
    function enrol(StudyId study, DatasetId dataset, bytes32 spec, uint96 largestStake, uint32 confirmed)
        external
        returns (SeatId seat)
    {
        Study storage s = _studies[study];
        Enrolment storage e = _enrolments[study];
        address hospital = _requireActiveHospital(msg.sender);
        require(s.state == State.Enrolling, NotEnrolling(study, s.state));
        require(block.timestamp < e.enrolDeadline, DeadlinePassed(e.enrolDeadline, block.timestamp));
        uint8 members = s.members;
        require(members < e.maxHospitals, StudyFull(study, members));
        require(_seatOf[study][hospital] == 0, AlreadyEnrolled(study, hospital));
        require(e.spec == spec, SpecDiffers(study, e.spec));
        (address token, uint96 stake) = (e.token, e.stake);
        require(stake <= largestStake, StakeTooLarge(study, stake, largestStake));

        seat = SeatId.wrap(members);
        s.members = members + 1;
        _seatOf[study][hospital] = uint256(members) + 1;

        (uint16 version, uint24 records) =
            DATASETS.lock(study, dataset, hospital, e.purposes, e.disease, confirmed);
        // Written after the call, to the registry of this deployment, because only its answer has the pinned version and count.
        _seats[study][seat] =
            Seat(hospital, dataset, version, records, Purposes.toByte(confirmed), RoundId.wrap(0));

        emit Enrolled(study, hospital, dataset, seat, version, records, confirmed);

        // An operator is never the account of its hospital: it locks by allowance.
        VAULT.lock(hospital, token, stake, true);
    }

    /// @inheritdoc IFederatedRounds
    function cancel(StudyId study) external {
        Study storage s = _studies[study];
        require(s.state == State.Enrolling, NotEnrolling(study, s.state));
        require(msg.sender == _enrolments[study].sponsor, NotTheSponsor(study, msg.sender));

        _end(study, s, State.Aborted);
    }

    // Training

    /// @inheritdoc IFederatedRounds
    function submitUpdate(StudyId study, RoundId round, SeatId seat, Update calldata update) external {
        Study storage s = _studies[study];
        Seat storage holder = _seats[study][seat];
        _requireOperator(study, seat, holder.hospital);
        Round storage r = _requireTraining(study, round, s);
        require(
            updateOf[study][round][seat] == 0 && !_hasAbstained(study, round, seat, r),
            AlreadyActed(study, round, seat)
        );
        require(holder.barredFrom.isNone(), SeatBarred(study, seat));
        _requireWeight(update.weight, s, holder.records);

        updateOf[study][round][seat] = update.commitment();
        r.submitted = r.submitted.add(seat);
        r.totalWeight += update.weight;

        emit UpdateSubmitted(study, round, seat, update);

        _act(study, round, s, r);
    }

    /// @inheritdoc IFederatedRounds
    function abstain(StudyId study, RoundId round, SeatId seat) external {
        Study storage s = _studies[study];
        Seat storage holder = _seats[study][seat];
        address hospital = holder.hospital;
        (bool operator, bool active) = CONSORTIUM.isOperator(hospital, msg.sender);
        require(
            hospital != address(0) && (operator || !active || !holder.barredFrom.isNone()),
            NotTheSeatsOperator(study, seat, msg.sender)
        );
        Round storage r = _requireTraining(study, round, s);
        Absence storage absence = _absences[study][round];
        SeatSet abstained = absence.abstained;
        require(updateOf[study][round][seat] == 0 && !abstained.has(seat), AlreadyActed(study, round, seat));

        absence.abstained = abstained.add(seat);
        if (!(operator && active)) absence.keptAway = absence.keptAway.add(seat);

        emit Abstained(study, round, seat);

        _act(study, round, s, r);
    }

    // Attesting

    /// @inheritdoc IFederatedRounds
    function attest(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update[] calldata leftOut
    ) external {
        uint256 left = _leftOutWeight(study, round, aggregate, leftOut);

        _attestAs(study, round, seat, _propose(study, round, aggregate, left));
    }

    /// @inheritdoc IFederatedRounds
    function attestHash(StudyId study, RoundId round, SeatId seat, AggregateId aggregateHash) external {
        _attestAs(study, round, seat, aggregateHash);
    }

    /// @inheritdoc IFederatedRounds
    function attestBySig(
        StudyId study,
        RoundId round,
        Aggregate calldata aggregate,
        Update[] calldata leftOut,
        SeatId[] calldata seats,
        bytes32[2][] calldata signatures
    ) external {
        require(signatures.length == seats.length, SignatureCount(seats.length, signatures.length));
        uint256 left = _leftOutWeight(study, round, aggregate, leftOut);
        AggregateId aggregateHash = _propose(study, round, aggregate, left);
        bytes32 digest = MessageHashUtils.toTypedDataHash(
            _domainSeparator(), keccak256(abi.encode(ATTESTATION_TYPEHASH, study, round, aggregateHash))
        );

        Round storage r = _rounds[study][round];
        SeatSet able = r.submitted - r.attested;
        SeatSet attesters;
        for (uint256 i = 0; i < seats.length; ++i) {
            SeatId seat = seats[i];
            if (able.has(seat) && _isSigned(study, seat, digest, signatures[i])) {
                attesters = attesters.add(seat);
            }
        }
        require(!attesters.isEmpty(), NoSignatureCounts(study, round));

        _attest(study, round, r, aggregateHash, attesters, false);
    }

    // Moving on

    /// @inheritdoc IFederatedRounds
    function advance(StudyId study) external {
        Study storage s = _studies[study];
        if (s.state == State.Enrolling) return _advanceEnrolment(study, s);
        require(s.state == State.Running, NotRunning(study, s.state));
        RoundId round = s.round;
        uint256 until = _voidableAt(study, round, s);
        require(block.timestamp >= until, NothingToAdvance(study, until));

        bool tooMany = s.voids == s.maxVoids;
        s.voids += 1;
        _void(study, round);

        if (tooMany) _end(study, s, State.Aborted);
        else _open(study, s, round.next());
    }

    // Functions of the claims and the proofs contract

    /// @inheritdoc IFederatedRounds
    function finaliseByTime(StudyId study, RoundId round, SeatId seat, Aggregate calldata aggregate)
        external
        only(msg.sender == address(CLAIMS))
    {
        // The claim was over all submitters, and lapses when one leaves.
        AggregateId aggregateHash = _propose(study, round, aggregate, 0);

        _attest(study, round, _rounds[study][round], aggregateHash, setOf(seat), true);
    }

    /// @inheritdoc IFederatedRounds
    function strike(StudyId study, RoundId round, SeatId seat, uint32 weight, AggregateId result)
        external
        only(msg.sender == PROOFS)
        returns (bool open_, bool short, SeatSet attesters)
    {
        Study storage s = _studies[study];
        Round storage r = _rounds[study][round];
        Absence storage absence = _absences[study][round];
        require(!absence.struck.has(seat), AlreadyStruck(study, round, seat));
        _requireDisputable(study, round, s);
        open_ = r.outcome == Outcome.Open;

        absence.struck = absence.struck.add(seat);
        _bar(study, round, setOf(seat));

        emit UpdateStruck(study, round, seat, weight);

        if (open_) short = _leave(s, r, seat, weight);
        else if (r.outcome != Outcome.Void) attesters = _taint(study, round, s, r, seat, result);
    }

    /// @inheritdoc IFederatedRounds
    function bar(StudyId study, RoundId round, SeatSet seats) external only(msg.sender == address(CLAIMS)) {
        _requireDisputable(study, round, _studies[study]);

        _bar(study, round, seats);
    }

    /// @inheritdoc IFederatedRounds
    function refute(StudyId study, RoundId round, AggregateId result)
        external
        only(msg.sender == PROOFS)
        returns (SeatSet attesters)
    {
        Study storage s = _studies[study];
        Round storage r = _rounds[study][round];
        attesters = _requireResult(study, round, result).attesters;
        require(r.outcome != Outcome.Refuted, AlreadyRefuted(study, round, result));
        _requireDisputable(study, round, s);

        r.outcome = Outcome.Refuted;

        emit RoundRefuted(study, round, result, attesters);

        _undo(study, round, s, attesters);
    }

    // Functions of the payouts contract

    /// @inheritdoc IFederatedRounds
    function pay(StudyId study, RoundId round, SeatId seat, AggregateId result)
        external
        only(msg.sender == PAYOUTS)
        returns (Earning memory e)
    {
        e = earningOf(study, round, seat, result);
        // Words that earning has read, and that are never zero where there is something to pay.
        // slither-disable-next-line incorrect-equality (states, no amounts)
        if (e.outcome == Outcome.Void) {
            Absence storage absence = _absences[study][round];
            absence.paid = _paid(study, round, seat, absence.paid);
        } else {
            Ballot storage ballot = _ballots[study][round][result];
            ballot.paid = _paid(study, round, seat, ballot.paid);
        }
    }

    // Views

    /// @inheritdoc IFederatedRounds
    function deployment() external view returns (Deployment memory) {
        return Deployment({
            consortium: address(CONSORTIUM),
            datasets: address(DATASETS),
            consents: CONSENTS,
            vault: address(VAULT),
            studies: address(STUDIES),
            claims: address(CLAIMS),
            proofs: PROOFS,
            payouts: PAYOUTS,
            market: MARKET
        });
    }

    /// @inheritdoc IFederatedRounds
    function getStudy(StudyId study) external view returns (Study memory) {
        return _studies[study];
    }

    /// @inheritdoc IFederatedRounds
    function getEnrolment(StudyId study) external view returns (Enrolment memory) {
        return _enrolments[study];
    }

    /// @inheritdoc IFederatedRounds
    function stakeOf(StudyId study) external view returns (address token, uint96 stake) {
        Enrolment storage e = _enrolments[study];
        return (e.token, e.stake);
    }

    /// @inheritdoc IFederatedRounds
    function sponsorOf(StudyId study) external view returns (address) {
        return _enrolments[study].sponsor;
    }

    /// @inheritdoc IFederatedRounds
    function getSeat(StudyId study, SeatId seat) external view returns (Seat memory) {
        return _seats[study][seat];
    }

    /// @inheritdoc IFederatedRounds
    function seatOf(StudyId study, address hospital) external view returns (bool enrolled, SeatId seat) {
        uint256 seatPlusOne = _seatOf[study][hospital];
        if (seatPlusOne == 0) return (false, SeatId.wrap(0));
        return (true, SeatId.wrap(uint8(seatPlusOne - 1)));
    }

    /// @inheritdoc IFederatedRounds
    function hospitalsOf(StudyId study, SeatSet seats) external view returns (address[] memory hospitals) {
        SeatId[] memory list = seats.toArray();
        hospitals = new address[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            hospitals[i] = _seats[study][list[i]].hospital;
        }
    }

    /// @inheritdoc IFederatedRounds
    function getRound(StudyId study, RoundId round) external view returns (Round memory) {
        return _rounds[study][round];
    }

    /// @inheritdoc IFederatedRounds
    function getBallot(StudyId study, RoundId round, AggregateId aggregateHash)
        external
        view
        returns (Ballot memory)
    {
        return _ballots[study][round][aggregateHash];
    }

    /// @inheritdoc IFederatedRounds
    function getAbsence(StudyId study, RoundId round) external view returns (Absence memory) {
        return _absences[study][round];
    }

    /// @inheritdoc IFederatedRounds
    function updatesOf(StudyId study, RoundId round, SeatSet seats)
        external
        view
        returns (bytes32[] memory commitments)
    {
        SeatId[] memory list = seats.toArray();
        commitments = new bytes32[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            commitments[i] = updateOf[study][round][list[i]];
        }
    }

    /// @inheritdoc IFederatedRounds
    function standingOf(StudyId study, RoundId round)
        external
        view
        returns (Phase phase, SeatSet submitted, uint256 openedAt, uint256 endedAt)
    {
        (Study storage s, Round storage r) = (_studies[study], _rounds[study][round]);
        return (_phase(s, r), r.submitted, r.openedAt, _endOf(study, round, s));
    }

    /// @inheritdoc IFederatedRounds
    function claimantOf(StudyId study, RoundId round, SeatId seat) external view returns (Claimant memory c) {
        Study storage s = _studies[study];
        Round storage r = _rounds[study][round];
        Seat storage holder = _seats[study][seat];
        (c.hospital, c.barred) = (holder.hospital, !holder.barredFrom.isNone());
        c.token = _enrolments[study].token;
        c.phase = _phase(s, r);
        c.openToAllAt =
            Clock.trainingEnd(r.openedAt, r.closedAt, s.trainingSeconds) + s.aggregatingSeconds / 2;
        (c.submitted, c.totalWeight, c.minHospitals) = (r.submitted, r.totalWeight, s.minHospitals);
    }

    /// @inheritdoc IFederatedRounds
    function earningOf(StudyId study, RoundId round, SeatId seat, AggregateId result)
        public
        view
        returns (Earning memory e)
    {
        Study storage s = _studies[study];
        Round storage r = _rounds[study][round];
        Seat storage holder = _seats[study][seat];
        (e.outcome, e.submitted, e.totalWeight) = (r.outcome, r.submitted, r.totalWeight);
        (e.absent, e.due) = (firstSeats(s.members) - e.submitted, e.submitted.count());
        uint256 endedAt;
        if (e.outcome == Outcome.Void) {
            endedAt = _endOf(study, round, s);
        } else {
            Ballot storage ballot = _requireResult(study, round, result);
            endedAt = ballot.finalAt;
            (e.included, e.weight) = (ballot.included, ballot.weight);
            e.attested = ballot.attesters.has(seat) && e.submitted.has(seat);
        }
        e.unlockedAt = Clock.unlockedAt(endedAt, s.disputeSeconds);
        e.cohortStep = s.cohortStep;
        RoundId from = holder.barredFrom;
        (e.hospital, e.barred) = (holder.hospital, !from.isNone() && !(round < from));
        e.commitment = updateOf[study][round][seat];
        // Only who is barred can have been struck, so the usual case reads nothing more.
        if (e.barred) e.included = e.included - _absences[study][round].struck;
    }

    // Internal: checks

    function _requireActiveHospital(address operator) private view returns (address hospital) {
        bool active;
        (hospital, active) = CONSORTIUM.servedBy(operator);
        require(active, NotAnActiveHospital(operator));
    }

    function _requireOperator(StudyId study, SeatId seat, address hospital) private view {
        (bool operator, bool active) = CONSORTIUM.isOperator(hospital, msg.sender);
        require(operator, NotTheSeatsOperator(study, seat, msg.sender));
        require(active, HospitalSuspended(study, seat));
    }

    function _requireTraining(StudyId study, RoundId round, Study storage s)
        private
        view
        returns (Round storage r)
    {
        r = _rounds[study][round];
        Phase now_ = _phase(s, r);
        require(now_ == Phase.Training, WrongPhase(study, round, now_));
    }

    function _requireWeight(uint32 weight, Study storage s, uint24 records) private view {
        uint256 most = records < s.maxWeight ? records : s.maxWeight;
        require(
            weight != 0 && weight <= most && weight % s.cohortStep == 0,
            WeightNotAllowed(weight, s.cohortStep, most)
        );
    }

    /// @dev Those who submitted in this round and have not attested yet.
    function _requireAttester(StudyId study, RoundId round, SeatId seat, Round storage r) private view {
        require(r.submitted.has(seat), NotASubmitter(study, round, seat));
        require(!r.attested.has(seat), AlreadyAttested(study, round, seat));
    }

    /// @return count Of the set; 0 when the round is final already.
    function _requireAttestable(
        StudyId study,
        RoundId round,
        AggregateId aggregateHash,
        Study storage s,
        Round storage r,
        Ballot storage ballot,
        SeatSet submitted
    ) private view returns (uint256 count) {
        Phase now_ = _phase(s, r);
        if (now_ == Phase.Aggregating) {
            // A ballot with an update that has left the set counts no more, and a set that became too small ends no round.
            SeatSet included = ballot.included;
            require(!included.isEmpty(), AggregateUnknown(study, round, aggregateHash));
            require(submitted.contains(included), IncludedNotSubmitted(included, submitted));
            (uint256 least, uint256 present) = (s.minHospitals, submitted.count());
            require(present >= least, TooFewSubmitted(submitted, least));
            return present;
        }
        uint256 finalAt = ballot.finalAt;
        require(now_ == Phase.Final && finalAt != 0, WrongPhase(study, round, now_));
        uint256 until = Clock.attestationEnd(finalAt, s.disputeSeconds);
        require(block.timestamp < until, AttestationClosed(study, round, until));
    }

    function _requireResult(StudyId study, RoundId round, AggregateId result)
        private
        view
        returns (Ballot storage ballot)
    {
        ballot = _ballots[study][round][result];
        require(ballot.finalAt != 0, NotFinal(study, round, result));
    }

    /// @dev The round is open, or its claims have not unlocked.
    function _requireDisputable(StudyId study, RoundId round, Study storage s) private view {
        uint256 endedAt = _endOf(study, round, s);
        // slither-disable-next-line incorrect-equality (zero is no end)
        if (endedAt == 0) return;
        uint256 until = Clock.unlockedAt(endedAt, s.disputeSeconds);
        require(block.timestamp < until, DisputeClosed(study, round, until));
    }

    /// @dev Whether an active hospital's operator signed for its seat.
    function _isSigned(StudyId study, SeatId seat, bytes32 digest, bytes32[2] calldata signature)
        private
        view
        returns (bool)
    {
        // slither-disable-next-line unused-return (a failed recovery gives address zero, which is nobody's operator)
        (address signer,,) = ECDSA.tryRecover(digest, signature[0], signature[1]);
        (bool operator, bool active) = CONSORTIUM.isOperator(_seats[study][seat].hospital, signer);
        return operator && active;
    }

    // Internal: steps of a study

    function _advanceEnrolment(StudyId study, Study storage s) private {
        Enrolment storage e = _enrolments[study];
        bool over = block.timestamp >= e.enrolDeadline;
        bool enough = s.members >= s.minHospitals;
        require(
            over || (enough && (s.members == e.maxHospitals || msg.sender == e.sponsor)),
            NothingToAdvance(study, e.enrolDeadline)
        );

        if (!enough) return _end(study, s, State.Aborted);
        s.state = State.Running;
        _open(study, s, RoundId.wrap(1));
    }

    function _open(StudyId study, Study storage s, RoundId round) private {
        s.round = round;
        Round storage r = _rounds[study][round];
        r.openedAt = uint32(block.timestamp);
        r.finalsBefore = s.finals;

        emit RoundOpened(study, round);
    }

    function _end(StudyId study, Study storage s, State state) private {
        s.state = state;
        // slither-disable-next-line incorrect-equality (zero is no end)
        if (s.endedAt == 0) s.endedAt = uint32(block.timestamp);

        if (state == State.Completed) emit StudyCompleted(study);
        else emit StudyAborted(study);
    }

    function _void(StudyId study, RoundId round) private {
        _rounds[study][round].outcome = Outcome.Void;

        emit RoundVoid(study, round);
    }

    // Internal: steps of a round

    /// @dev One more hospital has submitted or abstained; the last one closes Training.
    function _act(StudyId study, RoundId round, Study storage s, Round storage r) private {
        uint8 acted = r.acted + 1;
        r.acted = acted;
        if (acted != s.members) return;

        r.closedAt = uint32(block.timestamp);

        emit TrainingClosed(study, round);
    }

    function _propose(StudyId study, RoundId round, Aggregate calldata aggregate, uint256 leftOutWeight)
        private
        returns (AggregateId aggregateHash)
    {
        aggregateHash = aggregate.hash(study, round);
        Ballot storage ballot = _ballots[study][round][aggregateHash];
        if (!ballot.included.isEmpty()) return aggregateHash;
        Round storage r = _rounds[study][round];
        (SeatSet included, SeatSet submitted) = (aggregate.included, r.submitted);
        (uint256 count, uint256 all) = (included.count(), submitted.count());
        require(submitted.contains(included), IncludedNotSubmitted(included, submitted));
        // What is kept back by some may be left out, or they could have all others work for nothing.
        require(count * 3 >= all * 2, TooFewIncluded(count, all));
        uint256 weight = r.totalWeight - leftOutWeight;
        require(aggregate.weight == weight, WrongTotalWeight(aggregate.weight, weight));

        (ballot.included, ballot.weight) = (included, aggregate.weight);

        emit AggregateProposed(study, round, aggregateHash, aggregate);
    }

    /// @dev What the submitted updates that are not included weigh; they are shown in the order of their seats.
    function _leftOutWeight(
        StudyId study,
        RoundId round,
        Aggregate calldata aggregate,
        Update[] calldata updates
    ) private view returns (uint256 weight) {
        SeatSet leftOut = _rounds[study][round].submitted - aggregate.included;
        uint256 count = leftOut.count();
        require(updates.length == count, LeftOutCount(updates.length, count));
        if (count == 0) return 0;
        SeatId[] memory list = leftOut.toArray();
        for (uint256 i = 0; i < count; ++i) {
            require(
                updateOf[study][round][list[i]] == updates[i].commitment(),
                UpdateMismatch(study, round, list[i])
            );
            weight += updates[i].weight;
        }
    }

    function _attestAs(StudyId study, RoundId round, SeatId seat, AggregateId aggregateHash) private {
        _requireOperator(study, seat, _seats[study][seat].hospital);
        Round storage r = _rounds[study][round];
        _requireAttester(study, round, seat, r);

        _attest(study, round, r, aggregateHash, setOf(seat), false);
    }

    /// @param byTime Whether these attestations decide, however many there are.
    function _attest(
        StudyId study,
        RoundId round,
        Round storage r,
        AggregateId aggregateHash,
        SeatSet seats,
        bool byTime
    ) private {
        Study storage s = _studies[study];
        Ballot storage ballot = _ballots[study][round][aggregateHash];
        SeatSet submitted = r.submitted;
        uint256 count = _requireAttestable(study, round, aggregateHash, s, r, ballot, submitted);

        r.attested = r.attested | seats;
        SeatSet attesters = ballot.attesters | seats;
        ballot.attesters = attesters;

        emit Attested(study, round, aggregateHash, seats);

        if (count == 0) return;
        if (byTime || (attesters & submitted).count() * 3 >= count * 2) {
            ballot.finalAt = uint32(block.timestamp);
            _finalise(study, round, aggregateHash, s, r);
        }
    }

    function _finalise(
        StudyId study,
        RoundId round,
        AggregateId aggregateHash,
        Study storage s,
        Round storage r
    ) private {
        r.outcome = Outcome.Final;
        uint16 finals = s.finals + 1;
        s.finals = finals;

        emit RoundFinal(study, round, aggregateHash);

        if (finals == s.rounds) _end(study, s, State.Completed);
        else _open(study, s, round.next());
    }

    // Internal: what follows from proofs

    /// @dev The update of a seat leaves the set of an open round.
    /// @return short Whether too few remain, although there were enough when updates were due to be published.
    function _leave(Study storage s, Round storage r, SeatId seat, uint32 weight)
        private
        returns (bool short)
    {
        SeatSet submitted = r.submitted;
        uint256 least = s.minHospitals;
        short = submitted.count() == least && _phase(s, r) == Phase.Aggregating;

        r.submitted = submitted - setOf(seat);
        r.totalWeight -= weight;
        r.attested = NO_SEATS;
    }

    /// @dev The update of a seat was part of a final round. Its result is undone if it is in it and stands.
    function _taint(
        StudyId study,
        RoundId round,
        Study storage s,
        Round storage r,
        SeatId seat,
        AggregateId result
    ) private returns (SeatSet attesters) {
        Ballot storage ballot = _requireResult(study, round, result);
        if (!ballot.included.has(seat) || r.outcome != Outcome.Final) return NO_SEATS;
        attesters = ballot.attesters;

        r.outcome = Outcome.Tainted;

        emit RoundTainted(study, round, result, attesters);

        _undo(study, round, s, attesters);
    }

    /// @dev A result does not hold: who attested to it is barred, and the study is over.
    function _undo(StudyId study, RoundId round, Study storage s, SeatSet attesters) private {
        RoundId from = s.undoneFrom;
        if (from.isNone() || round < from) s.undoneFrom = round;
        _bar(study, round, attesters);

        if (s.state == State.Running) _void(study, s.round);
        if (s.state != State.Aborted) _end(study, s, State.Aborted);
    }

    function _bar(StudyId study, RoundId round, SeatSet seats) private {
        SeatId[] memory list = seats.toArray();
        for (uint256 i = 0; i < list.length; ++i) {
            Seat storage holder = _seats[study][list[i]];
            RoundId from = holder.barredFrom;
            if (from.isNone() || round < from) holder.barredFrom = round;
        }
    }

    function _paid(StudyId study, RoundId round, SeatId seat, SeatSet paid) private pure returns (SeatSet) {
        require(!paid.has(seat), AlreadyPaid(study, round, seat));
        return paid.add(seat);
    }

    // Internal: pure facts

    function _hasAbstained(StudyId study, RoundId round, SeatId seat, Round storage r)
        private
        view
        returns (bool)
    {
        // Only when more have acted than submitted can anyone have abstained, so the usual case reads nothing more.
        return r.acted != r.submitted.count() && _absences[study][round].abstained.has(seat);
    }

    function _phase(Study storage s, Round storage r) private view returns (Phase) {
        return Clock.phaseOf(r.outcome, r.openedAt, r.closedAt, s.trainingSeconds);
    }

    function _voidableAt(StudyId study, RoundId round, Study storage s) private view returns (uint256) {
        Round storage r = _rounds[study][round];
        bool enough = r.submitted.count() >= s.minHospitals;
        return Clock.voidableAt(
            Clock.trainingEnd(r.openedAt, r.closedAt, s.trainingSeconds),
            s.aggregatingSeconds,
            enough,
            enough ? CLAIMS.heldUntil(study, round) : 0
        );
    }

    /// @dev A round ends when the next one opens, or the study ends.
    function _endOf(StudyId study, RoundId round, Study storage s) private view returns (uint256) {
        // slither-disable-next-line incorrect-equality (states, no amounts)
        if (_rounds[study][round].outcome == Outcome.Open) return 0;
        uint256 openedNext = _rounds[study][round.next()].openedAt;
        return openedNext != 0 ? openedNext : s.endedAt;
    }

    /// @dev Of EIP-712. Written out, as the library's form of it would make this contract larger than contracts here may be.
    function _domainSeparator() private view returns (bytes32) {
        return keccak256(
            abi.encode(DOMAIN_TYPEHASH, DOMAIN_NAME_HASH, DOMAIN_VERSION_HASH, block.chainid, address(this))
        );
    }
}
