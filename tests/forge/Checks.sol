// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IClaims} from "../../contracts/interfaces/IClaims.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {RoundId} from "../../contracts/types/RoundId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {PayMoves} from "./PayMoves.sol";
import {vm} from "./Rig.sol";

/// @dev What must hold after each move: the contracts keep what the books say, and the books are in order. The numbers are those of docs/protocol.md.
abstract contract Checks is PayMoves {
    function check() external view {
        for (uint256 i = 0; i < 2; ++i) {
            _checkToken(tokens[i]);
        }
        for (uint256 study = 1; study < _studies.length; ++study) {
            _checkStudy(study);
            _checkSeats(study);
            for (uint256 round = 1; round <= _studies[study].round; ++round) {
                _checkRound(study, round);
            }
        }
    }

    function _checkToken(FeeToken token) private view {
        uint256 owed;
        for (uint256 i = 0; i < accountCount(); ++i) {
            owed += _checkAccount(account(i), token);
        }
        for (uint256 i = 0; i < 6; ++i) {
            IStakeVault.Balance memory b = vault.balanceOf(trusted(i), address(token));
            vm.assertEq(uint256(b.free) + b.locked, 0, "INV-2: a contract of the deployment has nothing");
        }
        for (uint256 study = 1; study < _studies.length; ++study) {
            if (_studies[study].token == token) owed += vault.potOf(_s(study)).amount;
        }
        vm.assertEq(vault.feesHeld(address(token)), fees[token], "INV-13: fees that are held");
        vm.assertEq(vault.burntOf(address(token)), burnt[token], "INV-9: what is nobody's");
        owed += fees[token] + burnt[token];
        vm.assertEq(token.balanceOf(address(vault)), owed, "INV-1: the vault has what it owes, and no more");
        vm.assertLe(
            wonInAll[token] * BPS,
            slashedInAll[token] * CHALLENGER_BPS,
            "INV-10: challengers have no more than their share"
        );
        vm.assertGe(2 * burnt[token], slashedInAll[token], "INV-10: half of what was slashed is nobody's");
    }

    function _checkAccount(address who, FeeToken token) private view returns (uint256 has) {
        IStakeVault.Balance memory b = vault.balanceOf(who, address(token));
        Purse storage p = _purses[who][token];
        vm.assertEq(b.free, p.free, "INV-2: an account has free what is its own");
        vm.assertEq(b.locked, p.locked, "INV-2: an account has locked what is its own");
        vm.assertEq(p.locked, _heldOf(who, token), "INV-3: stakes and bonds stay while they are held");
        IStakeVault.Allowance memory a = vault.allowanceOf(who, address(token));
        vm.assertEq(a.used, p.used, "INV-6: what others have locked");
        vm.assertEq(a.limit, p.limit, "INV-6: what others may lock");
        return uint256(b.free) + b.locked;
    }

    /// @dev What is left of the stakes of seats that are not released, and the bonds of what is not settled.
    function _heldOf(address who, FeeToken token) private view returns (uint256 held) {
        for (uint256 study = 1; study < _studies.length; ++study) {
            StudyBook storage s = _studies[study];
            if (s.token != token) continue;
            for (uint256 seat = 0; seat < s.members; ++seat) {
                if (hospital(_seats[study][seat].who) != who || _has(s.released, seat)) continue;
                held += s.stake - _seats[study][seat].taken;
            }
            for (uint256 round = 1; round <= s.round; ++round) {
                held += s.bond * _bondsOf(study, round, who);
            }
        }
    }

    function _bondsOf(uint256 study, uint256 round, address who) private view returns (uint256 found) {
        AttemptBook[] storage list = _attempts[study][round];
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i].state == IClaims.AttemptState.Settled) continue;
            if (hospital(_seats[study][list[i].seat].who) == who) ++found;
            if (list[i].objector == who) ++found;
        }
    }

    function _checkStudy(uint256 study) private view {
        StudyBook storage s = _studies[study];
        IFederatedRounds.Study memory has = rounds.getStudy(_s(study));
        vm.assertTrue(has.state == s.state, "INV-14: a study is where its moves brought it");
        vm.assertEq(RoundId.unwrap(has.round), s.round, "INV-14: rounds opened");
        vm.assertEq(has.finals, s.finals, "INV-14: final rounds");
        vm.assertEq(has.endedAt, s.endedAt, "INV-14: the end of a study");
        uint256 pot = vault.potOf(_s(study)).amount;
        vm.assertEq(pot, s.pot, "INV-4: a pot has what came less what went");
        vm.assertEq(
            s.funded + s.kept,
            s.pot + s.paid + s.keptPaid + s.sponsorHad,
            "INV-4: what came to a pot went for what is told"
        );
        vm.assertLe(s.sponsorHad + s.paid, s.funded, "INV-10: the sponsor has nothing that was slashed");
        vm.assertGe(pot, _owed(study), "INV-4: a pot covers what is owed");
    }

    /// @dev What is earned and not claimed, and what the sponsor or rounds to come will have.
    function _owed(uint256 study) private view returns (uint256 owed) {
        StudyBook storage s = _studies[study];
        if (!s.refunded) owed = s.reward * (s.count - s.finals);
        for (uint256 round = 1; round <= s.round; ++round) {
            for (uint256 seat = 0; seat < s.members; ++seat) {
                if (_has(_rounds[study][round].claimed, seat)) continue;
                if (_rounds[study][round].endedAt != 0) owed += _payOf(study, round, seat);
            }
        }
    }

    function _checkSeats(uint256 study) private view {
        StudyBook storage s = _studies[study];
        for (uint256 seat = 0; seat < s.members; ++seat) {
            SeatBook storage p = _seats[study][seat];
            vm.assertLe(p.taken, s.stake, "INV-5: no more than the stake is taken");
            vm.assertEq(studies.takenOf(_s(study), _p(seat)), p.taken, "INV-5: it took what it says");
            vm.assertEq(studies.missesOf(_s(study), _p(seat)), p.misses, "INV-12: absences");
            if (p.who == HONEST) vm.assertEq(p.taken, 0, "INV-11: the honest lose no stake");
        }
    }

    function _checkRound(uint256 study, uint256 round) private view {
        RoundBook storage r = _rounds[study][round];
        IFederatedRounds.Round memory has = rounds.getRound(_s(study), _r(round));
        vm.assertTrue(has.outcome == r.outcome, "INV-16: a round ended as its moves ended it");
        vm.assertEq(SeatSet.unwrap(has.submitted), r.submitted, "INV-16: whose updates are in the set");
        uint256 most = _hadResult(study, round) ? _studies[study].reward : r.kept;
        vm.assertLe(r.paid, most, "INV-8: a round pays no more than its reward");
        vm.assertLe(r.kept, _studies[study].reward, "INV-8: nor than a compensation");
        vm.assertLe(2 * r.kept, _studies[study].stake, "INV-8: which is no more than half of a stake");
    }
}
