// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {FederatedRounds} from "../../contracts/FederatedRounds.sol";
import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IModelMarket} from "../../contracts/interfaces/IModelMarket.sol";
import {IRewards} from "../../contracts/interfaces/IRewards.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Rig, Vm, vm} from "./Rig.sol";
import {ValueHandler} from "./ValueHandler.sol";
import {World} from "./World.sol";

/// @dev No token is lost, made or moved against the rules. The numbers are those of docs/protocol.md.
contract ValueInvariantsTest is Rig {
    ValueHandler internal handler;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = ValueHandler(vm.deployCode("ValueHandler.sol:ValueHandler", ""));
        handler.create(997, 101, 3333, 2); // by weight, nothing for patients
        handler.create(1000, 100, 10_000, 22); // by reviews, with patients
        for (uint256 i = 0; i <= handler.HOSPITALS(); ++i) {
            handler.deposit(i, 0, 1000);
            handler.enrol(0, i);
            handler.enrol(1, i);
        }
        for (uint64 study = 1; study <= 2; ++study) {
            vm.assertEq(handler.rounds().getStudy(StudyId.wrap(study)).members, handler.HOSPITALS());
        }
        _target(address(handler));
    }

    /// @dev INV-1 to INV-8 and INV-13 to INV-18. A move may be a whole round, so few make a campaign.
    /// forge-config: default.invariant.depth = 8
    /// forge-config: deep.invariant.depth = 500
    function invariant_valueKeepsToTheRules() external view {
        for (uint256 i = 0; i < 2; ++i) {
            FeeToken token = handler.tokens(i);
            uint256 owed = i == 0 ? _checkStudies() : 0;
            for (uint256 j = 0; j < handler.ACCOUNTS(); ++j) {
                owed += _checkAccount(handler.account(j), token);
                if (i == 0) _checkLocked(handler.account(j), token);
            }
            vm.assertEq(token.balanceOf(address(handler.vault())), owed, "INV-1: the vault has what it owes");
            _checkMarket(token);
        }
        vm.assertEq(handler.unpayable(), 0, "INV-4: a pot pays all that is earned");
        vm.assertEq(handler.paidTwice(), 0, "INV-6: each update and each leaf is paid once");
        vm.assertEq(handler.lost(), 0, "INV-7: nothing but roundings stays behind");
        vm.assertEq(handler.leftEarly(), 0, "INV-8: no exit before its delay");
        vm.assertEq(handler.voidedEarly(), 0, "INV-16: no round is void while a claim holds it");
        vm.assertEq(handler.framed(), 0, "INV-18: no proof succeeds against what is right");
        vm.assertEq(handler.denied(), 0, "INV-18: no lie is said to be right");
    }

    /// @dev A walk of the campaign's own moves meets everything that the invariants are about; without that they could hold idly.
    function test_theMovesReachEveryBook() external {
        bytes32[15] memory wanted = [
            IDisputes.AttemptMade.selector,
            IDisputes.Objected.selector,
            IDisputes.AttemptAccepted.selector,
            IDisputes.AttemptRefuted.selector,
            IDisputes.AttemptSettled.selector,
            IDisputes.AbsenceSlashed.selector,
            IFederatedRounds.UpdateStruck.selector,
            IFederatedRounds.RoundRefuted.selector,
            IFederatedRounds.RoundVoid.selector,
            IRewards.ReviewsTallied.selector,
            IRewards.PatientPaid.selector,
            IRewards.Swept.selector,
            IModelMarket.ModelRegistered.selector,
            IModelMarket.LicenceSold.selector,
            IModelMarket.FeesClaimed.selector
        ];
        vm.recordLogs();
        for (uint256 campaign = 0; campaign < 24; ++campaign) {
            this.setUp();
            _walk(campaign);
            this.invariant_valueKeepsToTheRules();
        }
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 kind = 0; kind < wanted.length; ++kind) {
            bool met;
            for (uint256 i = 0; i < logs.length && !met; ++i) {
                met = logs[i].topics[0] == wanted[kind];
            }
            vm.assertTrue(met, string.concat("never met: event ", vm.toString(kind)));
        }
    }

    /// @dev Plays one study by moves that follow from the campaign's number, has everybody take what is theirs, and sells the model.
    function _walk(uint256 campaign) private {
        uint256 which = campaign % 2;
        for (uint256 i = 0; i < 6; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(campaign, i)));
            if (seed % 4 == 0) handler.play(which, seed >> 8);
            if (seed % 4 == 1) handler.contest(which, seed >> 8);
            if (seed % 4 == 2) handler.review(which, seed >> 8);
            if (seed % 4 == 3) handler.proveAll(which, seed >> 8);
            if ((seed >> 4) % 8 == 0) handler.wait(4);
            handler.advance(which, false);
        }
        handler.settle(which);
        for (uint256 i = 0; i < 12; ++i) {
            handler.claimPatient(which, i % 3, i / 3, 0);
        }
        handler.sell(which, 1000, campaign);
        handler.buy(which);
        for (uint256 i = 0; i < 10; ++i) {
            handler.claimFees(which, i / 2, i);
        }
        handler.sweep(which);
    }

    function _checkAccount(address account, FeeToken token) private view returns (uint256 owed) {
        IStakeVault.Balance memory balance = handler.vault().balanceOf(account, address(token));
        owed = uint256(balance.free) + balance.locked + handler.vault().exitOf(account, address(token)).amount;
        vm.assertEq(
            owed + handler.debited(account, token),
            handler.credited(account, token),
            "INV-2: an account has its own"
        );
    }

    /// @dev Locked is exactly what studies that hold a seat's dataset have left of its stake, and the bonds of what is not settled.
    function _checkLocked(address account, FeeToken token) private view {
        uint256 expected;
        for (uint64 id = 1; id <= handler.rounds().studyCount(); ++id) {
            StudyId study = StudyId.wrap(id);
            expected += _stakeIn(study, account) + _bondsIn(study, account);
        }
        vm.assertEq(
            handler.vault().balanceOf(account, address(token)).locked,
            expected,
            "INV-3: stakes and bonds stay while they are held"
        );
    }

    function _stakeIn(StudyId study, address account) private view returns (uint256) {
        (bool enrolled, uint8 seat) = handler.rounds().seatOf(study, account);
        if (!enrolled) return 0;
        uint256 stake = handler.rounds().getStudy(study).stake;
        uint256 slashed = handler.disputes().slashedOf(study, seat);
        vm.assertLe(slashed, stake, "INV-5: no study takes more than its stake");
        vm.assertEq(handler.takenFrom(StudyId.unwrap(study), seat), slashed, "INV-13: it took what it says");
        bool held = DatasetId.unwrap(handler.rounds().getSeat(study, seat).dataset) != 0;
        return held ? stake - slashed : 0;
    }

    function _bondsIn(StudyId study, address account) private view returns (uint256 bonds) {
        IDisputes disputes = handler.disputes();
        for (uint16 round = 1; round <= handler.rounds().getStudy(study).round; ++round) {
            uint256 count = disputes.getContest(study, round).count;
            for (uint8 number = 0; number < count; ++number) {
                IDisputes.Attempt memory a = disputes.getAttempt(study, round, number);
                if (a.state == IDisputes.AttemptState.Settled) continue;
                if (handler.rounds().getSeat(study, a.seat).hospital == account) bonds += handler.BOND();
                if (a.objector == account) bonds += handler.BOND();
            }
        }
    }

    function _checkStudies() private view returns (uint256 owed) {
        for (uint64 id = 1; id <= handler.rounds().studyCount(); ++id) {
            World.Book memory book = handler.bookOf(id);
            uint256 pot = handler.vault().potOf(StudyId.wrap(id)).amount;
            vm.assertEq(
                pot + book.claimed + book.patients + book.challengers + book.refunded + book.swept,
                book.funded + book.slashed,
                "INV-4: a pot has what came less what went"
            );
            vm.assertLe(
                book.challengers * 10_000,
                book.slashed * handler.CHALLENGER_BPS(),
                "INV-4: challengers have a share of what was slashed"
            );
            owed += pot;
            _checkRounds(StudyId.wrap(id));
        }
    }

    function _checkRounds(StudyId study) private view {
        FederatedRounds rounds = handler.rounds();
        IFederatedRounds.Study memory s = rounds.getStudy(study);
        for (uint16 round = 1; round <= s.round; ++round) {
            uint256 paid = handler.paidIn(StudyId.unwrap(study), round);
            uint256 reward = uint256(s.rewardPerRound) + rounds.carriedInto(study, round);
            vm.assertLe(paid, reward, "INV-14: a round pays no more than its reward");
            bool pays = rounds.getRound(study, round).outcome == IFederatedRounds.Outcome.Final
                && (s.voidFrom == 0 || round < s.voidFrom);
            vm.assertTrue(pays || paid == 0, "INV-15: from a refuted round on nobody is paid");
        }
    }

    function _checkMarket(FeeToken token) private view {
        uint256 held;
        for (uint64 id = 1; id <= handler.rounds().studyCount(); ++id) {
            (uint256 came, uint256 went) = (handler.feesIn(id, token), handler.feesOut(id, token));
            vm.assertEq(handler.market().feesOf(StudyId.wrap(id), address(token)), came, "INV-17: fees");
            vm.assertLe(went, came, "INV-17: a model pays no more fees than it brought in");
            held += came - went;
        }
        address market = address(handler.market());
        vm.assertEq(handler.vault().balanceOf(market, address(token)).free, held, "INV-17: the market's own");
    }
}
