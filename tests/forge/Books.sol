// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IClaims} from "../../contracts/interfaces/IClaims.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IStudies} from "../../contracts/interfaces/IStudies.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {Aggregate, AggregateId} from "../../contracts/types/Aggregate.sol";
import {RoundId} from "../../contracts/types/RoundId.sol";
import {SeatId} from "../../contracts/types/SeatId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Update} from "../../contracts/types/Update.sol";
import {vm} from "./Rig.sol";
import {Stage} from "./Stage.sol";
import {Vectors} from "./Vectors.sol";

/// @dev The campaign's own books: what everybody should have and why, and the course of studies, entered move by move from what the
/// moves themselves did. Nothing here is read from the contracts but what a comment names.
abstract contract Books is Stage {
    /// @dev What an account should have of one token in the vault.
    struct Purse {
        uint256 free;
        uint256 locked;
        uint256 limit; // of what others may lock
        uint256 used;
    }

    uint32 internal constant STEP = 10;
    /// @dev No multiple of the step, so that roundings show.
    uint32 internal constant MOST = 95;

    struct StudyBook {
        uint256 kind;
        address sponsor;
        FeeToken token;
        uint256 reward;
        uint256 stake;
        uint256 bond;
        uint256 least;
        uint256 seats;
        uint256 count; // final rounds to complete it
        uint256 maxVoids;
        uint256 maxAttempts;
        uint256 attesterBps;
        uint256 patientBps;
        uint256 sponsorFeeBps;
        uint256 deadline;
        IStudies.ScoreMode mode;
        // Its course
        IFederatedRounds.State state;
        uint256 members;
        uint256 round;
        uint256 finals;
        uint256 voids;
        uint256 endedAt;
        uint256 undoneFrom;
        uint64 released;
        bool refunded;
        bool watched; // lies in its results are proved before their windows close
        // Its money
        uint256 pot;
        uint256 funded;
        uint256 kept; // compensations
        uint256 keptPaid;
        uint256 paid; // to hospitals and patients, of rewards
        uint256 sponsorHad;
    }

    struct SeatBook {
        uint256 who; // number of the hospital
        uint256 taken;
        uint256 misses;
        uint256 barredFrom;
    }

    struct RoundBook {
        bool statistics;
        uint256 finalsBefore;
        uint256 openedAt;
        uint256 closedAt;
        uint256 endedAt;
        IFederatedRounds.Outcome outcome;
        bool byTime; // void as its time was over
        uint64 acted;
        uint64 ever; // submitted
        uint64 submitted; // and not struck before the end
        uint64 struck;
        uint64 attested;
        uint64 attesters; // of the result
        uint64 authors; // in this era, and whoever was proved wrong before
        uint64 objectors;
        uint64 lacking;
        uint64 recorded;
        uint64 declined; // abstained although they could have submitted
        uint64 claimed;
        uint256 weight; // of `submitted`
        uint256 result; // the number of its result, plus one
        uint256 era;
        uint256 attempts;
        uint256 used; // in this era
        uint256 heldUntil; // surely not void before
        uint256 kept;
        uint256 paid;
        // Reviews
        uint64 committed;
        uint64 revealed;
        bool tallied;
        bool enough; // revealed theirs
        bool counted;
        uint256 total;
        uint256[4] scores;
    }

    struct Work {
        Update update;
        Vectors.Content content;
    }

    /// @dev An aggregate that somebody may attest to or claim.
    struct Candidate {
        uint256 study;
        uint256 round;
        AggregateId id;
        Aggregate aggregate;
        Vectors.Content content;
        bool known; // given in full to the contract
    }

    struct AttemptBook {
        uint256 candidate;
        uint256 seat;
        uint256 era;
        uint256 madeAt;
        IClaims.AttemptState state;
        address objector;
        address challenger;
    }

    mapping(address account => mapping(FeeToken token => Purse)) internal _purses;
    mapping(FeeToken token => uint256) public burnt;
    mapping(FeeToken token => uint256) public fees;
    StudyBook[] internal _studies;
    mapping(uint256 study => SeatBook[]) internal _seats;
    mapping(uint256 study => mapping(uint256 round => RoundBook)) internal _rounds;
    mapping(uint256 study => mapping(uint256 round => mapping(uint256 seat => Work))) internal _works;
    mapping(uint256 study => mapping(uint256 round => AttemptBook[])) internal _attempts;
    Candidate[] internal _candidates;
    mapping(AggregateId id => uint256 numberPlusOne) internal _candidateOf;
    /// @dev Who attested to what.
    mapping(uint256 candidate => uint64) internal _ballots;
    /// @dev When a hospital was suspended; the last end is 0 while it is.
    mapping(uint256 hospital => uint256[2][]) internal _suspensions;
    // What was taken from anybody in all, and what challengers had of it.
    mapping(FeeToken token => uint256) public slashedInAll;
    mapping(FeeToken token => uint256) public wonInAll;

    constructor() {
        _studies.push(); // ids count from 1
    }

    // Entries

    function _purse(address who, FeeToken token) internal view returns (Purse storage) {
        return _purses[who][token];
    }

    function _lockEntry(address who, FeeToken token, uint256 amount, bool delegated) internal {
        Purse storage p = _purses[who][token];
        p.free -= amount;
        p.locked += amount;
        if (!delegated) return;
        p.used += amount;
        vm.assertLe(p.used, p.limit, "INV-6: an operator locked more than the allowance");
    }

    function _unlockEntry(address who, FeeToken token, uint256 amount, bool delegated) internal {
        Purse storage p = _purses[who][token];
        p.locked -= amount;
        p.free += amount;
        if (delegated) p.used -= amount;
    }

    /// @dev What was taken from culprits: `kept` of it for the pot, the challenger's share of all as far as half of all goes, and
    /// what is left burns.
    function _shareOut(FeeToken token, uint256 amount, uint256 kept, address challenger) internal {
        uint256 won = challenger == address(0) ? 0 : amount * CHALLENGER_BPS / BPS;
        if (won > amount / 2 - kept) won = amount / 2 - kept;
        _purses[challenger][token].free += won;
        burnt[token] += amount - kept - won;
        slashedInAll[token] += amount;
        wonInAll[token] += won;
    }

    /// @dev Takes up to `most` of a seat's stake; returns how much that was.
    function _takeStake(uint256 study, uint256 seat, uint256 most) internal returns (uint256 amount) {
        StudyBook storage s = _studies[study];
        SeatBook storage p = _seats[study][seat];
        amount = s.stake - p.taken < most ? s.stake - p.taken : most;
        p.taken += amount;
        _purses[hospital(p.who)][s.token].locked -= amount;
    }

    function _takeFromAll(uint256 study, uint64 seats, uint256 most) internal returns (uint256 amount) {
        for (uint256 seat = 0; seat < _seats[study].length; ++seat) {
            if (_has(seats, seat)) amount += _takeStake(study, seat, most);
        }
    }

    // The course of a study

    function _openRound(uint256 study) internal {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][++s.round];
        r.openedAt = _now;
        r.finalsBefore = s.finals;
        r.statistics = _beginsWithStatistics(s.kind) && s.finals == 0;
    }

    function _end(uint256 study, IFederatedRounds.State state) internal {
        (_studies[study].state, _studies[study].endedAt) = (state, _now);
    }

    function _makeFinal(uint256 study, uint256 round, uint256 candidate, uint64 attesters) internal {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][round];
        (r.outcome, r.result, r.attesters) = (IFederatedRounds.Outcome.Final, candidate + 1, attesters);
        r.endedAt = _now;
        ++s.finals;
        if (s.finals == s.count) _end(study, IFederatedRounds.State.Completed);
        else _openRound(study);
    }

    function _makeVoid(uint256 study, bool byTime) internal {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][s.round];
        (r.outcome, r.endedAt, r.byTime) = (IFederatedRounds.Outcome.Void, _now, byTime);
        if (!byTime) return;
        ++s.voids;
        if (s.voids > s.maxVoids) _end(study, IFederatedRounds.State.Aborted);
        else _openRound(study);
    }

    /// @dev A result was undone: the study is over, and who attested is paid nothing from that round on.
    function _undo(uint256 study, uint256 round, IFederatedRounds.Outcome outcome) internal {
        StudyBook storage s = _studies[study];
        _rounds[study][round].outcome = outcome;
        if (s.undoneFrom == 0 || round < s.undoneFrom) s.undoneFrom = round;
        for (uint256 seat = 0; seat < s.members; ++seat) {
            if (_has(_rounds[study][round].attesters, seat)) _bar(study, seat, round);
        }
        if (s.state == IFederatedRounds.State.Running) {
            _makeVoid(study, false);
            _end(study, IFederatedRounds.State.Aborted);
        }
        s.state = IFederatedRounds.State.Aborted;
    }

    function _bar(uint256 study, uint256 seat, uint256 round) internal {
        SeatBook storage p = _seats[study][seat];
        if (p.barredFrom == 0 || round < p.barredFrom) p.barredFrom = round;
    }

    /// @dev An update leaves the set of an open round: what was attested, claimed and objected counts no more, but for what was proved.
    function _leaveSet(uint256 study, uint256 round, uint256 seat) internal {
        RoundBook storage r = _rounds[study][round];
        r.submitted &= ~_bit(seat);
        r.weight -= _works[study][round][seat].update.weight;
        ++r.era;
        (r.attested, r.authors, r.objectors, r.used) = (0, 0, 0, 0);
        AttemptBook[] storage list = _attempts[study][round];
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i].challenger != address(0)) r.authors |= _bit(list[i].seat);
        }
        _hold(study, round, CLAIM);
    }

    function _hold(uint256 study, uint256 round, uint256 time) internal {
        RoundBook storage r = _rounds[study][round];
        if (r.heldUntil < _now + time) r.heldUntil = _now + time;
    }

    // What follows from the books

    function _trainingEnd(uint256 study, uint256 round) internal view returns (uint256) {
        RoundBook storage r = _rounds[study][round];
        return r.closedAt != 0 ? r.closedAt : r.openedAt + PHASE;
    }

    function _isOpen(uint256 study, uint256 round) internal view returns (bool) {
        return round != 0 && round == _studies[study].round && _rounds[study][round].endedAt == 0
            && _studies[study].state == IFederatedRounds.State.Running;
    }

    function _inTraining(uint256 study, uint256 round) internal view returns (bool) {
        return _isOpen(study, round) && _now < _trainingEnd(study, round);
    }

    /// @dev Open, and Training over.
    function _hasClosed(uint256 study, uint256 round) internal view returns (bool) {
        return _isOpen(study, round) && _now >= _trainingEnd(study, round);
    }

    /// @dev Open, Training over, and enough submitted.
    function _inAggregating(uint256 study, uint256 round) internal view returns (bool) {
        return _hasClosed(study, round) && _count(_rounds[study][round].submitted) >= _studies[study].least;
    }

    function _isTwoThirds(uint256 part, uint256 whole) internal pure returns (bool) {
        return 3 * part >= 2 * whole;
    }

    function _hadResult(uint256 study, uint256 round) internal view returns (bool) {
        return _rounds[study][round].result != 0;
    }

    /// @dev When what a round pays, and its bonds, come free: its last dispute is over.
    function _unlocksAt(uint256 study, uint256 round) internal view returns (uint256) {
        return _rounds[study][round].endedAt + DISPUTE;
    }

    function _isUnlocked(uint256 study, uint256 round) internal view returns (bool) {
        return _rounds[study][round].endedAt != 0 && _now >= _unlocksAt(study, round);
    }

    function _settlesAt(uint256 study) internal view returns (uint256) {
        StudyBook storage s = _studies[study];
        if (s.endedAt == 0) return type(uint256).max;
        return s.round == 0 ? s.endedAt : s.endedAt + DISPUTE;
    }

    function _isActive(uint256 who) internal view returns (bool) {
        uint256[2][] storage list = _suspensions[who];
        return list.length == 0 || list[list.length - 1][1] != 0;
    }

    function _wasSuspended(uint256 who, uint256 from, uint256 until) internal view returns (bool) {
        uint256[2][] storage list = _suspensions[who];
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i][0] <= until && (list[i][1] == 0 || list[i][1] >= from)) return true;
        }
        return false;
    }

    /// @dev What a round's reward is for: attesters, patients, updates.
    function _pools(uint256 study) internal view returns (uint256 a, uint256 q, uint256 u) {
        StudyBook storage s = _studies[study];
        a = s.reward * s.attesterBps / BPS;
        q = s.reward * s.patientBps / BPS;
        u = s.reward - a - q;
    }

    /// @dev Who was kept from training by a suspension alone counts in pay as if it had submitted all it could.
    function _keptAway(uint256 study, uint256 round) internal view returns (uint64 seats) {
        RoundBook storage r = _rounds[study][round];
        uint256 until = _trainingEnd(study, round);
        if (r.endedAt != 0 && r.endedAt < until) until = r.endedAt;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (_has(r.submitted | r.declined, seat)) continue;
            uint256 from = _seats[study][seat].barredFrom;
            if (from != 0 && from <= round) continue;
            if (_wasSuspended(_seats[study][seat].who, r.openedAt, until)) seats |= _bit(seat);
        }
    }

    /// @dev Among how many a round's pay is shared, and what all they have weighs.
    function _sharers(uint256 study, uint256 round) internal view returns (uint256 count, uint256 weight) {
        RoundBook storage r = _rounds[study][round];
        uint256 away = _count(_keptAway(study, round));
        uint256 most = RECORDS < MOST ? RECORDS : MOST;
        return (_count(r.submitted) + away, r.weight + away * (most / STEP * STEP));
    }

    /// @dev A seat's part of a round's updates: s / S. Zero where it earns nothing with its update.
    function _scoreOf(uint256 study, uint256 round, uint256 seat)
        internal
        view
        returns (uint256 score, uint256 total)
    {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][round];
        Aggregate storage result = _candidates[r.result - 1].aggregate;
        bool earns = _has(SeatSet.unwrap(result.included), seat) && !_has(r.struck, seat);
        (uint256 count, uint256 weight) = _sharers(study, round);
        if (r.counted) {
            (score, total) = (r.scores[seat] * result.weight, r.total * weight);
        } else if (s.mode == IStudies.ScoreMode.Equal) {
            (score, total) = (1, count);
        } else {
            (score, total) = (_works[study][round][seat].update.weight, weight);
        }
        if (!earns) score = 0;
    }

    function _isBarred(uint256 study, uint256 round, uint256 seat) internal view returns (bool) {
        uint256 from = _seats[study][seat].barredFrom;
        return from != 0 && from <= round;
    }

    /// @dev What a seat is to be paid for a round, rounded down once.
    function _payOf(uint256 study, uint256 round, uint256 seat) internal view returns (uint256) {
        if (_isBarred(study, round, seat)) return 0;
        if (!_hadResult(study, round)) return _compensationOf(study, round, seat);
        (uint256 a,, uint256 u) = _pools(study);
        (uint256 score, uint256 total) = _scoreOf(study, round, seat);
        (uint256 count,) = _sharers(study, round);
        bool shares = _has(_sharing(study, round), seat);
        return (u * score * count + (shares ? a * total : 0)) / (total * count);
    }

    /// @dev Who has a part of what is for attesting: the attesters, or the revealers where reviews count.
    function _sharing(uint256 study, uint256 round) internal view returns (uint64) {
        RoundBook storage r = _rounds[study][round];
        return (r.enough ? r.revealed : r.attesters) & r.submitted;
    }

    /// @dev A void round with a compensation pays those that stayed in its set.
    function _compensationOf(uint256 study, uint256 round, uint256 seat) internal view returns (uint256) {
        RoundBook storage r = _rounds[study][round];
        if (r.kept == 0 || !_has(r.submitted, seat)) return 0;
        (uint256 count, uint256 weight) = _sharers(study, round);
        if (_studies[study].mode == IStudies.ScoreMode.Equal) return r.kept / count;
        return r.kept * _works[study][round][seat].update.weight / weight;
    }

    // Kinds of studies

    function _beginsWithStatistics(uint256 kind) internal pure returns (bool) {
        return kind == 1;
    }

    // Sets of seats

    function _bit(uint256 seat) internal pure returns (uint64) {
        return uint64(1) << uint64(seat);
    }

    function _has(uint64 seats, uint256 seat) internal pure returns (bool) {
        return seats & _bit(seat) != 0;
    }

    function _count(uint64 seats) internal pure returns (uint256 found) {
        for (; seats != 0; seats &= seats - 1) {
            ++found;
        }
    }

    // Names

    function _s(uint256 study) internal pure returns (StudyId) {
        return StudyId.wrap(uint64(study));
    }

    function _r(uint256 round) internal pure returns (RoundId) {
        return RoundId.wrap(uint16(round));
    }

    function _p(uint256 seat) internal pure returns (SeatId) {
        return SeatId.wrap(uint8(seat));
    }
}
