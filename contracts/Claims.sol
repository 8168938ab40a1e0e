// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IClaims} from "./interfaces/IClaims.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IStudies} from "./interfaces/IStudies.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {Aggregate, AggregateId} from "./types/Aggregate.sol";
import {Clock} from "./types/Clock.sol";
import {RoundId} from "./types/RoundId.sol";
import {SeatId} from "./types/SeatId.sol";
import {NO_SEATS, SEAT_LIMIT, SeatSet, firstSeats, setOf} from "./types/SeatSet.sol";
import {StudyId} from "./types/StudyId.sol";

/// @title Claims
contract Claims is IClaims, Guarded {
    // Immutables

    IConsortium public immutable CONSORTIUM;
    IFederatedRounds public immutable ROUNDS;
    IStudies public immutable STUDIES;
    address public immutable PROOFS;
    IStakeVault public immutable VAULT;

    // Storage

    /// @inheritdoc IClaims
    mapping(StudyId study => mapping(RoundId round => SeatSet seats)) public absencesRecorded;

    mapping(StudyId study => mapping(RoundId round => Contest)) private _contests;
    mapping(StudyId study => mapping(RoundId round => mapping(uint16 attempt => Attempt))) private _attempts;

    // Constructor

    constructor(
        IConsortium consortium,
        IFederatedRounds rounds,
        IStudies studies,
        address proofs,
        IStakeVault vault
    ) {
        CONSORTIUM = consortium;
        ROUNDS = rounds;
        STUDIES = studies;
        PROOFS = proofs;
        VAULT = vault;
    }

    // Ending a round by time

    /// @inheritdoc IClaims
    function submitAggregate(StudyId study, RoundId round, SeatId seat, Aggregate calldata aggregate)
        external
    {
        (uint96 bond, uint24 claimSeconds, uint8 maxAttempts) = STUDIES.claimTermsOf(study);
        Contest storage c = _contests[study][round];
        IFederatedRounds.Claimant memory by = ROUNDS.claimantOf(study, round, seat);
        _requireOperator(study, seat, by.hospital);
        require(maxAttempts != 0, QuorumOnly(study));
        _requireAggregating(study, round, by.phase);
        require(c.used < maxAttempts, AttemptsExhausted(study, round, maxAttempts));
        _requireNonePending(study, round, c);
        _requireAuthor(study, round, seat, c, by);
        _requireComplete(by, aggregate);

        uint16 number = c.count;
        AggregateId aggregateHash = aggregate.hash(study, round);
        c.count = number + 1;
        c.used += 1;
        c.authors = c.authors.add(seat);
        c.heldUntil = uint32(block.timestamp + 2 * uint256(claimSeconds));
        // The rest of it is zero, as every attempt has a place of its own.
        Attempt storage a = _attempts[study][round][number];
        a.aggregateHash = aggregateHash;
        (a.state, a.seat, a.era) = (AttemptState.Pending, seat, c.era);
        (a.madeAt, a.claimSeconds) = (uint40(block.timestamp), claimSeconds);

        emit AttemptMade(study, round, seat, number, aggregateHash, aggregate);

        VAULT.lock(by.hospital, by.token, bond, true);
    }

    /// @inheritdoc IClaims
    function object(StudyId study, RoundId round, uint16 attempt) external {
        Contest storage c = _contests[study][round];
        (uint16 number, Attempt storage a) = _requirePending(study, round, c);
        require(number == attempt, NoAttemptPending(study, round));
        uint256 closes = _closesAt(a);
        require(block.timestamp < closes, ClaimWindowClosed(study, round, closes));
        // slither-disable-next-line unused-return (the rest is not asked for)
        (IFederatedRounds.Phase now_, SeatSet submitted,,) = ROUNDS.standingOf(study, round);
        _requireAggregating(study, round, now_);
        SeatSet own = _seatOf(study, msg.sender) & submitted;
        bool free = !(own - c.objectors).isEmpty();

        a.state = AttemptState.Objected;
        c.heldUntil = uint32(block.timestamp + a.claimSeconds);
        c.objectors = c.objectors | own;
        if (free) {
            emit Objected(study, round, attempt, msg.sender, 0);
            return;
        }
        a.objector = msg.sender;
        uint96 bond = STUDIES.bondOf(study);

        emit Objected(study, round, attempt, msg.sender, bond);

        // slither-disable-next-line unused-return (the rest is not asked for)
        (address token,) = ROUNDS.stakeOf(study);
        VAULT.lock(msg.sender, token, bond, false);
    }

    /// @inheritdoc IClaims
    function lack(StudyId study, RoundId round, SeatId seat, SeatSet missing) external {
        _requireOperator(study, seat, ROUNDS.getSeat(study, seat).hospital);
        // slither-disable-next-line unused-return (the rest is not asked for)
        (IFederatedRounds.Phase now_, SeatSet submitted,,) = ROUNDS.standingOf(study, round);
        _requireAggregating(study, round, now_);
        require(submitted.has(seat), IFederatedRounds.NotASubmitter(study, round, seat));
        require(
            !missing.isEmpty() && !missing.has(seat) && submitted.contains(missing),
            LackingNotSubmitted(missing, submitted)
        );
        Contest storage c = _contests[study][round];
        require(!c.lacking.has(seat), AlreadyLacking(study, round, seat));

        c.lacking = c.lacking.add(seat);

        emit BytesLacking(study, round, seat, missing);
    }

    /// @inheritdoc IClaims
    function finalise(StudyId study, RoundId round, Aggregate calldata aggregate) external {
        Contest storage c = _contests[study][round];
        (uint16 number, Attempt storage a) = _requirePending(study, round, c);
        // slither-disable-next-line unused-return (the rest is not asked for)
        (IFederatedRounds.Phase now_, SeatSet submitted, uint256 openedAt,) = ROUNDS.standingOf(study, round);
        _requireAggregating(study, round, now_);
        AggregateId aggregateHash = aggregate.hash(study, round);
        uint256 closes = _closesAt(a);
        require(a.aggregateHash == aggregateHash, AttemptDiffers(study, round, aggregateHash));
        require(block.timestamp >= closes, ClaimWindowOpen(study, round, closes));
        _requireHeard(study, round, submitted, c.objectors, a, openedAt);

        a.state = AttemptState.Accepted;

        emit AttemptAccepted(study, round, number);

        ROUNDS.finaliseByTime(study, round, a.seat, aggregate);
    }

    /// @inheritdoc IClaims
    function settle(
        StudyId study,
        RoundId round,
        uint16 attempt,
        Aggregate calldata claimed,
        Aggregate calldata result
    ) external {
        Attempt storage a = _attempts[study][round][attempt];
        AttemptState state = a.state;
        require(state != AttemptState.None, AttemptUnknown(study, round, attempt));
        require(state != AttemptState.Settled, AttemptOver(study, round, attempt));
        (bool byAuthor, bool byObjector) =
            state == AttemptState.Refuted ? (true, false) : _liesOf(study, round, a, claimed, result);

        a.state = AttemptState.Settled;
        // slither-disable-next-line unused-return (the rest is not asked for)
        (address token,) = ROUNDS.stakeOf(study);
        uint96 bond = STUDIES.bondOf(study);
        bool stranger = a.objector != address(0);

        emit AttemptSettled(study, round, attempt, byAuthor ? bond : 0, byObjector && stranger ? bond : 0);

        _settleBond(study, token, bond, ROUNDS.getSeat(study, a.seat).hospital, true, byAuthor, a.challenger);
        if (stranger) _settleBond(study, token, bond, a.objector, false, byObjector, address(0));
    }

    // Absences

    /// @inheritdoc IClaims
    function recordAbsences(StudyId study, RoundId round) external {
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        IFederatedRounds.Round memory r = ROUNDS.getRound(study, round);
        IFederatedRounds.Phase now_ = Clock.phaseOf(r.outcome, r.openedAt, r.closedAt, s.trainingSeconds);
        require(_hasTrained(round, s, r), IFederatedRounds.WrongPhase(study, round, now_));
        uint256 until = Clock.settledAt(s.endedAt, s.round, s.disputeSeconds);
        // slither-disable-next-line incorrect-equality (zero is no end)
        require(until == 0 || block.timestamp < until, RecordingClosed(study, until));
        SeatSet known = absencesRecorded[study][round];
        SeatSet found =
            _unexcused(study, round, r, (_silent(study, round, s, r) | _mute(study, round, s, r)) - known);
        require(!found.isEmpty(), NothingToRecord(study, round));

        absencesRecorded[study][round] = known | found;

        STUDIES.slashAbsent(study, round, found);
    }

    // Functions of the proofs contract

    /// @inheritdoc IClaims
    function refute(StudyId study, RoundId round, AggregateId aggregateHash, address challenger)
        external
        only(msg.sender == PROOFS)
        returns (uint256 refuted)
    {
        Contest storage c = _contests[study][round];
        (uint16 count, uint8 era) = (c.count, c.era);
        SeatSet liars;
        for (uint16 number = 0; number < count; ++number) {
            Attempt storage a = _attempts[study][round][number];
            AttemptState state = a.state;
            bool over = state == AttemptState.Refuted || state == AttemptState.Settled;
            if (over || a.era != era || !(a.aggregateHash == aggregateHash)) continue;

            ++refuted;
            (a.state, a.challenger) = (AttemptState.Refuted, challenger);
            if (state == AttemptState.Pending) {
                c.heldUntil = uint32(Math.min(c.heldUntil, block.timestamp + a.claimSeconds));
            }

            liars = liars.add(a.seat);

            emit AttemptRefuted(study, round, number, challenger);
        }

        if (refuted != 0) ROUNDS.bar(study, round, liars);
    }

    /// @inheritdoc IClaims
    function beginAnew(StudyId study, RoundId round) external only(msg.sender == PROOFS) {
        Contest storage c = _contests[study][round];
        // slither-disable-next-line unused-return (the rest is not asked for)
        (, uint24 claimSeconds,) = STUDIES.claimTermsOf(study);

        SeatSet liars;
        for (uint16 number = 0; number < c.count; ++number) {
            Attempt storage a = _attempts[study][round][number];
            if (a.challenger != address(0)) liars = liars.add(a.seat);
        }

        c.era += 1;
        (c.used, c.authors, c.objectors) = (0, liars, NO_SEATS);
        c.heldUntil = uint32(Math.max(c.heldUntil, block.timestamp + claimSeconds));
    }

    // Views

    /// @inheritdoc IClaims
    function getContest(StudyId study, RoundId round) external view returns (Contest memory) {
        return _contests[study][round];
    }

    /// @inheritdoc IClaims
    function getAttempt(StudyId study, RoundId round, uint16 attempt) external view returns (Attempt memory) {
        return _attempts[study][round][attempt];
    }

    /// @inheritdoc IClaims
    function heldUntil(StudyId study, RoundId round) external view returns (uint256) {
        return _contests[study][round].heldUntil;
    }

    /// @inheritdoc IClaims
    function leaderOf(StudyId study, RoundId round) external view returns (SeatId seat) {
        // slither-disable-next-line unused-return (the rest is not asked for)
        (, SeatSet submitted,,) = ROUNDS.standingOf(study, round);
        return _leader(round, _contests[study][round], submitted);
    }

    // Internal: checks

    function _requireOperator(StudyId study, SeatId seat, address hospital) private view {
        (bool operator, bool active) = CONSORTIUM.isOperator(hospital, msg.sender);
        require(operator, IFederatedRounds.NotTheSeatsOperator(study, seat, msg.sender));
        require(active, IFederatedRounds.HospitalSuspended(study, seat));
    }

    function _requireAggregating(StudyId study, RoundId round, IFederatedRounds.Phase now_) private pure {
        require(now_ == IFederatedRounds.Phase.Aggregating, IFederatedRounds.WrongPhase(study, round, now_));
    }

    function _requireNonePending(StudyId study, RoundId round, Contest storage c) private view {
        uint16 count = c.count;
        if (count == 0) return;
        Attempt storage last = _attempts[study][round][count - 1];
        require(
            last.state != AttemptState.Pending || last.era != c.era, AttemptPending(study, round, count - 1)
        );
    }

    function _requirePending(StudyId study, RoundId round, Contest storage c)
        private
        view
        returns (uint16 number, Attempt storage a)
    {
        uint16 count = c.count;
        number = count == 0 ? 0 : count - 1;
        a = _attempts[study][round][number];
        require(a.state == AttemptState.Pending && a.era == c.era, NoAttemptPending(study, round));
    }

    /// @dev Whose turn it is, and whether it still matters.
    function _requireAuthor(
        StudyId study,
        RoundId round,
        SeatId seat,
        Contest storage c,
        IFederatedRounds.Claimant memory by
    ) private view {
        require(by.submitted.has(seat), IFederatedRounds.NotASubmitter(study, round, seat));
        require(!c.authors.has(seat), AlreadyAttempted(study, round, seat));
        require(!by.barred, AuthorBarred(study, seat));
        SeatId leader = _leader(round, c, by.submitted);
        // Where a proof about an earlier round barred the leader, nobody has to wait for it.
        require(
            seat == leader || block.timestamp >= by.openToAllAt
                || !ROUNDS.getSeat(study, leader).barredFrom.isNone(),
            NotTheLeader(study, round, leader, by.openToAllAt)
        );
    }

    function _requireComplete(IFederatedRounds.Claimant memory by, Aggregate calldata aggregate)
        private
        pure
    {
        SeatSet submitted = by.submitted;
        require(aggregate.included == submitted, SetIncomplete(aggregate.included, submitted));
        require(
            submitted.count() >= by.minHospitals, IFederatedRounds.TooFewSubmitted(submitted, by.minHospitals)
        );
        require(
            aggregate.weight == by.totalWeight,
            IFederatedRounds.WrongTotalWeight(aggregate.weight, by.totalWeight)
        );
    }

    /// @dev Silence is no consent of those that cannot speak: two thirds of the submitters were free to object to this claim, or attested to
    /// it. Who has used its free objection is not asked for a bond, and who was suspended while the claim waited could not object.
    function _requireHeard(
        StudyId study,
        RoundId round,
        SeatSet submitted,
        SeatSet objectors,
        Attempt storage a,
        uint256 openedAt
    ) private view {
        // In the usual case nobody objected and nobody was suspended, so that nothing more is read.
        bool suspended = CONSORTIUM.lastSuspendedAt() >= openedAt;
        if (objectors.isEmpty() && !suspended) return;
        SeatSet heard = submitted - objectors;
        if (suspended) heard = heard - _suspended(study, heard, a.madeAt, _closesAt(a));
        heard = heard | (submitted & ROUNDS.getBallot(study, round, a.aggregateHash).attesters);
        require(heard.count() * 3 >= submitted.count() * 2, TooFewHeard(study, round, heard, submitted));
    }

    // Internal: bonds

    function _settleBond(
        StudyId study,
        address token,
        uint256 bond,
        address account,
        bool delegated,
        bool slashed,
        address challenger
    ) private {
        if (!slashed) return VAULT.unlock(account, token, bond, delegated);
        (address[] memory accounts, uint256[] memory amounts) = (new address[](1), new uint256[](1));
        (accounts[0], amounts[0]) = (account, bond);

        VAULT.slash(study, token, accounts, amounts, 0, challenger);
    }

    /// @dev Who lied, as far as the end of the round tells: over the same set only one vector is right.
    function _liesOf(
        StudyId study,
        RoundId round,
        Attempt storage a,
        Aggregate calldata claimed,
        Aggregate calldata result
    ) private view returns (bool byAuthor, bool byObjector) {
        IFederatedRounds.Round memory r = ROUNDS.getRound(study, round);
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        if (a.era != _contests[study][round].era) return (false, false);
        // Whoever objected kept the round from its end, and showed no reason. Where a proof ended the study there was no time to.
        if (r.outcome == IFederatedRounds.Outcome.Void) return (false, !_isCutShort(round, s, r));
        AggregateId claimedHash = claimed.hash(study, round);
        require(a.aggregateHash == claimedHash, AttemptDiffers(study, round, claimedHash));
        AggregateId finalHash = result.hash(study, round);
        uint256 finalAt = ROUNDS.getBallot(study, round, finalHash).finalAt;
        require(finalAt != 0, IFederatedRounds.NotFinal(study, round, finalHash));
        uint256 until = Clock.unlockedAt(finalAt, s.disputeSeconds);
        require(block.timestamp >= until, BondLocked(study, round, until));
        if (r.outcome != IFederatedRounds.Outcome.Final || claimed.included != result.included) {
            return (false, false);
        }
        byObjector = claimed.root == result.root;
        byAuthor = !byObjector;
    }

    // Internal: absences

    /// @dev Who neither submitted nor abstained, and was not barred before; nobody where nobody submitted.
    function _silent(
        StudyId study,
        RoundId round,
        IFederatedRounds.Study memory s,
        IFederatedRounds.Round memory r
    ) private view returns (SeatSet) {
        IFederatedRounds.Absence memory absence = ROUNDS.getAbsence(study, round);
        SeatSet submitted = r.submitted | absence.struck;
        if (submitted.isEmpty()) return NO_SEATS;
        SeatSet rest = firstSeats(s.members) - (submitted | absence.abstained);
        SeatId[] memory list = rest.toArray();
        for (uint256 i = 0; i < list.length; ++i) {
            RoundId from = ROUNDS.getSeat(study, list[i]).barredFrom;
            if (!from.isNone() && from < round) rest = rest - setOf(list[i]);
        }
        return rest;
    }

    /// @dev Which submitters did nothing for a round that ended void although enough had submitted.
    function _mute(
        StudyId study,
        RoundId round,
        IFederatedRounds.Study memory s,
        IFederatedRounds.Round memory r
    ) private view returns (SeatSet) {
        bool failed = r.outcome == IFederatedRounds.Outcome.Void && r.submitted.count() >= s.minHospitals;
        if (!failed || _isCutShort(round, s, r)) return NO_SEATS;
        Contest storage c = _contests[study][round];
        return r.submitted - (r.attested | c.authors | c.objectors | c.lacking);
    }

    /// @dev Of some seats those that have something to lose, and were not suspended in the round.
    function _unexcused(StudyId study, RoundId round, IFederatedRounds.Round memory r, SeatSet seats)
        private
        view
        returns (SeatSet)
    {
        seats = seats - STUDIES.stakesLost(study);
        // slither-disable-next-line unused-return (the rest is not asked for)
        (,,, uint256 end) = ROUNDS.standingOf(study, round);
        // slither-disable-next-line incorrect-equality (zero is no end)
        if (end == 0) end = block.timestamp;
        return seats - _suspended(study, seats, r.openedAt, end);
    }

    /// @dev Of some seats those whose hospital was suspended at any moment of these seconds.
    function _suspended(StudyId study, SeatSet seats, uint256 from, uint256 until)
        private
        view
        returns (SeatSet found)
    {
        SeatId[] memory list = seats.toArray();
        address[] memory hospitals = ROUNDS.hospitalsOf(study, seats);
        for (uint256 i = 0; i < list.length; ++i) {
            if (CONSORTIUM.wasSuspended(hospitals[i], from, until)) found = found.add(list[i]);
        }
    }

    // Internal: facts

    /// @dev The seat that the account acts for, while its hospital is active; none for everybody else.
    function _seatOf(StudyId study, address account) private view returns (SeatSet) {
        (address hospital, bool active) = CONSORTIUM.servedBy(account);
        if (!active) return NO_SEATS;
        (bool enrolled, SeatId seat) = ROUNDS.seatOf(study, hospital);
        return enrolled ? setOf(seat) : NO_SEATS;
    }

    /// @dev 64 when nobody may.
    function _leader(RoundId round, Contest storage c, SeatSet submitted) private view returns (SeatId) {
        SeatSet authors = submitted - c.authors;
        uint256 count = authors.count();
        // slither-disable-next-line incorrect-equality (a number of seats)
        if (count == 0) return SeatId.wrap(uint8(SEAT_LIMIT));
        // slither-disable-next-line weak-prng (whose turn it is; nothing is drawn)
        return authors.at((uint256(RoundId.unwrap(round)) + c.used) % count);
    }

    function _closesAt(Attempt storage a) private view returns (uint256) {
        return uint256(a.madeAt) + a.claimSeconds;
    }

    /// @dev Whether Training ran to its end. In the last round of a study that was aborted by a proof it may not have.
    function _hasTrained(RoundId round, IFederatedRounds.Study memory s, IFederatedRounds.Round memory r)
        private
        view
        returns (bool)
    {
        uint256 end = s.endedAt != 0 && s.round == round ? s.endedAt : block.timestamp;
        return r.openedAt != 0 && end >= Clock.trainingEnd(r.openedAt, r.closedAt, s.trainingSeconds);
    }

    /// @dev Whether the round may have been ended by a proof against an earlier one.
    function _isCutShort(RoundId round, IFederatedRounds.Study memory s, IFederatedRounds.Round memory r)
        private
        pure
        returns (bool)
    {
        return r.outcome == IFederatedRounds.Outcome.Void && s.round == round && !s.undoneFrom.isNone();
    }
}
