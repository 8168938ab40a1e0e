// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {Consortium} from "../../contracts/Consortium.sol";
import {DatasetRegistry} from "../../contracts/DatasetRegistry.sol";
import {FederatedRounds} from "../../contracts/FederatedRounds.sol";
import {StakeVault} from "../../contracts/StakeVault.sol";
import {IAggregationRule} from "../../contracts/interfaces/IAggregationRule.sol";
import {IDatasetRegistry} from "../../contracts/interfaces/IDatasetRegistry.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {Seats} from "../../contracts/libraries/Seats.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {bound, vm} from "./Rig.sol";

/// @dev Four hospitals and a sponsor with two tokens, one of which takes a fee, in up to three studies at a time. The books kept here
/// are of what went in and out, told by the receipts of each call; the invariants hold them against what the contracts keep.
contract ValueHandler {
    using Seats for uint64;

    uint256 public constant HOSPITALS = 4;
    uint256 public constant STUDIES = 3;
    uint256 public constant DELAY = 5000;
    uint32 public constant PHASE = 1000;
    uint32 public constant DISPUTE = 700;
    address public constant SPONSOR = address(0x5900);

    /// @dev What a study took in and gave out.
    struct Book {
        uint256 funded;
        uint256 slashed;
        uint256 claimed;
        uint256 refunded;
        uint256 claims;
        bool lied; // a quorum named a wrong weight
        bool settled; // everything that can be claimed was, and the rest was refunded
    }

    Consortium public immutable consortium;
    DatasetRegistry public immutable datasets;
    StakeVault public immutable vault;
    FederatedRounds public immutable rounds;
    FeeToken[2] public tokens;

    mapping(uint256 study => Book) private _books;
    mapping(address account => mapping(FeeToken token => uint256)) public credited;
    mapping(address account => mapping(FeeToken token => uint256)) public debited;
    mapping(address account => mapping(FeeToken token => uint256)) public exitAt;
    mapping(bytes32 work => bool) public paid;
    mapping(bytes32 work => IFederatedRounds.Update) private _updates;
    mapping(bytes32 round => IFederatedRounds.Aggregate) private _results;
    /// @dev The time, as the optimizer takes `block.timestamp` for the same all through a call.
    uint256 private _clock = block.timestamp;
    uint256 public paidTwice;
    uint256 public unpayable;
    uint256 public leftEarly;

    constructor() {
        AccessManager manager = new AccessManager(address(this));
        consortium = new Consortium(address(manager));
        address roundsAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        datasets = new DatasetRegistry(consortium, roundsAt);
        vault = new StakeVault(address(manager), roundsAt, DELAY);
        rounds = new FederatedRounds(address(manager), consortium, datasets, vault, 10, 10, 3000);
        tokens = [new FeeToken(0), new FeeToken(100)];
        for (uint256 i = 0; i < 2; ++i) {
            vault.allowToken(address(tokens[i]), true);
            _provide(tokens[i], SPONSOR);
            for (uint256 j = 0; j < HOSPITALS; ++j) {
                _provide(tokens[i], hospital(j));
            }
        }
        for (uint256 j = 0; j < HOSPITALS; ++j) {
            consortium.admit(hospital(j), operator(j), "key", "about");
            vm.prank(operator(j));
            datasets.register(IDatasetRegistry.DatasetInfo("r", "s", "q", 100, 1, 0, 0));
        }
    }

    // Time and the roster

    function wait(uint256 kind) external {
        uint256[4] memory steps = [uint256(1), 100, DISPUTE, PHASE];
        _wait(steps[kind % 4]);
    }

    function suspendOrReinstate(uint256 who) external {
        (, bool active) = consortium.servedBy(operator(who % HOSPITALS));
        if (active) consortium.suspend(hospital(who % HOSPITALS));
        else consortium.reinstate(hospital(who % HOSPITALS));
    }

    // The vault

    function deposit(uint256 who, uint256 which, uint256 amount) external {
        (address account, FeeToken token) = (hospital(who % HOSPITALS), tokens[which % 2]);
        uint256 before = token.balanceOf(address(vault));
        vm.prank(account);
        vault.deposit(address(token), bound(amount, 1, 10_000), account);
        credited[account][token] += token.balanceOf(address(vault)) - before;
    }

    function requestExit(uint256 who, uint256 which, uint256 amount) external {
        (address account, FeeToken token) = (_account(who), tokens[which % 2]);
        uint256 free = vault.balanceOf(account, address(token)).free;
        if (free == 0) return;
        vm.prank(account);
        vault.requestExit(address(token), bound(amount, 1, free));
        exitAt[account][token] = block.timestamp + DELAY;
    }

    function cancelExit(uint256 who, uint256 which) external {
        (address account, FeeToken token) = (_account(who), tokens[which % 2]);
        if (vault.exitOf(account, address(token)).amount == 0) return;
        vm.prank(account);
        vault.cancelExit(address(token));
    }

    function withdraw(uint256 who, uint256 which) external {
        (address account, FeeToken token) = (_account(who), tokens[which % 2]);
        uint256 before = token.balanceOf(address(vault));
        vm.prank(account);
        try vault.withdraw(address(token), account) {
            debited[account][token] += before - token.balanceOf(address(vault));
            if (block.timestamp < exitAt[account][token]) ++leftEarly;
        } catch {}
    }

    // Studies

    function create(uint256 reward, uint256 stake, uint256 bps, uint256 plan) external {
        if (rounds.studyCount() >= STUDIES) return;
        IFederatedRounds.StudyTerms memory terms = IFederatedRounds.StudyTerms({
            spec: "spec",
            token: address(tokens[0]),
            rewardPerRound: uint96(bound(reward, 0, 5000)),
            stake: uint96(bound(stake, 0, 500)),
            rule: IAggregationRule(address(1)),
            purposes: 2,
            disease: 0,
            enrolDeadline: uint40(block.timestamp + PHASE),
            minHospitals: 2,
            maxHospitals: 4,
            rounds: uint16(1 + plan % 3),
            maxVoids: uint8(plan % 2),
            cohortStep: 1,
            trainingSeconds: PHASE,
            aggregatingSeconds: PHASE,
            disputeSeconds: DISPUTE,
            maxWeight: 90,
            attesterBps: uint16(bps % 5001)
        });
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
        if (bySponsor) vm.prank(SPONSOR);
        try rounds.advance(study) {} catch {}
    }

    function act(uint256 which, uint256 seat, uint256 weight) external {
        StudyId study = _study(which);
        _act(study, rounds.getStudy(study).round, uint8(seat % 4), uint32(weight % 92));
    }

    /// @dev Those who can submit do; then a quorum that may leave one out, and may lie about the weight, ends the round.
    function play(uint256 which, uint256 seed) external {
        StudyId study = _study(which);
        if (rounds.getStudy(study).state == IFederatedRounds.State.Enrolling) _open(study);
        IFederatedRounds.Study memory s = rounds.getStudy(study);
        if (s.state != IFederatedRounds.State.Running) return;
        for (uint8 seat = 0; seat < s.members; ++seat) {
            _act(study, s.round, seat, uint32(1 + (seed >> (8 * seat)) % 90));
        }
        if (rounds.phase(study, s.round) == IFederatedRounds.Phase.Training) {
            _wait(PHASE);
        }
        _attestAll(study, s.round, _aggregate(study, s, seed));
    }

    function recordAbsences(uint256 which, uint256 round) external {
        StudyId study = _study(which);
        _record(study, uint16(1 + round % (uint256(rounds.getStudy(study).round) + 1)));
    }

    function claim(uint256 which, uint256 round, uint256 seat) external {
        StudyId study = _study(which);
        _claim(study, uint16(1 + round % (uint256(rounds.getStudy(study).round) + 1)), uint8(seat % 4));
    }

    function release(uint256 which, uint256 seat) external {
        try rounds.release(_study(which), uint8(seat % 4)) {} catch {}
    }

    function refund(uint256 which) external {
        _refund(_study(which));
    }

    /// @dev Lets a study run out of time, has every absence recorded and everybody take what is theirs, and then tries to take it
    /// again. No refund and no release may be refused, and no claim for want of money.
    function settle(uint256 which) external {
        StudyId study = _study(which);
        if (_books[StudyId.unwrap(study)].settled) return;
        while (!_ended(study)) {
            _wait(2 * PHASE);
            rounds.advance(study);
        }
        IFederatedRounds.Study memory s = rounds.getStudy(study);
        for (uint16 round = 1; round <= s.round; ++round) {
            _record(study, round);
        }
        _wait(DISPUTE);
        for (uint8 seat = 0; seat < s.members; ++seat) {
            for (uint16 round = 1; round <= s.round; ++round) {
                _claim(study, round, seat);
                _claim(study, round, seat);
            }
            if (DatasetId.unwrap(rounds.getSeat(study, seat).dataset) != 0) rounds.release(study, seat);
        }
        if (!s.refunded) require(_refund(study), "the refund is refused");
        require(!_refund(study), "refunded twice");
        _books[StudyId.unwrap(study)].settled = true;
    }

    // What the invariants read

    function bookOf(uint256 study) public view returns (Book memory) {
        return _books[study];
    }

    function hospital(uint256 number) public pure returns (address) {
        return address(uint160(0xA000 + number));
    }

    function operator(uint256 number) public pure returns (address) {
        return address(uint160(0xB000 + number));
    }

    // Parts

    function _wait(uint256 time) private {
        _clock += time;
        vm.warp(_clock);
    }

    function _provide(FeeToken token, address account) private {
        token.mint(account, 1e12);
        vm.prank(account);
        token.approve(address(vault), type(uint256).max);
    }

    function _account(uint256 who) private pure returns (address) {
        return who % 5 == HOSPITALS ? SPONSOR : hospital(who % 5);
    }

    function _study(uint256 which) private view returns (StudyId) {
        return StudyId.wrap(uint64(1 + which % rounds.studyCount()));
    }

    function _open(StudyId study) private {
        vm.prank(SPONSOR);
        try rounds.advance(study) {} catch {}
    }

    function _ended(StudyId study) private view returns (bool) {
        IFederatedRounds.State state = rounds.getStudy(study).state;
        return state == IFederatedRounds.State.Completed || state == IFederatedRounds.State.Aborted;
    }

    function _operatorOf(StudyId study, uint8 seat) private view returns (address) {
        return consortium.getHospital(rounds.getSeat(study, seat).hospital).operator;
    }

    function _work(StudyId study, uint16 round, uint8 seat) private pure returns (bytes32) {
        return keccak256(abi.encode(study, round, seat));
    }

    function _round(StudyId study, uint16 round) private pure returns (bytes32) {
        return keccak256(abi.encode(study, round));
    }

    /// @dev Weight 91 abstains, or is refused, as 0 is.
    function _act(StudyId study, uint16 round, uint8 seat, uint32 weight) private {
        IFederatedRounds.Update memory update =
            IFederatedRounds.Update("cid", "root", "cohort", "leaves", weight);
        vm.startPrank(_operatorOf(study, seat));
        if (weight == 91) {
            try rounds.abstain(study, round, seat) {} catch {}
        } else {
            try rounds.submitUpdate(study, round, seat, update) {
                _updates[_work(study, round, seat)] = update;
            } catch {}
        }
        vm.stopPrank();
    }

    function _aggregate(StudyId study, IFederatedRounds.Study memory s, uint256 seed)
        private
        returns (IFederatedRounds.Aggregate memory result)
    {
        IFederatedRounds.Round memory r = rounds.getRound(study, s.round);
        uint64 omitted = seed % 3 == 0 ? Seats.bit(uint8(seed % 4)) & r.submitted : 0;
        result = IFederatedRounds.Aggregate("sum", "root", "model", r.submitted & ~omitted, r.totalWeight);
        if (omitted == 0) return result;

        result.weight -= _updates[_work(study, s.round, uint8(seed % 4))].weight;
        if (seed % 2 == 0 || r.totalWeight < 2) return result;
        result.weight = uint32(1 + (seed >> 64) % (r.totalWeight - 1));
        _books[StudyId.unwrap(study)].lied = true;
    }

    function _attestAll(StudyId study, uint16 round, IFederatedRounds.Aggregate memory result) private {
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            vm.prank(_operatorOf(study, seat));
            try rounds.attest(study, round, seat, result) {
                _results[_round(study, round)] = result;
            } catch {}
        }
    }

    function _record(StudyId study, uint16 round) private {
        uint256[4] memory before;
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            before[seat] = rounds.slashedOf(study, seat);
        }
        try rounds.recordAbsences(study, round, _results[_round(study, round)]) {
            for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
                uint256 taken = rounds.slashedOf(study, seat) - before[seat];
                _books[StudyId.unwrap(study)].slashed += taken;
                debited[rounds.getSeat(study, seat).hospital][tokens[0]] += taken;
            }
        } catch {}
    }

    function _claim(StudyId study, uint16 round, uint8 seat) private {
        address account = rounds.getSeat(study, seat).hospital;
        uint256 before = vault.balanceOf(account, address(tokens[0])).free;
        bytes32 work = _work(study, round, seat);
        try rounds.claim(study, round, seat, _results[_round(study, round)], _updates[work]) {
            uint256 amount = vault.balanceOf(account, address(tokens[0])).free - before;
            credited[account][tokens[0]] += amount;
            _books[StudyId.unwrap(study)].claimed += amount;
            ++_books[StudyId.unwrap(study)].claims;
            if (paid[work]) ++paidTwice;
            paid[work] = true;
        } catch (bytes memory reason) {
            if (bytes4(reason) == IStakeVault.PotTooSmall.selector) ++unpayable;
        }
    }

    function _refund(StudyId study) private returns (bool done) {
        uint256 before = vault.balanceOf(SPONSOR, address(tokens[0])).free;
        try rounds.refund(study) {
            uint256 amount = vault.balanceOf(SPONSOR, address(tokens[0])).free - before;
            credited[SPONSOR][tokens[0]] += amount;
            _books[StudyId.unwrap(study)].refunded += amount;
            done = true;
        } catch {}
    }
}
