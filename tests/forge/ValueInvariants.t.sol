// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IClaims} from "../../contracts/interfaces/IClaims.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IModelMarket} from "../../contracts/interfaces/IModelMarket.sol";
import {IPayouts} from "../../contracts/interfaces/IPayouts.sol";
import {IProofs} from "../../contracts/interfaces/IProofs.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {IStudies} from "../../contracts/interfaces/IStudies.sol";
import {Rig, Vm, vm} from "./Rig.sol";
import {ValueHandler} from "./ValueHandler.sol";

/// @dev No token is lost, made or moved against the rules, whatever anybody does. The numbers are those of docs/protocol.md.
contract ValueInvariantsTest is Rig {
    uint256 private constant MOVES = 27;
    ValueHandler internal handler;

    function setUp() external {
        vm.warp(1_800_000_000);
        handler = ValueHandler(vm.deployCode("ValueHandler.sol:ValueHandler", ""));
        bytes4[] memory moves = new bytes4[](MOVES);
        for (uint256 i = 0; i < MOVES; ++i) {
            moves[i] = bytes4(_move(i, [uint256(0), 0, 0, 0]));
        }
        _target(address(handler), moves);
    }

    /// @dev All that concerns value. A move may be a whole round, so few make a campaign.
    /// forge-config: default.invariant.depth = 16
    /// forge-config: deep.invariant.depth = 500
    function invariant_valueKeepsToTheRules() external view {
        handler.check();
    }

    /// @dev Walks of the campaign's own moves meet everything that the invariants are about; without that they could hold idly.
    function test_theMovesReachEveryBook() external {
        bytes32[] memory wanted = _events();
        uint256 missing = wanted.length;
        for (uint256 walk = 0; walk < 60 && missing != 0; ++walk) {
            this.setUp();
            vm.recordLogs();
            _walk(walk);
            handler.check();
            missing = _strikeOff(wanted, vm.getRecordedLogs());
        }
        string memory names;
        for (uint256 i = 0; i < wanted.length; ++i) {
            if (wanted[i] != 0) names = string.concat(names, " ", vm.toString(i));
        }
        vm.assertEq(missing, 0, string.concat("never met: events", names));
    }

    function _strikeOff(bytes32[] memory wanted, Vm.Log[] memory logs)
        private
        pure
        returns (uint256 missing)
    {
        for (uint256 i = 0; i < wanted.length; ++i) {
            for (uint256 j = 0; j < logs.length && wanted[i] != 0; ++j) {
                if (logs[j].topics[0] == wanted[i]) wanted[i] = 0;
            }
            if (wanted[i] != 0) ++missing;
        }
    }

    /// @dev Some begin with a study that is played through, or a model would be sold too seldom.
    function _walk(uint256 number) internal {
        for (uint256 i = 0; i < 6 && number % 2 == 0; ++i) {
            _send(abi.encodeCall(handler.play, (0, uint256(keccak256(abi.encode("play", number, i))))));
        }
        for (uint256 i = 0; i < 30; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(number, i)));
            uint256[4] memory drawn;
            for (uint256 j = 0; j < 4; ++j) {
                drawn[j] = uint256(keccak256(abi.encode(seed, j)));
            }
            _send(_move(seed % MOVES, drawn));
            handler.check();
        }
        for (uint256 which = 0; which < 3; ++which) {
            _send(abi.encodeCall(handler.finish, (which, number)));
            for (uint256 i = 0; i < 2; ++i) {
                _send(abi.encodeCall(handler.sell, (which, number, 1000, number + 1000 * i)));
            }
        }
    }

    function _send(bytes memory data) private {
        (bool done, bytes memory why) = address(handler).call(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(why, 32), mload(why))
            }
        }
    }

    /// @dev Each move, with as many of the numbers as it takes. Rounds are played more often than the rest.
    function _move(uint256 kind, uint256[4] memory x) private view returns (bytes memory) {
        ValueHandler h = handler;
        if (kind == 0) return abi.encodeCall(h.wait, (x[0]));
        if (kind == 1) return abi.encodeCall(h.roster, (x[0]));
        if (kind == 2) return abi.encodeCall(h.deposit, (x[0], x[1], x[2], x[3]));
        if (kind == 3) return abi.encodeCall(h.withdraw, (x[0], x[1], x[2], x[3]));
        if (kind == 4) return abi.encodeCall(h.allow, (x[0], x[1], x[2]));
        if (kind == 5) return abi.encodeCall(h.intrude, (x[0], x[1]));
        if (kind == 6) return abi.encodeCall(h.begin, (x[0], x[1]));
        if (kind == 7) return abi.encodeCall(h.createOnly, (x[0], x[1]));
        if (kind == 8) return abi.encodeCall(h.enrol, (x[0], x[1], x[2]));
        if (kind == 9) return abi.encodeCall(h.cancel, (x[0], x[1]));
        if (kind == 10) return abi.encodeCall(h.advance, (x[0], x[1]));
        if (kind == 11) return abi.encodeCall(h.train, (x[0], x[1]));
        if (kind == 12) return abi.encodeCall(h.decide, (x[0], x[1]));
        if (kind == 13) return abi.encodeCall(h.play, (x[0], x[1]));
        if (kind == 14) return abi.encodeCall(h.playAgain, (x[0], x[1]));
        if (kind == 15) return abi.encodeCall(h.contest, (x[0], x[1]));
        if (kind == 16) return abi.encodeCall(h.late, (x[0], x[1], x[2]));
        if (kind == 17) return abi.encodeCall(h.prove, (x[0], x[1], x[2]));
        if (kind == 18) return abi.encodeCall(h.record, (x[0], x[1]));
        if (kind == 19) return abi.encodeCall(h.settle, (x[0], x[1]));
        if (kind == 20) return abi.encodeCall(h.review, (x[0], x[1], x[2]));
        if (kind == 21) return abi.encodeCall(h.claim, (x[0], x[1], x[2]));
        if (kind == 22) return abi.encodeCall(h.claimPatient, (x[0], x[1], x[2], x[3]));
        if (kind == 23) return abi.encodeCall(h.leave, (x[0], x[1]));
        if (kind == 24) return abi.encodeCall(h.finish, (x[0], x[1]));
        if (kind == 25) return abi.encodeCall(h.conspire, (x[0], x[1]));
        return abi.encodeCall(h.sell, (x[0], x[1], uint96(x[2]), x[3]));
    }

    function _events() private pure returns (bytes32[] memory list) {
        list = new bytes32[](36);
        (list[0], list[1]) = (IStakeVault.Slashed.selector, IStakeVault.ChallengerPaid.selector);
        (list[2], list[3]) = (IStakeVault.Burnt.selector, IStakeVault.Withdrawn.selector);
        (list[4], list[5]) = (IStakeVault.Disbursed.selector, IStudies.AbsencesRecorded.selector);
        (list[6], list[7]) = (IStudies.CarelessSlashed.selector, IStudies.StakeLost.selector);
        (list[8], list[9]) = (IStudies.Compensated.selector, IStudies.StakeReleased.selector);
        (list[10], list[11]) = (IStudies.Refunded.selector, IFederatedRounds.Abstained.selector);
        (list[12], list[13]) = (IFederatedRounds.Attested.selector, IFederatedRounds.RoundFinal.selector);
        (list[14], list[15]) = (IFederatedRounds.RoundVoid.selector, IFederatedRounds.UpdateStruck.selector);
        (list[16], list[17]) =
        (IFederatedRounds.RoundTainted.selector, IFederatedRounds.RoundRefuted.selector);
        (list[18], list[19]) =
        (IFederatedRounds.StudyCompleted.selector, IFederatedRounds.StudyAborted.selector);
        (list[20], list[21]) = (IClaims.AttemptMade.selector, IClaims.Objected.selector);
        (list[22], list[23]) = (IClaims.AttemptAccepted.selector, IClaims.AttemptRefuted.selector);
        (list[24], list[25]) = (IClaims.AttemptSettled.selector, IClaims.BytesLacking.selector);
        (list[26], list[27]) = (IProofs.AggregateRefuted.selector, IProofs.UpdateRefuted.selector);
        (list[28], list[29]) = (IPayouts.Claimed.selector, IPayouts.ReviewsTallied.selector);
        (list[30], list[31]) = (IPayouts.PatientPaid.selector, IStakeVault.Kept.selector);
        (list[32], list[33]) = (IModelMarket.Credited.selector, IModelMarket.ModelRegistered.selector);
        (list[34], list[35]) = (IModelMarket.LicenceSold.selector, IModelMarket.FeesClaimed.selector);
    }
}
