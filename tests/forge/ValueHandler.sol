// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IStudies} from "../../contracts/interfaces/IStudies.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {AggregateId} from "../../contracts/types/Aggregate.sol";
import {SeatId} from "../../contracts/types/SeatId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {Checks} from "./Checks.sol";
import {bound, vm} from "./Rig.sol";

/// @dev The moves that a campaign is made of. Each may be many calls, drawn from its seed. The honest hospital does what is its to do
/// before any time passes, and in a watched study somebody proves each lie before its window closes.
contract ValueHandler is Checks {
    constructor() {
        _build();
        for (uint256 i = 0; i < HOSPITALS; ++i) {
            _setAllowance(hospital(i), 0, 3000, hospital(i));
            _deposit(hospital(i), hospital(i), 0, 4000);
        }
        _deposit(STRANGER, STRANGER, 0, 300);
        for (uint256 kind = 0; kind < 2; ++kind) {
            _begin(SPONSOR, kind, kind);
        }
    }

    // Time and the roster

    function wait(uint256 kind) external {
        uint256[5] memory steps = [uint256(1), CLAIM, DISPUTE / 2, DISPUTE, PHASE / 2];
        _pass(kind % 16 == 15 ? LONG : steps[kind % 16 % 5]);
    }

    function roster(uint256 who) external {
        _turn(who % HOSPITALS);
    }

    // The vault

    function deposit(uint256 from, uint256 to, uint256 which, uint256 amount) external {
        _deposit(
            account(from % accountCount()), account(to % accountCount()), which % 2, bound(amount, 1, 2000)
        );
    }

    function withdraw(uint256 owner, uint256 from, uint256 which, uint256 amount) external {
        (address a, address b) = (account(owner % accountCount()), account(from % accountCount()));
        if (from % 3 != 0) b = a;
        Purse storage p = _purse(a, tokens[which % 2]);
        uint256 taken = bound(amount, 1, p.free + 1);
        bytes memory data = abi.encodeCall(vault.withdraw, (a, address(tokens[which % 2]), taken, b));
        if (!_try(b, address(vault), data, _says(a == b && taken <= p.free), "withdraw")) return;
        p.free -= taken;
    }

    function allow(uint256 who, uint256 from, uint256 limit) external {
        (who, from) = (who % HOSPITALS, from % accountCount());
        _setAllowance(hospital(who), 0, bound(limit, 0, 5000), from % 3 == 0 ? account(from) : hospital(who));
    }

    /// @dev What nobody may do, and what a pause stops.
    function intrude(uint256 who, uint256 seed) external {
        address from = account(who % (accountCount() - 1));
        address token = address(tokens[0]);
        bytes memory data = abi.encodeCall(vault.deposit, (token, 1, trusted(seed % 6)));
        _try(from, address(vault), data, Says.No, "a deposit for a contract");
        data = abi.encodeCall(vault.pay, (_s(1), from, 1));
        _try(from, address(vault), data, Says.No, "pay");
        data = abi.encodeCall(vault.lock, (hospital(0), token, 1, false));
        _try(from, address(vault), data, Says.No, "lock");
        data = abi.encodeCall(vault.unlock, (hospital(0), token, 1, false));
        _try(from, address(vault), data, Says.No, "unlock");
        data = abi.encodeCall(rounds.pay, (_s(1), _r(1), _p(0), _resultOf(1, 1)));
        _try(from, address(rounds), data, Says.No, "pay a seat");
        data = abi.encodeCall(rounds.bar, (_s(1), _r(1), SeatSet.wrap(1)));
        _try(from, address(rounds), data, Says.No, "bar");
        data = abi.encodeCall(studies.slashLiars, (_s(1), _r(1), SeatSet.wrap(1), from));
        _try(from, address(studies), data, Says.No, "slash liars");
        data = abi.encodeCall(rounds.refute, (_s(1), _r(1), _resultOf(1, 1)));
        _try(from, address(rounds), data, Says.No, "refute");
        _createRefused(_mix(seed));
        vault.pause();
        data = abi.encodeCall(vault.deposit, (token, 1, from));
        _try(from, address(vault), data, Says.No, "a deposit while paused");
        vault.unpause();
    }

    // Studies

    /// @dev A study with as many hospitals as their balances and allowances let enrol.
    function begin(uint256 kind, uint256 seed) external {
        if (_studies.length > 8) return;
        seed = _mix(seed);
        _begin(seed & 3 == 3 ? THIEF : SPONSOR, kind, seed);
    }

    function createOnly(uint256 kind, uint256 seed) external {
        if (_studies.length <= 8) _create(seed % 2 == 0 ? THIEF : SPONSOR, kind % 3, _mix(seed));
    }

    function enrol(uint256 which, uint256 who, uint256 seed) external {
        _enrol(_pick(which), who % HOSPITALS, _mix(seed));
    }

    function cancel(uint256 which, uint256 from) external {
        uint256 study = _pick(which);
        _cancel(study, from % 4 == 0 ? _studies[study].sponsor : account(from % accountCount()));
    }

    function advance(uint256 which, uint256 from) external {
        _dutiesOfAll();
        uint256 study = _pick(which);
        _advance(study, from % 2 == 0 ? _studies[study].sponsor : STRANGER);
        _dutiesOfAll();
    }

    // Rounds

    function train(uint256 which, uint256 seed) external {
        _train(_pick(which), _mix(seed));
    }

    function decide(uint256 which, uint256 seed) external {
        _decide(_pick(which), _mix(seed));
    }

    /// @dev A round from its opening to a decision.
    function play(uint256 which, uint256 seed) public {
        uint256 study = _pick(which);
        seed = _mix(seed);
        _train(study, seed);
        _toAggregating(study);
        if (seed >> 128 & 3 == 0) _prove(study, _studies[study].round, seed >> 130);
        if (seed >> 128 & 7 == 1) _expose(study);
        if (seed >> 192 & 3 == 0) _contest(study, seed >> 194);
        _decide(study, seed >> 160);
    }

    /// @dev Rounds are what most happens in, so they are played more often than the rest.
    function playAgain(uint256 which, uint256 seed) external {
        play(which, seed);
    }

    /// @dev All but the honest hospital are in league for some rounds; then what they did is proved, in whatever order.
    function conspire(uint256 which, uint256 seed) external {
        uint256 study = _pick(which);
        seed = _mix(seed);
        uint256 first = _studies[study].round;
        for (uint256 i = 0; i < 2; ++i) {
            if (_isOpen(study, _studies[study].round)) _lieTogether(study, seed >> 32 * i);
        }
        uint256 last = _studies[study].round;
        for (uint256 i = first; i <= last && first != 0; ++i) {
            _convict(study, seed >> 64 & 1 == 0 ? i : first + last - i, seed >> 65 + 8 * (i - first));
        }
        _dutiesOfAll();
    }

    function contest(uint256 which, uint256 seed) external {
        uint256 study = _pick(which);
        _toAggregating(study);
        _contest(study, _mix(seed));
    }

    function late(uint256 which, uint256 back, uint256 seed) external {
        uint256 study = _pick(which);
        uint256 round = _pickRound(study, back);
        if (!_hadResult(study, round)) return;
        seed = _mix(seed);
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (seed >> seat & 1 == 1 && !_isHonest(study, seat)) {
                _attest(_rounds[study][round].result - 1, seat, seed >> 8 & 1 == 0);
            }
        }
    }

    function prove(uint256 which, uint256 back, uint256 seed) external {
        uint256 study = _pick(which);
        _prove(study, _pickRound(study, back), _mix(seed));
        _dutiesOfAll();
    }

    function record(uint256 which, uint256 back) external {
        uint256 study = _pick(which);
        uint256 round = _pickRound(study, back);
        if (round != 0) _record(study, round);
    }

    function settle(uint256 which, uint256 back) external {
        uint256 study = _pick(which);
        _settleAll(study, _pickRound(study, back));
    }

    // Pay

    function review(uint256 which, uint256 back, uint256 seed) external {
        uint256 study = _pick(which);
        uint256 round = _pickRound(study, back);
        seed = _mix(seed);
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (seed >> seat & 1 == 1) {
                _commitReview(study, round, seat, uint256(keccak256(abi.encode(seed, seat))));
            }
        }
        if (seed >> 8 & 1 == 0) _pass(DISPUTE / 2);
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (seed >> 16 + seat & 1 == 1) _revealReview(study, round, seat);
        }
        if (seed >> 9 & 1 == 0) _tally(study, round);
    }

    function claim(uint256 which, uint256 seat, uint256 seed) external {
        uint256 study = _pick(which);
        StudyBook storage s = _studies[study];
        if (s.members == 0 || s.round == 0) return;
        seed = _mix(seed);
        uint256[] memory list = new uint256[](1 + seed % 2);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = 1 + (seed / 2 + i) % s.round;
        }
        if (list.length == 2 && list[0] == list[1]) return;
        _claim(study, seat % s.members, list);
    }

    function claimPatient(uint256 which, uint256 back, uint256 seat, uint256 number) external {
        uint256 study = _pick(which);
        if (_studies[study].members == 0) return;
        address from = number % 8 == 7 ? STRANGER : patient(number % 2);
        _claimPatient(study, _pickRound(study, back), seat % _studies[study].members, number % 2, from);
    }

    /// @dev A stake is released, or the sponsor is refunded.
    function leave(uint256 which, uint256 seat) external {
        if (seat % (HOSPITALS + 1) == HOSPITALS) _refund(_pick(which));
        else _release(_pick(which), seat % (HOSPITALS + 1));
    }

    /// @dev Whatever has happened, a study comes to its end, all are paid, and what stays behind is told.
    function finish(uint256 which, uint256 seed) external {
        uint256 study = _pick(which);
        StudyBook storage s = _studies[study];
        seed = _mix(seed);
        for (uint256 i = 0; s.endedAt == 0; ++i) {
            vm.assertLe(i, 20, "INV-14: a study does not come to its end");
            if (s.state == IFederatedRounds.State.Enrolling) {
                _pass(s.deadline > _now ? s.deadline + 1 - _now : 1);
            } else if (seed >> i & 1 == 0) {
                _train(study, seed >> i);
            }
            if (s.state == IFederatedRounds.State.Running) _toVoidable(study);
            if (s.endedAt == 0) _advance(study, STRANGER);
        }
        for (uint256 round = 1; round <= s.round; ++round) {
            if (seed >> 64 + round & 1 == 0) _record(study, round);
        }
        if (_now < _settlesAt(study)) _pass(_settlesAt(study) - _now);
        for (uint256 round = 1; round <= s.round; ++round) {
            _payAll(study, round);
        }
        if (!s.refunded) _refund(study);
        for (uint256 seat = 0; seat < s.members; ++seat) {
            if (!_has(s.released, seat)) _release(study, seat);
        }
        _checkRest(study);
    }

    function sell(uint256 which, uint256 token, uint96 price, uint256 seed) external {
        uint256 study = _pick(which);
        StudyBook storage s = _studies[study];
        (token, price, seed) = (token % 2, uint96(bound(price, 1, 10_000)), _mix(seed));
        for (uint256 round = 1; round <= s.round; ++round) {
            for (uint256 seat = 0; seat < s.members; ++seat) {
                if (seed >> 8 & 31 != 0 || seat != 0) _credit(study, round, seat);
            }
        }
        _register(study);
        _buy(study, token, price, seed);
        for (uint256 seat = 0; seat < s.members; ++seat) {
            _claimFees(study, token, seat);
        }
        if (seed & 1 == 0) _claimSponsorFees(study, token);
        for (uint256 round = 1; round <= s.round; ++round) {
            _claimPatientFees(study, token, round, seed % (s.members + 1) % HOSPITALS, seed >> 4 & 1);
        }
    }

    // Parts of moves

    /// @dev The fuzzer likes small numbers; parts of a seed are to be independent of each other.
    function _mix(uint256 seed) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed)));
    }

    /// @dev The honest hospital is left out of some studies: only there nobody may be present.
    function _begin(address sponsor, uint256 kind, uint256 seed) private {
        uint256 study = _create(sponsor, kind % 3, seed);
        for (uint256 i = 0; i < HOSPITALS; ++i) {
            if (seed >> 20 + 4 * i & 15 != 15) {
                _enrol(study, (i + (seed >> 12 & 1)) % HOSPITALS, seed >> 24 + 8 * i | 2);
            }
            if (_seats[study].length == 3 && seed >> 13 & 1 == 1) break;
        }
        _advance(study, sponsor);
    }

    function _pick(uint256 which) internal view returns (uint256) {
        return 1 + which % (_studies.length - 1);
    }

    /// @dev The newest round or one before; 0 while there is none.
    function _pickRound(uint256 study, uint256 back) internal view returns (uint256) {
        uint256 newest = _studies[study].round;
        return newest == 0 ? 0 : newest - back % newest;
    }

    /// @dev Suspends a hospital, or reinstates it.
    function _turn(uint256 who) private {
        if (_isActive(who)) {
            consortium.suspend(hospital(who));
            _suspensions[who].push([_now, 0]);
        } else {
            consortium.reinstate(hospital(who));
            _suspensions[who][_suspensions[who].length - 1][1] = _now;
        }
        _dutiesOfAll();
    }

    function _isHonest(uint256 study, uint256 seat) internal view returns (bool) {
        return _seats[study][seat].who == HONEST;
    }

    function _train(uint256 study, uint256 seed) internal {
        uint256 round = _studies[study].round;
        bool calm = seed & 1 == 0;
        for (uint256 seat = 0; seat < _studies[study].members && _inTraining(study, round); ++seat) {
            uint256 part = uint256(keccak256(abi.encode(seed, seat)));
            uint256 way = calm ? part % 9 : part % 16;
            if (_isHonest(study, seat)) continue;
            if (way < 10) _submit(study, seat, Flaw.None, part >> 8);
            else if (way < 14) _submit(study, seat, Flaw(way - 9), part >> 8);
            else if (way < 15) _abstain(study, seat, operator(_seats[study][seat].who));
            else if (part >> 8 & 1 == 0) _abstain(study, seat, STRANGER);
        }
        _dutiesOfAll();
    }

    function _toAggregating(uint256 study) internal {
        uint256 round = _studies[study].round;
        if (_inTraining(study, round)) _pass(_trainingEnd(study, round) - _now);
    }

    /// @dev Until surely nothing holds the open round: with every phase used up.
    function _toVoidable(uint256 study) internal {
        uint256 round = _studies[study].round;
        RoundBook storage r = _rounds[study][round];
        _toAggregating(study);
        if (!_isOpen(study, round)) return;
        uint256 until = _trainingEnd(study, round) + PHASE;
        if (until < r.heldUntil + CLAIM) until = r.heldUntil + CLAIM;
        if (_now < until) _pass(until - _now);
    }

    /// @dev Everybody but the honest hospital attests, most to the same, by call, by hash or by signature.
    function _decide(uint256 study, uint256 seed) internal {
        uint256 round = _studies[study].round;
        if (!_inAggregating(study, round)) return;
        uint256 target = _target(study, round, seed);
        if (seed >> 16 & 3 == 0) {
            _decideBySig(study, target, seed >> 18);
        }
        for (uint256 i = 0; i < _studies[study].members; ++i) {
            uint256 seat = (i + (seed >> 24)) % _studies[study].members;
            uint256 part = seed >> 32 + 4 * i & 15;
            if (_isHonest(study, seat) || part == 15) continue;
            uint256 other = part == 14 ? _target(study, round, seed >> 64) : target;
            _attest(other, seat, part & 1 == 0 && _candidates[other].known);
        }
        _dutiesOfAll();
    }

    function _target(uint256 study, uint256 round, uint256 seed) private returns (uint256) {
        RoundBook storage r = _rounds[study][round];
        uint64 included = r.submitted;
        uint256 mode = seed % 10;
        if (mode == 4 || mode == 5) included &= ~_wrongSeats(study, round);
        if (mode == 8) included &= ~_bit((seed >> 8) % _studies[study].members);
        // What is over fewer than two thirds is refused, and seldom worth a try.
        bool enough = _isTwoThirds(_count(included), _count(r.submitted));
        if (!enough && seed >> 12 & 3 != 0) included = r.submitted;
        Flaw flaw = mode == 6 || mode == 7 ? Flaw(1 + (seed >> 8) % 4) : Flaw.None;
        return _candidateIn(study, round, included, flaw, mode == 9 ? 1 : 0);
    }

    function _decideBySig(uint256 study, uint256 target, uint256 seed) private {
        uint256 members = _studies[study].members;
        uint256[] memory seats = new uint256[](members);
        uint256 found;
        for (uint256 seat = 0; seat < members; ++seat) {
            if (!_isHonest(study, seat)) seats[found++] = seat;
        }
        if (found == 0) return;
        // One hands its own in before, so that the batch meets a seat that has attested.
        if (seed & 1 == 0) _attest(target, seats[0], false);
        assembly ("memory-safe") {
            mstore(seats, found)
        }
        if (_rounds[study][_candidates[target].round].endedAt == 0) {
            _attestBySig(target, seats, (seed >> 1) % (found + 2));
        }
    }

    /// @dev One of the league may sacrifice its update; the others attest to what follows from it, or to a lie.
    function _lieTogether(uint256 study, uint256 seed) private {
        uint256 round = _studies[study].round;
        for (uint256 seat = 0; seat < _studies[study].members && _inTraining(study, round); ++seat) {
            bool bad = seed & 3 == seat;
            Flaw flaw = bad ? Flaw(1 + (seed >> 2) % 4) : Flaw.None;
            if (!_isHonest(study, seat)) _submit(study, seat, flaw, _mix(seed ^ seat << 128));
        }
        _toAggregating(study);
        if (!_inAggregating(study, round)) return;
        Flaw lie = seed >> 8 & 3 == 0 ? Flaw.None : Flaw(1 + (seed >> 10) % 4);
        uint256 target = _candidateIn(study, round, _rounds[study][round].submitted, lie, 0);
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (!_isHonest(study, seat)) _attest(target, seat, false);
        }
        _dutiesOfAll();
    }

    /// @dev Proves what is wrong in a round: its updates, its result, or both, one before the other.
    function _convict(uint256 study, uint256 round, uint256 seed) private {
        for (uint256 step = 0; step < 2; ++step) {
            if (seed & 1 == step) {
                for (uint256 seat = 0; seat < _studies[study].members && seed >> 1 & 3 != 0; ++seat) {
                    for (uint256 index = 0; index < _leavesOf(study, round); ++index) {
                        _proveUpdate(study, round, seat, index, _resultOf(study, round));
                    }
                }
            } else if (_hadResult(study, round) && seed >> 3 & 3 != 0) {
                (, uint256 index) = _wrongLeaf(_rounds[study][round].result - 1);
                _proveChunk(_rounds[study][round].result - 1, index);
            }
        }
    }

    /// @dev Strikes each update of an open round that is wrong, so that too few may remain.
    function _expose(uint256 study) private {
        uint256 round = _studies[study].round;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            for (uint256 index = 0; index < _leavesOf(study, round); ++index) {
                bool may = _isOpen(study, round) && _has(_rounds[study][round].submitted, seat);
                if (!may || !_isUpdateWrong(study, round, seat, index)) continue;
                _proveUpdate(study, round, seat, index, _resultOf(study, round));
            }
        }
    }

    /// @dev One claim after another, objected to or not, by whoever the seed names.
    function _contest(uint256 study, uint256 seed) internal {
        uint256 round = _studies[study].round;
        if (!_inAggregating(study, round)) return;
        if (seed & 1 == 1) _pass(PHASE / 2);
        for (uint256 i = 0; i < 3 && _inAggregating(study, round); ++i) {
            uint256 part = uint256(keccak256(abi.encode(seed, i)));
            _claimOnce(study, round, part);
            if (part >> 16 & 3 == 0) _object(study, round, STRANGER, part >> 20 & 7 == 7);
            if (part >> 16 & 3 == 1) _object(study, round, operator(part >> 18 & 3), part >> 20 & 7 == 7);
            if (part >> 24 & 3 == 0) _prove(study, round, part >> 26);
            if (part >> 46 & 7 == 0) {
                _turn(part >> 49 & 3);
                _turn(part >> 51 & 3);
            }
            if (part >> 32 & 1 == 0) _pass(CLAIM);
            if (part >> 33 & 1 == 0) _finalise(study, round);
            if (part >> 34 & 3 == 0) {
                _lack(study, round, (part >> 36) % _studies[study].members, uint64(part >> 40 & 15));
            }
            if (part >> 44 & 3 == 0) _settleAll(study, round);
        }
        for (uint256 who = 0; who < HOSPITALS && seed >> 8 & 1 == 0; ++who) {
            if (!_isActive(who)) _turn(who);
        }
        _dutiesOfAll();
    }

    function _claimOnce(uint256 study, uint256 round, uint256 seed) private {
        uint256 members = _studies[study].members;
        uint256 leader = SeatId.unwrap(claims.leaderOf(_s(study), _r(round)));
        uint256 seat = seed & 1 == 0 && leader < members ? leader : (seed >> 1) % members;
        bool lies = seed >> 4 & 3 == 0 && !_isHonest(study, seat);
        uint64 wrong = _wrongSeats(study, round);
        if (_isHonest(study, seat) && wrong != 0) return;
        Flaw flaw = lies ? Flaw(1 + (seed >> 6) % 4) : Flaw.None;
        uint64 included = _rounds[study][round].submitted;
        _claimByTime(_candidateIn(study, round, included, flaw, seed >> 9 & 1), seat);
    }

    mapping(uint256 study => mapping(uint256 round => uint256[])) private _candidatesIn;

    function _candidateIn(uint256 study, uint256 round, uint64 included, Flaw flaw, uint256 variant)
        private
        returns (uint256 number)
    {
        uint256 before = _candidates.length;
        number = _candidate(study, round, included, flaw, variant);
        if (number == before) _candidatesIn[study][round].push(number);
    }

    /// @dev Proofs against each update and each aggregate of a round. Those that are false are all tried, the true ones as the seed says.
    function _prove(uint256 study, uint256 round, uint256 seed) internal {
        if (round == 0) return;
        AggregateId result = seed & 7 == 0 ? AggregateId.wrap("other") : _resultOf(study, round);
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            uint256 index = seed >> 4 + 4 * seat & 3;
            bool isTrue = _has(_rounds[study][round].ever, seat) && index < _leavesOf(study, round)
                && _isUpdateWrong(study, round, seat, index);
            if (!isTrue || seed >> 7 + 4 * seat & 1 == 1) _proveUpdate(study, round, seat, index, result);
        }
        uint256[] storage list = _candidatesIn[study][round];
        for (uint256 i = 0; i < list.length; ++i) {
            uint256 index = seed >> 32 + 4 * i & 3;
            (bool wrong, uint256 at) = _wrongLeaf(list[i]);
            bool prosecute = seed >> 35 + 4 * i & 1 == 1;
            if (wrong && prosecute) index = at;
            bool isTrue = index < _leavesOf(study, round) && _isAggregateWrong(list[i], index);
            if (!isTrue || prosecute) _proveChunk(list[i], index);
        }
    }

    function _settleAll(uint256 study, uint256 round) internal {
        for (uint256 i = 0; i < _attempts[study][round].length; ++i) {
            _settle(study, round, i);
        }
    }

    function _payAll(uint256 study, uint256 round) private {
        _settleAll(study, round);
        if (_rounds[study][round].revealed != 0 && !_rounds[study][round].tallied) _tally(study, round);
        uint256[] memory one = new uint256[](1);
        one[0] = round;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (!_has(_rounds[study][round].claimed, seat)) _claim(study, seat, one);
            for (uint256 i = 0; i < PATIENTS; ++i) {
                _claimPatient(study, round, seat, i, patient(i));
            }
        }
    }

    /// @dev When everybody has had what was theirs, what is left is what nobody earned, patients' parts and roundings. Of a round's reward
    /// nobody earns what is for updates that are left out or struck, for attestations that are missing, and for seats that are barred or were
    /// kept away.
    function _checkRest(uint256 study) private view {
        StudyBook storage s = _studies[study];
        uint256 most;
        for (uint256 round = 1; round <= s.round; ++round) {
            most += _hadResult(study, round) ? _restOf(study, round) : _restOfKept(study, round);
            for (uint256 seat = 0; seat < s.members; ++seat) {
                vm.assertTrue(
                    _payOf(study, round, seat) == 0 || _has(_rounds[study][round].claimed, seat),
                    "INV-11: one that earned was not paid"
                );
            }
        }
        vm.assertLe(s.pot, most, "INV-15: more stays behind than roundings and what nobody earned");
    }

    function _restOf(uint256 study, uint256 round) private view returns (uint256) {
        (uint256 a, uint256 q, uint256 u) = _pools(study);
        (uint256 count,) = _sharers(study, round);
        uint256 shares;
        uint256 earned;
        uint256 total;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            uint256 score;
            (score, total) = _scoreOf(study, round, seat);
            if (_isBarred(study, round, seat)) continue;
            earned += score;
            if (_has(_sharing(study, round), seat)) ++shares;
        }
        return q + u * (total - earned) / total + a * (count - shares) / count + HOSPITALS + 2;
    }

    function _restOfKept(uint256 study, uint256 round) private view returns (uint256 rest) {
        rest = _rounds[study][round].kept;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (!_isBarred(study, round, seat)) rest -= _compensationOf(study, round, seat);
        }
    }

    // The honest

    function _dutiesOfAll() internal {
        for (uint256 study = 1; study < _studies.length; ++study) {
            _duties(study);
        }
    }

    /// @dev The honest hospital submits what is right, and attests to what follows from all updates that are.
    function _duties(uint256 study) private {
        uint256 round = _studies[study].round;
        (bool enrolled, uint256 seat) = _seatOf(study, HONEST);
        RoundBook storage r = _rounds[study][round];
        if (!enrolled || !_isActive(HONEST) || !_isOpen(study, round)) return;
        if (_inTraining(study, round)) {
            uint256 seed = uint256(keccak256(abi.encode(study, round)));
            if (!_has(r.acted, seat)) _submit(study, seat, Flaw.None, seed);
            return;
        }
        if (!_inAggregating(study, round) || !_has(r.submitted, seat) || _has(r.attested, seat)) return;
        uint64 wrong = _wrongSeats(study, round);
        uint64 right = r.submitted & ~wrong;
        if (_isTwoThirds(_count(right), _count(r.submitted))) {
            _attest(_candidateIn(study, round, right, Flaw.None, 0), seat, false);
        } else if (!_has(r.lacking, seat)) {
            _lack(study, round, seat, wrong);
        }
    }

    /// @dev Lies in results that are watched are proved while there is time.
    function _watch(uint256 study, uint256 until) private {
        if (!_studies[study].watched) return;
        for (uint256 round = 1; round <= _studies[study].round; ++round) {
            RoundBook storage r = _rounds[study][round];
            if (r.outcome != IFederatedRounds.Outcome.Final || _isUnlocked(study, round)) continue;
            if (until < _unlocksAt(study, round)) continue;
            (bool wrong, uint256 index) = _wrongLeaf(r.result - 1);
            if (wrong) _proveChunk(r.result - 1, index);
        }
    }

    /// @dev Lets time pass, with a stop wherever the honest hospital has something to do.
    function _pass(uint256 time) internal override {
        uint256 until = _now + time;
        while (true) {
            _dutiesOfAll();
            uint256 next = until;
            for (uint256 study = 1; study < _studies.length; ++study) {
                uint256 round = _studies[study].round;
                if (_inTraining(study, round) && _trainingEnd(study, round) < next) {
                    next = _trainingEnd(study, round);
                }
            }
            for (uint256 study = 1; study < _studies.length; ++study) {
                _watch(study, next);
            }
            _now = next;
            vm.warp(next);
            if (next == until) break;
        }
        _dutiesOfAll();
    }

    // The vault

    function _deposit(address from, address to, uint256 which, uint256 amount) private {
        FeeToken token = tokens[which];
        uint256 before = token.balanceOf(address(vault));
        bytes memory data = abi.encodeCall(vault.deposit, (address(token), amount, to));
        _try(from, address(vault), data, Says.Yes, "deposit");
        _purse(to, token).free += token.balanceOf(address(vault)) - before;
    }

    function _setAllowance(address who, uint256 which, uint256 limit, address from) private {
        bytes memory data = abi.encodeCall(vault.setAllowance, (who, address(tokens[which]), uint128(limit)));
        if (_try(from, address(vault), data, _says(from == who), "allow")) {
            _purse(who, tokens[which]).limit = limit;
        }
    }
}
