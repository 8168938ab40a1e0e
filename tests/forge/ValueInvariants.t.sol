// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Rig, vm} from "./Rig.sol";
import {ValueHandler} from "./ValueHandler.sol";

/// @dev No token is lost, made or moved against the rules. The numbers are those of docs/protocol.md.
contract ValueInvariantsTest is Rig {
    ValueHandler internal handler;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = new ValueHandler();
        handler.create(997, 101, 3333, 2);
        handler.create(1000, 100, 1000, 1);
        for (uint256 i = 0; i < handler.HOSPITALS(); ++i) {
            handler.deposit(i, 0, 1000);
            handler.enrol(0, i);
            handler.enrol(1, i);
        }
        for (uint64 study = 1; study <= 2; ++study) {
            vm.assertEq(handler.rounds().getStudy(StudyId.wrap(study)).members, handler.HOSPITALS());
        }
        _target(address(handler));
    }

    function invariant_INV1_to_INV8_valueKeepsToTheRules() external view {
        for (uint256 i = 0; i < 2; ++i) {
            FeeToken token = handler.tokens(i);
            uint256 owed = _checkAccount(handler.SPONSOR(), token);
            for (uint256 j = 0; j < handler.HOSPITALS(); ++j) {
                owed += _checkAccount(handler.hospital(j), token);
                if (i == 0) _checkStake(handler.hospital(j), token);
            }
            if (i == 0) owed += _checkPots();
            vm.assertEq(token.balanceOf(address(handler.vault())), owed, "INV-1: the vault has what it owes");
        }
        vm.assertEq(handler.unpayable(), 0, "INV-4: a pot pays all that is earned");
        vm.assertEq(handler.paidTwice(), 0, "INV-6: each update is paid once");
        vm.assertEq(handler.leftEarly(), 0, "INV-8: no exit before its delay");
    }

    /// @dev The moves of the campaign reach claims, slashes, refunds and an end without loss, so that it says something.
    function test_theMovesReachEveryBook() external {
        handler.advance(0, true);
        handler.act(0, 0, 50);
        handler.act(0, 1, 60);
        handler.wait(3);
        handler.recordAbsences(0, 0);
        handler.play(0, 4); // over all updates
        handler.play(0, 6); // leaves one out, and says so
        handler.settle(0);
        ValueHandler.Book memory book = handler.bookOf(1);
        vm.assertTrue(book.settled && !book.lied, "settled");
        vm.assertTrue(
            book.claims >= 6 && book.claimed != 0 && book.slashed != 0 && book.refunded != 0, "books"
        );
        this.invariant_INV1_to_INV8_valueKeepsToTheRules();
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

    /// @dev Locked is exactly what the studies that hold a seat's dataset have left of its stake.
    function _checkStake(address account, FeeToken token) private view {
        uint256 expected;
        for (uint64 id = 1; id <= handler.rounds().studyCount(); ++id) {
            StudyId study = StudyId.wrap(id);
            (bool enrolled, uint8 seat) = handler.rounds().seatOf(study, account);
            if (!enrolled) continue;
            uint256 stake = handler.rounds().getStudy(study).stake;
            uint256 slashed = handler.rounds().slashedOf(study, seat);
            vm.assertLe(slashed, stake, "INV-5: no study takes more than its stake");
            bool held = DatasetId.unwrap(handler.rounds().getSeat(study, seat).dataset) != 0;
            if (held) expected += stake - slashed;
        }
        vm.assertEq(
            handler.vault().balanceOf(account, address(token)).locked,
            expected,
            "INV-3: a stake stays while it is held"
        );
    }

    function _checkPots() private view returns (uint256 owed) {
        for (uint64 id = 1; id <= handler.rounds().studyCount(); ++id) {
            ValueHandler.Book memory book = handler.bookOf(id);
            uint256 pot = handler.vault().potOf(StudyId.wrap(id)).amount;
            _checkRounding(id, book);
            vm.assertEq(
                pot + book.claimed + book.refunded,
                book.funded + book.slashed,
                "INV-4: a pot has what came less what went"
            );
            owed += pot;
        }
    }

    /// @dev One unit less for each claim, and for each round whose omitted share was carried on.
    function _checkRounding(uint64 id, ValueHandler.Book memory book) private view {
        if (!book.settled || book.lied) return;
        uint256 most = book.claims + handler.rounds().getStudy(StudyId.wrap(id)).finals;
        uint256 left = book.funded + book.slashed - book.claimed - book.refunded;
        vm.assertLe(left, most, "INV-7: nothing but roundings stays behind");
    }
}
