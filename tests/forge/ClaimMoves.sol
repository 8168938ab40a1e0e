// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IClaims} from "../../contracts/interfaces/IClaims.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {Aggregate} from "../../contracts/types/Aggregate.sol";
import {SeatId} from "../../contracts/types/SeatId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {vm} from "./Rig.sol";
import {RoundMoves} from "./RoundMoves.sol";

/// @dev The path by time, bonds and absences.
abstract contract ClaimMoves is RoundMoves {
    function _lastAttempt(uint256 study, uint256 round) internal view returns (bool pending, uint256 number) {
        AttemptBook[] storage list = _attempts[study][round];
        if (list.length == 0) return (false, 0);
        number = list.length - 1;
        pending = list[number].state == IClaims.AttemptState.Pending
            && list[number].era == _rounds[study][round].era && _isOpen(study, round);
    }

    // Claims by time

    function _claimSays(uint256 candidate, uint256 seat) private view returns (Says) {
        Candidate storage c = _candidates[candidate];
        StudyBook storage s = _studies[c.study];
        RoundBook storage r = _rounds[c.study][c.round];
        Purse storage p = _purse(hospital(_seats[c.study][seat].who), s.token);
        (bool pending,) = _lastAttempt(c.study, c.round);
        if (!_inAggregating(c.study, c.round) || pending || r.used >= s.maxAttempts) return Says.No;
        if (!_has(r.submitted & ~r.authors, seat)) return Says.No;
        if (!_isActive(_seats[c.study][seat].who)) return Says.No;
        if (SeatSet.unwrap(c.aggregate.included) != r.submitted) return Says.No;
        if (p.free < s.bond || p.used + s.bond > p.limit) return Says.No;
        if (_seats[c.study][seat].barredFrom != 0) return Says.No;
        uint256 closed = _trainingEnd(c.study, c.round);
        if (_now >= closed + PHASE) return Says.Either;
        if (_now >= closed + PHASE / 2) return Says.Yes;
        // Who leads is read: any order will do for what is checked here. Nobody waits for one that is barred.
        uint256 leader = SeatId.unwrap(claims.leaderOf(_s(c.study), _r(c.round)));
        return _says(leader == seat || (leader < s.members && _seats[c.study][leader].barredFrom != 0));
    }

    function _claimByTime(uint256 candidate, uint256 seat) internal {
        Candidate storage c = _candidates[candidate];
        RoundBook storage r = _rounds[c.study][c.round];
        bytes memory data =
            abi.encodeCall(claims.submitAggregate, (_s(c.study), _r(c.round), _p(seat), c.aggregate));
        uint256 who = _seats[c.study][seat].who;
        if (!_try(operator(who), address(claims), data, _claimSays(candidate, seat), "claim by time")) {
            return;
        }
        _lockEntry(hospital(who), _studies[c.study].token, _studies[c.study].bond, true);
        _attempts[c.study][c.round].push(
            AttemptBook(candidate, seat, r.era, _now, IClaims.AttemptState.Pending, address(0), address(0))
        );
        ++r.used;
        r.authors |= _bit(seat);
        _hold(c.study, c.round, CLAIM);
    }

    /// @dev A submitter's operator objects for free once, while its hospital is active; everybody else for a bond of its own.
    /// @param other Whether it names another claim than the one that is pending.
    function _object(uint256 study, uint256 round, address from, bool other) internal {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][round];
        (bool pending, uint256 number) = _lastAttempt(study, round);
        (bool isFree, uint256 seat) = _objectsFree(study, round, from);
        Says says = _says(isFree || _purse(from, s.token).free >= s.bond);
        if (!pending || _now >= _attempts[study][round][number].madeAt + CLAIM) says = Says.No;
        if (other) (says, number) = (Says.No, number + 1);
        bytes memory data = abi.encodeCall(claims.object, (_s(study), _r(round), uint16(number)));
        if (!_try(from, address(claims), data, says, "object")) return;
        AttemptBook storage a = _attempts[study][round][number];
        a.state = IClaims.AttemptState.Objected;
        if (isFree) {
            r.objectors |= _bit(seat);
        } else {
            a.objector = from;
            _lockEntry(from, s.token, s.bond, false);
        }
        _hold(study, round, CLAIM);
    }

    function _objectsFree(uint256 study, uint256 round, address from)
        private
        view
        returns (bool isFree, uint256 seat)
    {
        RoundBook storage r = _rounds[study][round];
        for (; seat < _studies[study].members; ++seat) {
            uint256 who = _seats[study][seat].who;
            if (from != operator(who)) continue;
            return (_isActive(who) && _has(r.submitted & ~r.objectors, seat), seat);
        }
    }

    function _lack(uint256 study, uint256 round, uint256 seat, uint64 missing) internal {
        RoundBook storage r = _rounds[study][round];
        uint256 who = _seats[study][seat].who;
        bool may = _hasClosed(study, round) && _isActive(who) && _has(r.submitted & ~r.lacking, seat)
            && missing & ~r.submitted == 0;
        Says says = may && (missing == 0 || _has(missing, seat)) ? Says.Either : _says(may);
        bytes memory data =
            abi.encodeCall(claims.lack, (_s(study), _r(round), _p(seat), SeatSet.wrap(missing)));
        if (_try(operator(who), address(claims), data, says, "lack")) r.lacking |= _bit(seat);
    }

    function _finalise(uint256 study, uint256 round) internal {
        (bool pending, uint256 number) = _lastAttempt(study, round);
        if (_attempts[study][round].length == 0) return;
        AttemptBook storage a = _attempts[study][round][number];
        Candidate storage c = _candidates[a.candidate];
        bytes memory data = abi.encodeCall(claims.finalise, (_s(study), _r(round), c.aggregate));
        Says says = _says(pending && _now >= a.madeAt + CLAIM && _isHeard(study, round, number));
        if (!_try(STRANGER, address(claims), data, says, "finalise")) return;
        a.state = IClaims.AttemptState.Accepted;
        RoundBook storage r = _rounds[study][round];
        r.attested |= _bit(a.seat);
        c.known = true;
        _makeFinal(study, round, a.candidate, _ballots[a.candidate] | _bit(a.seat));
    }

    /// @dev Two thirds of the submitters could have objected for nothing, all the time, or attested to the same.
    function _isHeard(uint256 study, uint256 round, uint256 number) private view returns (bool) {
        RoundBook storage r = _rounds[study][round];
        AttemptBook storage a = _attempts[study][round][number];
        uint256 heard;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (!_has(r.submitted, seat)) continue;
            bool free = !_has(r.objectors, seat)
                && !_wasSuspended(_seats[study][seat].who, a.madeAt, a.madeAt + CLAIM);
            if (free || _has(_ballots[a.candidate], seat)) ++heard;
        }
        return _isTwoThirds(heard, _count(r.submitted));
    }

    // Bonds

    /// @dev When an attempt may be settled, and what its author and its stranger then lose.
    function _settlement(uint256 study, uint256 round, uint256 number)
        private
        view
        returns (bool due, uint256 fromAuthor, uint256 fromObjector)
    {
        AttemptBook storage a = _attempts[study][round][number];
        RoundBook storage r = _rounds[study][round];
        uint256 bond = _studies[study].bond;
        if (a.state == IClaims.AttemptState.Settled) return (false, 0, 0);
        if (a.state == IClaims.AttemptState.Refuted) return (true, bond, 0);
        if (a.era != r.era) return (true, 0, 0);
        if (r.outcome == IFederatedRounds.Outcome.Void) {
            // A last round, of a study in which a proof undid an earlier one, may have been cut short.
            bool timely = r.byTime && !(_studies[study].undoneFrom != 0 && _studies[study].round == round);
            return (true, 0, timely && a.objector != address(0) ? bond : 0);
        }
        if (!_isUnlocked(study, round)) return (false, 0, 0);
        if (r.outcome != IFederatedRounds.Outcome.Final) return (true, 0, 0);
        Aggregate storage mine = _candidates[a.candidate].aggregate;
        Aggregate storage result = _candidates[r.result - 1].aggregate;
        if (SeatSet.unwrap(mine.included) != SeatSet.unwrap(result.included)) return (true, 0, 0);
        if (mine.root != result.root) return (true, bond, 0);
        return (true, 0, a.objector != address(0) ? bond : 0);
    }

    function _settle(uint256 study, uint256 round, uint256 number) internal {
        AttemptBook storage a = _attempts[study][round][number];
        StudyBook storage s = _studies[study];
        (bool due, uint256 fromAuthor, uint256 fromObjector) = _settlement(study, round, number);
        Aggregate memory result;
        if (_hadResult(study, round)) result = _candidates[_rounds[study][round].result - 1].aggregate;
        bytes memory data = abi.encodeCall(
            claims.settle, (_s(study), _r(round), uint16(number), _candidates[a.candidate].aggregate, result)
        );
        if (!_try(STRANGER, address(claims), data, _says(due), "settle")) return;
        uint256 who = _seats[study][a.seat].who;
        if (who == HONEST && s.watched) vm.assertEq(fromAuthor, 0, "INV-11: the honest lose no bond");
        _returnBond(hospital(who), s.token, s.bond, fromAuthor, true);
        if (a.objector != address(0)) _returnBond(a.objector, s.token, s.bond, fromObjector, false);
        bool proved = a.state == IClaims.AttemptState.Refuted;
        _shareOut(s.token, fromAuthor + fromObjector, 0, proved ? a.challenger : address(0));
        a.state = IClaims.AttemptState.Settled;
    }

    function _returnBond(address who, FeeToken token, uint256 bond, uint256 lost, bool delegated) private {
        _purse(who, token).locked -= lost;
        _unlockEntry(who, token, bond - lost, delegated);
    }

    // Absences

    /// @dev Who was surely absent, and who may be taken for it: seats without a stake, and hospitals suspended later in the round.
    function _absent(uint256 study, uint256 round) private view returns (uint64 surely, uint64 maybe) {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][round];
        uint256 closed = _trainingEnd(study, round);
        if (r.ever == 0 || _now < closed || (r.endedAt != 0 && closed > r.endedAt)) return (0, 0);
        bool failed = r.outcome == IFederatedRounds.Outcome.Void && r.byTime && _count(r.submitted) >= s.least
            && !(s.undoneFrom != 0 && s.round == round);
        uint64 heard = r.attested | r.authors | r.objectors | r.lacking;
        for (uint256 seat = 0; seat < s.members; ++seat) {
            uint256 who = _seats[study][seat].who;
            bool silent = !_has(r.acted, seat);
            bool useless = failed && _has(r.submitted & ~heard, seat);
            if (!(silent || useless) || _has(r.recorded, seat)) continue;
            if (_wasSuspended(who, r.openedAt, silent ? closed : r.endedAt)) continue;
            uint256 until = r.endedAt == 0 ? _now : r.endedAt;
            uint256 barredFrom = _seats[study][seat].barredFrom;
            if (silent && barredFrom != 0 && barredFrom < round) continue;
            bool unsure = barredFrom != 0 || _wasSuspended(who, r.openedAt, until);
            if (unsure || r.submitted == 0) maybe |= _bit(seat);
            else surely |= _bit(seat);
        }
    }

    function _record(uint256 study, uint256 round) internal {
        RoundBook storage r = _rounds[study][round];
        (uint64 surely, uint64 maybe) = _absent(study, round);
        Says says = surely == 0 && maybe != 0 ? Says.Either : _says(surely != 0);
        if (_now >= _settlesAt(study)) says = Says.No;
        bytes memory data = abi.encodeCall(claims.recordAbsences, (_s(study), _r(round)));
        if (!_try(STRANGER, address(claims), data, says, "record absences")) return;
        uint64 found = SeatSet.unwrap(claims.absencesRecorded(_s(study), _r(round))) & ~r.recorded;
        vm.assertEq(surely & ~found, 0, "INV-12: one that was absent is not recorded");
        vm.assertEq(found & ~(surely | maybe), 0, "INV-12: one that was there is recorded");
        r.recorded |= found;
        uint256 taken;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (!_has(found, seat)) continue;
            if (++_seats[study][seat].misses == 1 && round != 1) continue;
            taken += _takeStake(study, seat, _studies[study].stake * SLASH_BPS / BPS);
        }
        _shareOut(_studies[study].token, taken, 0, address(0));
    }
}
