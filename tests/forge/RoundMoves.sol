// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IStudies} from "../../contracts/interfaces/IStudies.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {AggregateId} from "../../contracts/types/Aggregate.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {SeatId} from "../../contracts/types/SeatId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {Vector} from "../../contracts/types/Vector.sol";
import {Judge} from "./Judge.sol";
import {vm} from "./Rig.sol";

/// @dev Studies and rounds: create, enrol, submit, abstain, attest, advance, each with what the books say of it and enter.
abstract contract RoundMoves is Judge {
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    // Creating

    function _terms(uint256 kind, uint256 seed) internal view returns (IStudies.StudyTerms memory t) {
        (t.spec, t.token, t.purposes) = ("spec", address(tokens[0]), 2);
        t.rewardPerRound = uint96(500 + seed % 1000);
        t.stake = uint96(90 + seed % 30);
        t.rule = kind == 2 ? medianRule : sumRule;
        t.enrolDeadline = uint32(_now + PHASE);
        (t.minHospitals, t.maxHospitals) = (kind == 1 ? 3 : 2, uint8(HOSPITALS));
        (t.rounds, t.maxVoids) = (uint16(2 + seed % 3), uint8(1 + seed % 2));
        (t.cohortStep, t.maxWeight) = (uint16(STEP), MOST);
        (t.trainingSeconds, t.aggregatingSeconds) = (PHASE, PHASE);
        (t.disputeSeconds, t.claimSeconds) = (DISPUTE, CLAIM);
        (t.attesterBps, t.patientBps) = (uint16(kind * 1200), kind == 1 ? 0 : 2345);
        (t.maxAttempts, t.bond) = (3, uint96(30 + seed % 15));
        t.scoreMode = kind == 0
            ? IStudies.ScoreMode.Weight
            : kind == 1 ? IStudies.ScoreMode.Reviewed : IStudies.ScoreMode.Equal;
        t.sponsorFeeBps = uint16(seed % 2 == 0 ? 2000 : 9000);
        t.training = _vectors(kind, false);
        if (kind == 1) t.statistics = _vectors(kind, true);
    }

    function _create(address sponsor, uint256 kind, uint256 seed) internal returns (uint256 study) {
        IStudies.StudyTerms memory t = _terms(kind, seed);
        _try(sponsor, address(studies), abi.encodeCall(studies.create, (t)), Says.Yes, "create");
        study = _studies.length;
        _studies.push();
        StudyBook storage s = _studies[study];
        (s.kind, s.sponsor, s.token, s.mode) = (kind, sponsor, tokens[0], t.scoreMode);
        (s.reward, s.stake, s.bond) = (t.rewardPerRound, t.stake, t.bond);
        (s.least, s.seats, s.count) = (t.minHospitals, t.maxHospitals, t.rounds);
        (s.maxVoids, s.maxAttempts, s.deadline) = (t.maxVoids, t.maxAttempts, t.enrolDeadline);
        (s.attesterBps, s.patientBps, s.sponsorFeeBps) = (t.attesterBps, t.patientBps, t.sponsorFeeBps);
        s.state = IFederatedRounds.State.Enrolling;
        s.watched = seed >> 8 & 1 == 0;
        (s.pot, s.funded) = (s.reward * s.count, s.reward * s.count);
    }

    /// @dev Terms under which money could be locked without an end, or shared out twice.
    function _createRefused(uint256 seed) internal {
        IStudies.StudyTerms memory t = _terms(seed % 3, seed);
        uint256 which = (seed >> 8) % 9;
        if (which == 0) {
            (t.rounds, t.maxVoids, t.rewardPerRound, t.maxAttempts) = (type(uint16).max, 1, 1, 0);
            (t.trainingSeconds, t.aggregatingSeconds, t.claimSeconds) = (10, 10, 10);
            t.minHospitals = t.maxHospitals;
        }
        if (which == 1) t.token = address(tokens[1]); // rewards would not arrive in full
        if (which == 2) t.attesterBps = 8000;
        if (which == 2) t.patientBps = 2001;
        if (which == 3) (t.maxVoids, t.trainingSeconds, t.aggregatingSeconds) = (200, 60 days, 60 days);
        if (which == 4) t.maxHospitals = 65;
        if (which == 5) t.bond = 0;
        if (which == 6) (t.claimSeconds, t.maxVoids, t.maxAttempts) = (90 days, 30, 4);
        if (which == 7) t.trainingSeconds = 90 days + 1;
        if (which == 8) t.disputeSeconds = 90 days + 1;
        _try(SPONSOR, address(studies), abi.encodeCall(studies.create, (t)), Says.No, "create on such terms");
    }

    // Enrolling

    function _enrol(uint256 study, uint256 who, uint256 seed) internal {
        StudyBook storage s = _studies[study];
        Purse storage p = _purse(hospital(who), s.token);
        (bool enrolled,) = _seatOf(study, who);
        bool may = s.state == IFederatedRounds.State.Enrolling && _now < s.deadline && !enrolled
            && _isActive(who) && s.members < s.seats && p.free >= s.stake && p.used + s.stake <= p.limit;
        bytes32 spec = seed % 8 == 0 ? bytes32("other") : bytes32("spec");
        uint96 largest = uint96(seed % 8 == 1 ? s.stake - 1 : s.stake);
        Says says = _says(may && seed % 8 > 1);
        if (_now == s.deadline) says = Says.Either;
        bytes memory data =
            abi.encodeCall(rounds.enrol, (_s(study), DatasetId.wrap(uint32(who + 1)), spec, largest, 0));
        if (!_try(operator(who), address(rounds), data, says, "enrol")) return;
        _seats[study].push(SeatBook(who, 0, 0, 0));
        ++s.members;
        _lockEntry(hospital(who), s.token, s.stake, true);
    }

    function _seatOf(uint256 study, uint256 who) internal view returns (bool enrolled, uint256 seat) {
        for (; seat < _seats[study].length; ++seat) {
            if (_seats[study][seat].who == who) return (true, seat);
        }
    }

    function _cancel(uint256 study, address from) internal {
        StudyBook storage s = _studies[study];
        bool may = from == s.sponsor && s.state == IFederatedRounds.State.Enrolling;
        bytes memory data = abi.encodeCall(rounds.cancel, (_s(study)));
        if (_try(from, address(rounds), data, _says(may), "cancel")) {
            _end(study, IFederatedRounds.State.Aborted);
        }
    }

    // Training

    function _submit(uint256 study, uint256 seat, Flaw flaw, uint256 seed) internal {
        uint256 round = _studies[study].round;
        RoundBook storage r = _rounds[study][round];
        uint256 who = _seats[study][seat].who;
        Work memory work = _makeUpdate(study, round, seat, flaw, seed);
        bool may = _inTraining(study, round) && _isActive(who) && !_has(r.acted, seat)
            && _seats[study][seat].barredFrom == 0;
        bytes memory data = abi.encodeCall(rounds.submitUpdate, (_s(study), _r(round), _p(seat), work.update));
        if (!_try(operator(who), address(rounds), data, _says(may), "submit")) return;
        _works[study][round][seat] = work;
        r.ever |= _bit(seat);
        r.submitted |= _bit(seat);
        r.weight += work.update.weight;
        _actEntry(study, round, seat);
    }

    function _abstain(uint256 study, uint256 seat, address from) internal {
        uint256 round = _studies[study].round;
        uint256 who = _seats[study][seat].who;
        bool mayAnyone = !_isActive(who) || _seats[study][seat].barredFrom != 0;
        bool may = _inTraining(study, round) && !_has(_rounds[study][round].acted, seat)
            && (mayAnyone || from == operator(who));
        bytes memory data = abi.encodeCall(rounds.abstain, (_s(study), _r(round), _p(seat)));
        if (!_try(from, address(rounds), data, _says(may), "abstain")) return;
        if (_isActive(who)) _rounds[study][round].declined |= _bit(seat);
        _actEntry(study, round, seat);
    }

    function _actEntry(uint256 study, uint256 round, uint256 seat) private {
        RoundBook storage r = _rounds[study][round];
        r.acted |= _bit(seat);
        if (_count(r.acted) == _studies[study].members) r.closedAt = _now;
    }

    // Attesting

    function _attestSays(uint256 candidate, uint256 seat) internal view returns (Says) {
        Candidate storage c = _candidates[candidate];
        RoundBook storage r = _rounds[c.study][c.round];
        uint64 included = SeatSet.unwrap(c.aggregate.included);
        if (!_isActive(_seats[c.study][seat].who) || !_has(r.submitted, seat)) return Says.No;
        if (_has(r.attested, seat)) return Says.No;
        if (_isOpen(c.study, c.round)) {
            if (!_inAggregating(c.study, c.round) || included & ~r.submitted != 0) return Says.No;
            if (c.aggregate.weight != _weightOf(c.study, c.round, included)) return Says.No;
            return _says(_isTwoThirds(_count(included), _count(r.submitted)));
        }
        if (r.outcome != IFederatedRounds.Outcome.Final || r.result != candidate + 1) return Says.No;
        if (_now >= r.endedAt + DISPUTE / 2) return Says.No;
        bool odd = _has(r.struck, seat) || _isBarred(c.study, c.round, seat)
            || _studies[c.study].state == IFederatedRounds.State.Aborted;
        return odd ? Says.Either : Says.Yes;
    }

    function _attest(uint256 candidate, uint256 seat, bool byHash) internal {
        Candidate storage c = _candidates[candidate];
        uint64 leftOut = _rounds[c.study][c.round].submitted & ~SeatSet.unwrap(c.aggregate.included);
        bytes memory data = byHash
            ? abi.encodeCall(rounds.attestHash, (_s(c.study), _r(c.round), _p(seat), c.id))
            : abi.encodeCall(
                rounds.attest,
                (_s(c.study), _r(c.round), _p(seat), c.aggregate, _updatesOf(c.study, c.round, leftOut))
            );
        Says says = _attestSays(candidate, seat);
        if (byHash && !c.known) says = Says.No;
        address from = operator(_seats[c.study][seat].who);
        if (!_try(from, address(rounds), data, says, "attest")) return;
        _attestEntry(candidate, seat);
    }

    /// @dev A batch with seats that may not attest, and one signature that is of nobody. It counts whatever counts.
    function _attestBySig(uint256 candidate, uint256[] memory seats, uint256 spoilt) internal {
        Candidate storage c = _candidates[candidate];
        SeatId[] memory list = new SeatId[](seats.length);
        bytes32[2][] memory signatures = new bytes32[2][](seats.length);
        Says says = Says.No;
        for (uint256 i = 0; i < seats.length; ++i) {
            list[i] = _p(seats[i]);
            uint256 key = OPERATOR_KEY + _seats[c.study][seats[i]].who;
            signatures[i] = _sign(i == spoilt ? 1 : key, c);
            Says one = i == spoilt ? Says.No : _attestSays(candidate, seats[i]);
            if (one == Says.Yes || says == Says.No) says = one;
        }
        uint64 leftOut = _rounds[c.study][c.round].submitted & ~SeatSet.unwrap(c.aggregate.included);
        bytes memory data = abi.encodeCall(
            rounds.attestBySig,
            (_s(c.study), _r(c.round), c.aggregate, _updatesOf(c.study, c.round, leftOut), list, signatures)
        );
        if (!_try(CHALLENGER, address(rounds), data, says, "attestBySig")) return;
        for (uint256 i = 0; i < seats.length; ++i) {
            if (i == spoilt || _attestSays(candidate, seats[i]) != Says.Yes) continue;
            _attestEntry(candidate, seats[i]);
        }
    }

    function _sign(uint256 key, Candidate storage c) private view returns (bytes32[2] memory) {
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN, keccak256("MedFed FederatedRounds"), keccak256("1"), block.chainid, address(rounds)
            )
        );
        bytes32 kind = keccak256("Attestation(uint64 study,uint16 round,bytes32 aggregateHash)");
        bytes32 message = keccak256(abi.encode(kind, c.study, c.round, c.id));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, message)));
        return [r, bytes32(uint256(s) | (v == 28 ? 1 << 255 : 0))];
    }

    function _attestEntry(uint256 candidate, uint256 seat) private {
        Candidate storage c = _candidates[candidate];
        RoundBook storage r = _rounds[c.study][c.round];
        r.attested |= _bit(seat);
        c.known = true;
        if (r.endedAt != 0) {
            r.attesters |= _bit(seat);
            return;
        }
        _ballots[candidate] |= _bit(seat);
        uint64 attesters = _ballots[candidate];
        if (!_isTwoThirds(_count(attesters & r.submitted), _count(r.submitted))) return;
        _makeFinal(c.study, c.round, candidate, attesters);
    }

    // What time allows

    function _advanceSays(uint256 study, address from) private view returns (Says) {
        StudyBook storage s = _studies[study];
        if (s.state == IFederatedRounds.State.Enrolling) {
            if (_now == s.deadline) return Says.Either;
            bool ready = s.members == s.seats || (from == s.sponsor && s.members >= s.least);
            return _says(ready || _now > s.deadline);
        }
        if (s.state != IFederatedRounds.State.Running) return Says.No;
        RoundBook storage r = _rounds[study][s.round];
        uint256 closed = _trainingEnd(study, s.round);
        if (_count(r.submitted) < s.least) return _says(_now >= closed);
        if (_now < closed + PHASE || _now < r.heldUntil) return Says.No;
        // Each attempt holds a round for at most twice the window, and nothing else holds it longer than what came last.
        return _now >= r.heldUntil + CLAIM ? Says.Yes : Says.Either;
    }

    function _advance(uint256 study, address from) internal {
        StudyBook storage s = _studies[study];
        bytes memory data = abi.encodeCall(rounds.advance, (_s(study)));
        if (!_try(from, address(rounds), data, _advanceSays(study, from), "advance")) return;
        if (s.state == IFederatedRounds.State.Running) {
            _makeVoid(study, true);
        } else if (s.members >= s.least) {
            s.state = IFederatedRounds.State.Running;
            _openRound(study);
        } else {
            _end(study, IFederatedRounds.State.Aborted);
        }
    }
}
