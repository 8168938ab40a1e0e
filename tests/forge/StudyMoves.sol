// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {Seats} from "../../contracts/libraries/Seats.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {bound, vm} from "./Rig.sol";
import {Vectors} from "./Vectors.sol";
import {World} from "./World.sol";

/// @dev Studies from their posting to their refund, with updates and aggregates that are right or wrong in a known way.
abstract contract StudyMoves is World {
    using Seats for uint64;
    using Vectors for Vectors.Vector;

    /// @dev What is wrong with a vector.
    enum Flaw {
        None,
        Word, // an update's word is too large, or an aggregate's is not the sum
        Header,
        Padding,
        Weight // an aggregate names a wrong one
    }

    /// @dev What a seat submitted in a round.
    struct Work {
        IFederatedRounds.Update update;
        bytes32 words;
        Flaw flaw;
    }

    /// @dev What somebody said the result of a round is.
    struct Result {
        IFederatedRounds.Aggregate aggregate;
        Flaw flaw;
    }

    mapping(bytes32 work => Work) internal _works;
    mapping(bytes32 round => Result) internal _finals;
    mapping(bytes32 work => bool) private _paid;

    function create(uint256 reward, uint256 stake, uint256 bps, uint256 plan) external {
        if (rounds.studyCount() >= STUDIES) return;
        IFederatedRounds.StudyTerms memory terms;
        (terms.spec, terms.token, terms.rule, terms.purposes) = ("spec", address(tokens[0]), rule, 2);
        terms.rewardPerRound = uint96(bound(reward, 0, 5000));
        terms.stake = uint96(bound(stake, 0, 500));
        terms.enrolDeadline = uint32(_clock + PHASE);
        (terms.minHospitals, terms.maxHospitals) = (2, uint8(HOSPITALS));
        (terms.rounds, terms.maxVoids) = (uint16(1 + plan % 3), uint8(plan % 2));
        (terms.cohortStep, terms.maxWeight, terms.words, terms.steps) = (1, 90, 2, STEPS);
        (terms.trainingSeconds, terms.aggregatingSeconds) = (PHASE, PHASE);
        (terms.claimSeconds, terms.disputeSeconds) = (CLAIM, DISPUTE);
        (terms.maxAttempts, terms.bond) = (2, BOND);
        terms.scoreMode = IFederatedRounds.ScoreMode((plan / 4) % 3);
        terms.attesterBps = uint16(bps % 2501);
        // Half of the studies give patients nothing, so that nothing but roundings may stay in their pots.
        terms.patientBps = (plan / 16) % 2 == 0 ? 0 : uint16((bps / 7) % 2501);
        terms.sponsorFeeBps = uint16((bps / 11) % 5001);
        vm.prank(SPONSOR);
        uint64 study = StudyId.unwrap(rounds.createStudy(terms));
        _books[study].funded = uint256(terms.rewardPerRound) * terms.rounds;
    }

    function enrol(uint256 which, uint256 who) external {
        (StudyId study, uint256 number) = (_study(which), who % HOSPITALS);
        vm.prank(operator(number));
        try rounds.enrol(study, DatasetId.wrap(uint32(number + 1))) {} catch {}
    }

    function advance(uint256 which, bool bySponsor) external {
        StudyId study = _study(which);
        uint16 round = rounds.getStudy(study).round;
        uint256 heldUntil = disputes.heldUntil(study, round);
        bool enough = rounds.getRound(study, round).submitted.count() >= 2;
        if (bySponsor) vm.prank(SPONSOR);
        try rounds.advance(study) {
            bool isVoid = rounds.getRound(study, round).outcome == IFederatedRounds.Outcome.Void;
            if (isVoid && enough && _clock < heldUntil) ++voidedEarly;
        } catch {}
    }

    function act(uint256 which, uint256 seat, uint256 weight, uint256 flaw) external {
        StudyId study = _study(which);
        uint8 place = uint8(seat % HOSPITALS);
        _act(study, rounds.getStudy(study).round, place, uint32(weight % 92), Flaw(flaw % 4), weight);
    }

    /// @dev Those who can submit do, seldom something wrong; then a quorum that may leave one out, and may lie, ends the round.
    function play(uint256 which, uint256 seed) external {
        StudyId study = _study(which);
        _submitAll(study, seed);
        if (!_aggregating(study)) return;
        Flaw flaw = Flaw((seed >> 96) % 16 < 5 ? (seed >> 96) % 16 : 0);
        uint16 round = rounds.getStudy(study).round;
        Result memory result = _resultOf(study, round, seed, flaw == Flaw.Padding ? Flaw.None : flaw);
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            vm.prank(_operatorOf(study, seat));
            try rounds.attest(study, round, seat, result.aggregate) {
                _keep(study, round, result);
            } catch {}
        }
    }

    function recordAbsences(uint256 which, uint256 round) external {
        StudyId study = _study(which);
        _record(study, _anyRound(study, round));
    }

    function claim(uint256 which, uint256 round, uint256 seat) external {
        StudyId study = _study(which);
        _claim(study, _anyRound(study, round), uint8(seat % HOSPITALS));
    }

    function release(uint256 which, uint256 seat) external {
        try rounds.release(_study(which), uint8(seat % HOSPITALS)) {} catch {}
    }

    function refund(uint256 which) external {
        _refund(_study(which));
    }

    /// @dev Lets a study run out of time, has every absence recorded and everybody take what is theirs, and then tries to take it
    /// again. No refund and no release may be refused, and no claim for want of money.
    function settle(uint256 which) external {
        StudyId study = _study(which);
        Book storage book = _books[StudyId.unwrap(study)];
        if (book.settled) return;
        while (!_ended(study)) {
            _wait(2 * PHASE);
            rounds.advance(study);
        }
        IFederatedRounds.Study memory s = rounds.getStudy(study);
        for (uint16 round = 1; round <= s.round; ++round) {
            _record(study, round);
        }
        _wait(DISPUTE);
        for (uint16 round = 1; round <= s.round; ++round) {
            _settleAttempts(study, round);
            try rewards.tally(study, round, _finalHash(study, round)) {} catch {}
            for (uint8 seat = 0; seat < s.members; ++seat) {
                _claim(study, round, seat);
                _claim(study, round, seat);
            }
        }
        for (uint8 seat = 0; seat < s.members; ++seat) {
            if (DatasetId.unwrap(rounds.getSeat(study, seat).dataset) != 0) rounds.release(study, seat);
        }
        if (!s.refunded) {
            require(_refund(study), "the refund is refused");
            _checkRoundings(study);
        }
        require(!_refund(study), "refunded twice");
        book.settled = true;
    }

    // Parts

    function _settleAttempts(StudyId study, uint16 round) internal virtual;

    function _workOf(StudyId study, uint16 round, uint8 seat) internal pure returns (bytes32) {
        return keccak256(abi.encode(study, round, seat));
    }

    function _roundOf(StudyId study, uint16 round) internal pure returns (bytes32) {
        return keccak256(abi.encode(study, round));
    }

    function _finalHash(StudyId study, uint16 round) internal view returns (bytes32) {
        return rounds.hashAggregate(study, round, _finals[_roundOf(study, round)].aggregate);
    }

    function _keep(StudyId study, uint16 round, Result memory result) internal {
        bytes32 digest = rounds.hashAggregate(study, round, result.aggregate);
        if (rounds.getBallot(study, round, digest).finalAt == 0) return;
        _finals[_roundOf(study, round)] = result;
        if (result.flaw == Flaw.Weight) _books[StudyId.unwrap(study)].lied = true;
    }

    function _aggregating(StudyId study) internal view returns (bool) {
        return rounds.phase(study, rounds.getStudy(study).round) == IFederatedRounds.Phase.Aggregating;
    }

    /// @dev Opens the study if it is not, and ends Training of its round.
    function _submitAll(StudyId study, uint256 seed) internal {
        if (rounds.getStudy(study).state == IFederatedRounds.State.Enrolling) {
            vm.prank(SPONSOR);
            try rounds.advance(study) {} catch {}
        }
        IFederatedRounds.Study memory s = rounds.getStudy(study);
        if (s.state != IFederatedRounds.State.Running) return;
        for (uint8 seat = 0; seat < s.members; ++seat) {
            uint256 own = seed >> (16 * seat);
            Flaw flaw = Flaw((own >> 100) % 16 < 4 ? (own >> 100) % 16 : 0);
            _act(study, s.round, seat, uint32(1 + own % 90), flaw, own);
        }
        if (rounds.phase(study, s.round) == IFederatedRounds.Phase.Training) _wait(PHASE);
    }

    /// @dev Weight 91 abstains, or is refused, as 0 is.
    function _act(StudyId study, uint16 round, uint8 seat, uint32 weight, Flaw flaw, uint256 seed) internal {
        address caller = _operatorOf(study, seat);
        if (weight == 91) {
            vm.prank(caller);
            try rounds.abstain(study, round, seat) {} catch {}
            return;
        }
        Work memory work;
        (work.flaw, work.words) = (flaw, _words(weight, flaw, seed));
        work.update = IFederatedRounds.Update(
            "cid",
            _vectorOf(study, round, seat, work).root(),
            "cohort",
            _cohortRoot(study, round, seat),
            weight
        );
        vm.prank(caller);
        try rounds.submitUpdate(study, round, seat, work.update) {
            _works[_workOf(study, round, seat)] = work;
        } catch {}
    }

    /// @dev Two words of the size that the weight allows, one of them negative, unless the flaw says otherwise.
    function _words(uint32 weight, Flaw flaw, uint256 seed) private pure returns (bytes32) {
        uint256 most = uint256(weight) * STEPS;
        uint256 first = flaw == Flaw.Word ? most + 1 : (seed >> 32) % (most + 1);
        uint256 second = (2 ** 32 - (seed >> 64) % (most + 1)) % 2 ** 32;
        return bytes32(first << 224 | second << 192 | (flaw == Flaw.Padding ? 1 << 160 : 0));
    }

    function _vectorOf(StudyId study, uint16 round, uint8 seat, Work memory work)
        internal
        view
        returns (Vectors.Vector memory)
    {
        address owner = work.flaw == Flaw.Header ? address(0xBAD) : rounds.getSeat(study, seat).hospital;
        return Vectors.make(address(rounds), study, round, owner, work.words);
    }

    /// @dev The vector of the sum of the included updates, with the flaw.
    function _sumOf(StudyId study, uint16 round, uint64 included, Flaw flaw)
        internal
        view
        returns (Vectors.Vector memory)
    {
        bytes32 words = bytes32(flaw == Flaw.Word ? uint256(1) << 192 : 0);
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            if (included.has(seat)) words = Vectors.add(words, _works[_workOf(study, round, seat)].words);
        }
        address owner = flaw == Flaw.Header ? hospital(0) : address(0);
        return Vectors.make(address(rounds), study, round, owner, words);
    }

    /// @dev Over all updates, or in a third of cases all but one.
    function _resultOf(StudyId study, uint16 round, uint256 seed, Flaw flaw)
        internal
        view
        returns (Result memory result)
    {
        IFederatedRounds.Round memory r = rounds.getRound(study, round);
        uint8 omitted = uint8(seed % HOSPITALS);
        uint64 included = seed % 3 == 0 ? r.submitted & ~Seats.bit(omitted) : r.submitted;
        uint32 weight = _weightOf(study, round, included);
        // Only what says that it leaves something out can name a wrong weight, and only one that is too small can be final.
        if (flaw == Flaw.Weight && (included == r.submitted || weight < 2)) flaw = Flaw.None;
        if (flaw == Flaw.Weight) weight = uint32(1 + (seed >> 64) % (weight - 1));
        bytes32 root = _sumOf(study, round, included, flaw).root();
        result = Result(IFederatedRounds.Aggregate("sum", root, "model", included, weight), flaw);
    }

    function _weightOf(StudyId study, uint16 round, uint64 included) private view returns (uint32 weight) {
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            if (included.has(seat)) weight += _works[_workOf(study, round, seat)].update.weight;
        }
    }

    /// @dev Each patient has a leaf of its own in every cohort.
    function _leafOf(StudyId study, uint16 round, uint8 seat, uint256 number)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(study, round, DatasetId.wrap(seat + 1), patient(number), bytes32("salt")));
    }

    function _cohortRoot(StudyId study, uint16 round, uint8 seat) private pure returns (bytes32) {
        (bytes32 a, bytes32 b) = (_leafOf(study, round, seat, 0), _leafOf(study, round, seat, 1));
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function _record(StudyId study, uint16 round) private {
        uint256[] memory was = _owedToAll();
        try disputes.recordAbsences(study, round, _finals[_roundOf(study, round)].aggregate) {
            _enterStakes(study, was);
            _enter(study, was, Way.Hospital, 0);
        } catch {}
    }

    function _claim(StudyId study, uint16 round, uint8 seat) internal {
        uint256[] memory was = _owedToAll();
        bytes32 key = _workOf(study, round, seat);
        IFederatedRounds.Aggregate memory last = _finals[_roundOf(study, round)].aggregate;
        try rounds.claim(study, round, seat, last, _works[key].update) {
            _enter(study, was, Way.Hospital, round);
            if (_paid[key]) ++paidTwice;
            _paid[key] = true;
        } catch (bytes memory reason) {
            if (bytes4(reason) == IStakeVault.PotTooSmall.selector) ++unpayable;
        }
    }

    function _refund(StudyId study) private returns (bool done) {
        uint256[] memory was = _owedToAll();
        try rounds.refund(study) {
            _enter(study, was, Way.Refund, 0);
            done = true;
        } catch {}
    }

    /// @dev In a study of truthful quorums, without lies and without patients, one unit less may be paid for each seat and round, and
    /// for each round whose omitted share was carried on.
    function _checkRoundings(StudyId study) private {
        IFederatedRounds.Study memory s = rounds.getStudy(study);
        bool plain = s.patientBps == 0 && s.struck == 0 && s.voidFrom == 0;
        if (!plain || _books[StudyId.unwrap(study)].lied) return;
        if (vault.potOf(study).amount > uint256(s.finals) * (s.members + 1)) ++lost;
    }
}
