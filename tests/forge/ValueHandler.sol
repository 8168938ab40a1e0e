// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {RewardMoves} from "./RewardMoves.sol";
import {bound, vm} from "./Rig.sol";

/// @dev All moves of the campaign of value: those of the vault and the roster here, those of studies, disputes and rewards in the bases.
contract ValueHandler is RewardMoves {
    // Time and the roster

    function wait(uint256 kind) external {
        uint256[5] memory steps = [uint256(1), CLAIM, DISPUTE / 2, DISPUTE, PHASE];
        _wait(steps[kind % 5]);
    }

    function suspendOrReinstate(uint256 who) external {
        (, bool active) = consortium.servedBy(operator(who % HOSPITALS));
        if (active) consortium.suspend(hospital(who % HOSPITALS));
        else consortium.reinstate(hospital(who % HOSPITALS));
    }

    // The vault

    function deposit(uint256 who, uint256 which, uint256 amount) external {
        (address owner, FeeToken token) = (_depositor(who), tokens[which % 2]);
        uint256 before = token.balanceOf(address(vault));
        vm.prank(owner);
        vault.deposit(address(token), bound(amount, 1, 10_000), owner);
        credited[owner][token] += token.balanceOf(address(vault)) - before;
    }

    function requestExit(uint256 who, uint256 which, uint256 amount) external {
        (address owner, FeeToken token) = (account(who % (ACCOUNTS - 1)), tokens[which % 2]);
        uint256 free = vault.balanceOf(owner, address(token)).free;
        if (free == 0) return;
        vm.prank(owner);
        vault.requestExit(address(token), bound(amount, 1, free));
        exitAt[owner][token] = block.timestamp + DELAY;
    }

    function cancelExit(uint256 who, uint256 which) external {
        (address owner, FeeToken token) = (account(who % (ACCOUNTS - 1)), tokens[which % 2]);
        if (vault.exitOf(owner, address(token)).amount == 0) return;
        vm.prank(owner);
        vault.cancelExit(address(token));
    }

    function withdraw(uint256 who, uint256 which) external {
        (address owner, FeeToken token) = (account(who % (ACCOUNTS - 1)), tokens[which % 2]);
        uint256 before = token.balanceOf(address(vault));
        vm.prank(owner);
        try vault.withdraw(address(token), owner) {
            debited[owner][token] += before - token.balanceOf(address(vault));
            if (block.timestamp < exitAt[owner][token]) ++leftEarly;
        } catch {}
    }

    /// @dev A hospital, or the stranger, who needs it for a bond.
    function _depositor(uint256 who) private pure returns (address) {
        return who % (HOSPITALS + 1) == HOSPITALS ? STRANGER : hospital(who % (HOSPITALS + 1));
    }
}
