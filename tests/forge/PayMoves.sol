// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IModelMarket} from "../../contracts/interfaces/IModelMarket.sol";
import {IPayouts} from "../../contracts/interfaces/IPayouts.sol";
import {IStudies} from "../../contracts/interfaces/IStudies.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {AggregateId} from "../../contracts/types/Aggregate.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {SeatId} from "../../contracts/types/SeatId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Update} from "../../contracts/types/Update.sol";
import {ProofMoves} from "./ProofMoves.sol";
import {vm} from "./Rig.sol";

/// @dev Pay, reviews, what is left of a study, and licences of its model.
abstract contract PayMoves is ProofMoves {
    struct Sale {
        bool registered;
        uint256 total; // of all shares
        mapping(uint256 seat => uint256) shares;
        mapping(FeeToken token => uint256) income;
        mapping(FeeToken token => uint256) paid;
        mapping(FeeToken token => mapping(uint256 seat => uint256)) seatPaid;
        mapping(FeeToken token => uint256) sponsorPaid;
        mapping(FeeToken token => uint256) patientsPaid;
    }

    mapping(uint256 study => Sale) internal _sales;
    mapping(bytes32 leaf => bool) internal _leafPaid;
    mapping(uint256 study => mapping(uint256 round => uint64)) internal _credited;
    mapping(uint256 study => mapping(uint256 round => mapping(uint256 seat => int16[]))) internal _reviews;

    // Hospitals

    function _claimRoundSays(uint256 study, uint256 round, uint256 seat) private view returns (Says) {
        RoundBook storage r = _rounds[study][round];
        bool over = _isUnlocked(study, round) && !_has(r.claimed, seat) && !_isBarred(study, round, seat);
        if (!over || (r.revealed != 0 && !r.tallied && _hadResult(study, round))) return Says.No;
        if (!_has(r.ever, seat)) return Says.No;
        return _says(_payOf(study, round, seat) != 0);
    }

    /// @dev Claims several rounds at once: all are paid, or none.
    function _claim(uint256 study, uint256 seat, uint256[] memory list) internal {
        IPayouts.Earned[] memory earned = new IPayouts.Earned[](list.length);
        Says says = Says.Yes;
        uint256 expected;
        for (uint256 i = 0; i < list.length; ++i) {
            earned[i].round = _r(list[i]);
            if (_hadResult(study, list[i])) {
                earned[i].aggregate = _candidates[_rounds[study][list[i]].result - 1].aggregate;
            }
            earned[i].update = _works[study][list[i]][seat].update;
            Says one = _claimRoundSays(study, list[i], seat);
            if (one == Says.No) says = Says.No;
            else if (one == Says.Either && says != Says.No) says = Says.Either;
            expected += _payOf(study, list[i], seat);
        }
        address owner = hospital(_seats[study][seat].who);
        uint256 before = _freeOf(owner, _studies[study].token);
        bytes memory data = abi.encodeCall(payouts.claim, (_s(study), _p(seat), earned));
        if (!_try(STRANGER, address(payouts), data, says, "claim")) return;
        uint256 paid = _freeOf(owner, _studies[study].token) - before;
        vm.assertGe(paid, expected, "INV-7: a seat is paid too little");
        vm.assertLe(paid, expected, "INV-7: a seat is paid too much");
        for (uint256 i = 0; i < list.length; ++i) {
            _claimEntry(study, list[i], seat, _payOf(study, list[i], seat));
        }
        _purse(owner, _studies[study].token).free += paid;
    }

    function _claimEntry(uint256 study, uint256 round, uint256 seat, uint256 paid) private {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][round];
        r.claimed |= _bit(seat);
        r.paid += paid;
        s.pot -= paid;
        if (_hadResult(study, round)) s.paid += paid;
        else s.keptPaid += paid;
    }

    function _freeOf(address who, FeeToken token) internal view returns (uint256) {
        return vault.balanceOf(who, address(token)).free;
    }

    // Patients

    function _patientLeaf(uint256 study, uint256 round, uint256 seat, uint256 number)
        private
        view
        returns (IPayouts.PatientLeaf memory leaf)
    {
        uint256 count = _leafCount(round, seat, _works[study][round][seat].update.weight);
        leaf.dataset = DatasetId.wrap(uint32(_seats[study][seat].who + 1));
        (leaf.salt, leaf.index, leaf.count) = ("salt", uint32(number), uint32(count));
        leaf.proof = _leafProof(study, round, seat, number, count);
    }

    function _claimPatient(uint256 study, uint256 round, uint256 seat, uint256 number, address from)
        internal
    {
        if (!_hadResult(study, round)) return;
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][round];
        Candidate storage c = _candidates[r.result - 1];
        Update memory update = _works[study][round][seat].update;
        (, uint256 q,) = _pools(study);
        (, uint256 whole) = _sharers(study, round);
        uint256 amount = q * update.weight / (_leafCount(round, seat, update.weight) * whole);
        bool inCohort =
            _has(SeatSet.unwrap(c.aggregate.included) & ~r.struck, seat) && from == patient(number);
        bytes32 leaf = _leafOf(study, round, seat, number);
        bool may = inCohort && _isUnlocked(study, round) && !_leafPaid[leaf];
        bytes memory data = abi.encodeCall(
            payouts.claimPatient,
            (_s(study), _r(round), _p(seat), c.aggregate, update, _patientLeaf(study, round, seat, number))
        );
        Says says = _says(may && amount != 0);
        if (!_try(from, address(payouts), data, says, "a patient's claim")) return;
        _leafPaid[leaf] = true;
        _purse(from, s.token).free += amount;
        s.pot -= amount;
        s.paid += amount;
        r.paid += amount;
    }

    // Reviews

    function _commitReview(uint256 study, uint256 round, uint256 seat, uint256 seed) internal {
        RoundBook storage r = _rounds[study][round];
        uint256 who = _seats[study][seat].who;
        bool may = _studies[study].mode == IStudies.ScoreMode.Reviewed && _hadResult(study, round)
            && _has(r.submitted & ~r.committed, seat) && _now < r.endedAt + DISPUTE / 2;
        bool odd = r.outcome != IFederatedRounds.Outcome.Final || _has(r.struck, seat)
            || _seats[study][seat].barredFrom != 0;
        int16[] memory scores = _scoresFor(study, round, seed);
        bytes32 hash = keccak256(abi.encode(study, round, seat, hospital(who), scores, bytes32("salt")));
        bytes memory data = abi.encodeCall(
            payouts.commitReview, (_s(study), _r(round), _p(seat), _resultOf(study, round), hash)
        );
        Says says = may && odd ? Says.Either : _says(may);
        if (!_try(operator(who), address(payouts), data, says, "commit to a review")) return;
        r.committed |= _bit(seat);
        _reviews[study][round][seat] = scores;
    }

    function _scoresFor(uint256 study, uint256 round, uint256 seed)
        private
        view
        returns (int16[] memory list)
    {
        list = new int16[](_count(_rounds[study][round].submitted));
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = int16(int256(seed >> 16 * i & 255)) - 60;
        }
    }

    function _revealReview(uint256 study, uint256 round, uint256 seat) internal {
        RoundBook storage r = _rounds[study][round];
        uint256 who = _seats[study][seat].who;
        bool may = _has(r.committed & ~r.revealed, seat) && _now >= r.endedAt + DISPUTE / 2
            && !_isUnlocked(study, round);
        bool odd = r.outcome != IFederatedRounds.Outcome.Final || _has(r.struck, seat)
            || _seats[study][seat].barredFrom != 0;
        bytes memory data = abi.encodeCall(
            payouts.revealReview,
            (
                _s(study),
                _r(round),
                _p(seat),
                _resultOf(study, round),
                _reviews[study][round][seat],
                bytes32("salt")
            )
        );
        Says says = may && odd ? Says.Either : _says(may);
        if (_try(operator(who), address(payouts), data, says, "reveal a review")) r.revealed |= _bit(seat);
    }

    function _tally(uint256 study, uint256 round) internal {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][round];
        bool may = s.mode == IStudies.ScoreMode.Reviewed && _hadResult(study, round)
            && _isUnlocked(study, round) && !r.tallied;
        bytes memory data = abi.encodeCall(payouts.tally, (_s(study), _r(round), _resultOf(study, round)));
        Says says = may && r.revealed == 0 ? Says.Either : _says(may);
        if (!_try(STRANGER, address(payouts), data, says, "tally")) return;
        r.tallied = true;
        uint64 included = SeatSet.unwrap(_candidates[r.result - 1].aggregate.included);
        uint256[4] memory scores;
        uint256 total;
        uint256 position;
        for (uint256 seat = 0; seat < s.members; ++seat) {
            if (!_has(r.submitted, seat)) continue;
            if (_has(included & ~r.struck, seat)) scores[seat] = _medianScore(study, round, seat, position);
            total += scores[seat];
            ++position;
        }
        r.enough = 2 * _count(r.revealed) >= _count(r.submitted);
        if (r.enough && total != 0) (r.counted, r.total, r.scores) = (true, total, scores);
    }

    /// @dev The median of what the others gave, at least nothing; of an even number the mean of the two in the middle, rounded down.
    function _medianScore(uint256 study, uint256 round, uint256 seat, uint256 position)
        private
        view
        returns (uint256)
    {
        int256[] memory given = new int256[](HOSPITALS);
        uint256 found;
        for (uint256 by = 0; by < _studies[study].members; ++by) {
            if (by == seat || !_has(_rounds[study][round].revealed, by)) continue;
            int256 score = _reviews[study][round][by][position];
            uint256 at = found++;
            for (; at > 0 && given[at - 1] > score; --at) {
                given[at] = given[at - 1];
            }
            given[at] = score;
        }
        if (found == 0) return 0;
        int256 both = given[(found - 1) / 2] + given[found / 2];
        return both <= 0 ? 0 : uint256(both) / 2;
    }

    // What is left of a study

    function _release(uint256 study, uint256 seat) internal {
        StudyBook storage s = _studies[study];
        bool may = _now >= _settlesAt(study) && !_has(s.released, seat) && seat < s.members;
        bytes memory data = abi.encodeCall(studies.release, (_s(study), _p(seat)));
        if (!_try(STRANGER, address(studies), data, _says(may), "release")) return;
        s.released |= _bit(seat);
        SeatBook storage p = _seats[study][seat];
        _unlockEntry(hospital(p.who), s.token, s.stake - p.taken, true);
    }

    function _refund(uint256 study) internal {
        StudyBook storage s = _studies[study];
        uint256 amount = s.reward * (s.count - s.finals);
        bool may = _now >= _settlesAt(study) && !s.refunded;
        Says says = may && amount == 0 ? Says.Either : _says(may);
        if (!_try(STRANGER, address(studies), abi.encodeCall(studies.refund, (_s(study))), says, "refund")) {
            return;
        }
        s.refunded = true;
        _sponsorEntry(study, amount);
    }

    function _sponsorEntry(uint256 study, uint256 amount) private {
        StudyBook storage s = _studies[study];
        s.pot -= amount;
        s.sponsorHad += amount;
        _purse(s.sponsor, s.token).free += amount;
    }

    // Licences

    function _credit(uint256 study, uint256 round, uint256 seat) internal {
        if (!_hadResult(study, round)) return;
        (uint256 score, uint256 total) = _scoreOf(study, round, seat);
        Says says = _saysToCredit(study, round, seat, score);
        SeatId[] memory seats = new SeatId[](1);
        Update[] memory updates = new Update[](1);
        (seats[0], updates[0]) = (_p(seat), _works[study][round][seat].update);
        Candidate storage c = _candidates[_rounds[study][round].result - 1];
        bytes memory data = abi.encodeCall(market.credit, (_s(study), _r(round), c.aggregate, seats, updates));
        if (!_try(STRANGER, address(market), data, says, "credit")) return;
        _credited[study][round] |= _bit(seat);
        if (total != 0) _sales[study].shares[seat] += 1e18 * score / total;
    }

    function _saysToCredit(uint256 study, uint256 round, uint256 seat, uint256 score)
        private
        view
        returns (Says)
    {
        RoundBook storage r = _rounds[study][round];
        bool known = _studies[study].mode != IStudies.ScoreMode.Reviewed || r.tallied || r.revealed == 0;
        bool may = _isUnlocked(study, round) && known && !_isBarred(study, round, seat)
            && !_has(_credited[study][round], seat);
        uint64 included = SeatSet.unwrap(_candidates[r.result - 1].aggregate.included) & ~r.struck;
        // A score of nothing may be entered or not, and so may what leads to no model.
        bool idle = (score == 0 && _has(included, seat)) || r.outcome != IFederatedRounds.Outcome.Final;
        return may && idle ? Says.Either : _says(may && score != 0);
    }

    /// @dev Credits nobody: a round whose last seat was barred after the others were credited is complete then.
    function _creditNone(uint256 study, uint256 round) private {
        Candidate storage c = _candidates[_rounds[study][round].result - 1];
        bytes memory data = abi.encodeCall(
            market.credit, (_s(study), _r(round), c.aggregate, new SeatId[](0), new Update[](0))
        );
        _try(STRANGER, address(market), data, Says.Either, "credit nobody");
    }

    /// @dev Registers a model when all that earned are credited, and sets terms in one of the tokens.
    function _register(uint256 study) internal {
        StudyBook storage s = _studies[study];
        if (s.finals == 0 || _sales[study].registered) return;
        uint256 last;
        bool all = true;
        for (uint256 round = 1; round <= s.round; ++round) {
            if (!_hadResult(study, round)) continue;
            last = round;
            _creditNone(study, round);
            for (uint256 seat = 0; seat < s.members; ++seat) {
                (uint256 score,) = _scoreOf(study, round, seat);
                bool earns = score != 0 && !_isBarred(study, round, seat);
                if (earns && !_has(_credited[study][round], seat)) all = false;
            }
        }
        bool may = s.state == IFederatedRounds.State.Completed && _now >= _settlesAt(study) && all;
        bytes memory data = abi.encodeCall(
            market.register, (_s(study), _candidates[_rounds[study][last].result - 1].aggregate)
        );
        Says says = may && s.mode == IStudies.ScoreMode.Reviewed ? Says.Either : _says(may);
        if (!_try(STRANGER, address(market), data, says, "register")) return;
        _sales[study].registered = true;
        _sales[study].total = 1e18 * s.finals;
    }

    function _pass(uint256 time) internal virtual;

    function _buy(uint256 study, uint256 which, uint96 price, uint256 seed) internal {
        if (!_sales[study].registered) return;
        FeeToken token = tokens[which];
        IModelMarket.Terms memory t = IModelMarket.Terms(address(token), price, 0, false, "text");
        bytes memory data = abi.encodeCall(market.setTerms, (_s(study), t));
        address seller = seed % 4 == 0 ? BUYER : _studies[study].sponsor;
        Says says = _says(seller != BUYER);
        if (!_try(seller, address(market), data, says, "set terms")) return;
        // Terms begin after their notice.
        _pass(3 days);
        uint32 version = market.getModel(_s(study)).versions;
        data = abi.encodeCall(market.buy, (_s(study), version, price, BUYER));
        uint256 before = token.balanceOf(address(vault));
        if (!_try(BUYER, address(market), data, Says.Yes, "buy")) return;
        uint256 came = token.balanceOf(address(vault)) - before;
        fees[token] += came;
        _sales[study].income[token] += came;
    }

    /// @dev What the fees of a model are for: hospitals, sponsor, patients.
    function _feeParts(uint256 study, FeeToken token)
        private
        view
        returns (uint256 seats, uint256 sponsor, uint256 patients)
    {
        StudyBook storage s = _studies[study];
        uint256 income = _sales[study].income[token];
        uint256 f = s.sponsorFeeBps < BPS - s.patientBps ? s.sponsorFeeBps : BPS - s.patientBps;
        sponsor = income * f / BPS;
        patients = income * s.patientBps / BPS;
        seats = income * (BPS - f - s.patientBps) / BPS;
    }

    function _claimFees(uint256 study, uint256 which, uint256 seat) internal {
        Sale storage sale = _sales[study];
        FeeToken token = tokens[which];
        (uint256 pool,,) = _feeParts(study, token);
        uint256 due = sale.total == 0 ? 0 : pool * sale.shares[seat] / sale.total;
        due -= due < sale.seatPaid[token][seat] ? due : sale.seatPaid[token][seat];
        bytes memory data = abi.encodeCall(market.claimFees, (_s(study), _p(seat), address(token)));
        Says says = due == 0 ? Says.Either : Says.Yes;
        sale.seatPaid[
            token
        ][seat] += _feesPaid(study, token, hospital(_seats[study][seat].who), STRANGER, data, says, due);
    }

    function _claimSponsorFees(uint256 study, uint256 which) internal {
        FeeToken token = tokens[which];
        (, uint256 due,) = _feeParts(study, token);
        due -= _sales[study].sponsorPaid[token];
        bytes memory data = abi.encodeCall(market.claimSponsorFees, (_s(study), address(token)));
        Says says = due == 0 ? Says.Either : Says.Yes;
        _sales[study].sponsorPaid[
            token
        ] += _feesPaid(study, token, _studies[study].sponsor, STRANGER, data, says, due);
    }

    /// @dev Of patients' fees it is told only that all together are no more than their part.
    function _claimPatientFees(uint256 study, uint256 which, uint256 round, uint256 seat, uint256 number)
        internal
    {
        if (!_sales[study].registered || !_hadResult(study, round)) return;
        if (_works[study][round][seat].update.cohortRoot == 0) return; // no cohort, no leaf
        bytes memory data = _asksPatientFees(study, which, round, seat, number);
        FeeToken token = tokens[which];
        (,, uint256 part) = _feeParts(study, token);
        uint256 before = _freeOf(patient(number), token);
        if (!_try(patient(number), address(market), data, Says.Either, "patients' fees")) return;
        uint256 paid = _freeOf(patient(number), token) - before;
        _feesEntry(study, token, patient(number), paid);
        _sales[study].patientsPaid[token] += paid;
        vm.assertLe(
            _sales[study].patientsPaid[token], part, "INV-13: patients have more of the fees than their part"
        );
    }

    function _asksPatientFees(uint256 study, uint256 which, uint256 round, uint256 seat, uint256 number)
        private
        view
        returns (bytes memory)
    {
        Candidate storage c = _candidates[_rounds[study][round].result - 1];
        Update memory update = _works[study][round][seat].update;
        IPayouts.PatientLeaf memory leaf = _patientLeaf(study, round, seat, number);
        return abi.encodeCall(
            market.claimPatientFees,
            (_s(study), _r(round), _p(seat), address(tokens[which]), c.aggregate, update, leaf)
        );
    }

    function _feesPaid(
        uint256 study,
        FeeToken token,
        address owner,
        address from,
        bytes memory data,
        Says says,
        uint256 due
    ) private returns (uint256 paid) {
        uint256 before = _freeOf(owner, token);
        if (!_try(from, address(market), data, says, "fees")) return 0;
        paid = _freeOf(owner, token) - before;
        vm.assertLe(paid, due + 1, "INV-13: more fees than are due");
        vm.assertGe(paid + 1, due, "INV-13: fewer fees than are due");
        _feesEntry(study, token, owner, paid);
    }

    function _feesEntry(uint256 study, FeeToken token, address owner, uint256 paid) private {
        fees[token] -= paid;
        _sales[study].paid[token] += paid;
        _purse(owner, token).free += paid;
    }
}
