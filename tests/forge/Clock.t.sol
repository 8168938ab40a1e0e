// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Clock} from "../../contracts/types/Clock.sol";
import {RoundId} from "../../contracts/types/RoundId.sol";
import {Rig, vm} from "./Rig.sol";

/// @dev Ends of windows and the longest round against the vectors of the Python twin.
contract ClockTest is Rig {
    string private _json;

    function setUp() external {
        _json = vm.readFile("tests/vectors/phases.json");
    }

    function test_windowsOfTheTwin() external view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at(count, "ended_at")); ++count) {
            (uint256 ended, uint256 dispute) = (_uint(count, "ended_at"), _uint(count, "dispute_seconds"));
            vm.assertEq(Clock.attestationEnd(ended, dispute), _uint(count, "attestation_ends"), "attesting");
            vm.assertEq(Clock.unlockedAt(ended, dispute), _uint(count, "unlocked_at"), "unlocked");
            uint256[] memory settled = vm.parseJsonUintArray(_json, _at(count, "settled_at"));
            for (uint16 newest; newest < 2; ++newest) {
                vm.assertEq(Clock.settledAt(ended, RoundId.wrap(newest), dispute), settled[newest], "settled");
            }
            uint256[] memory n = vm.parseJsonUintArray(_json, _at(count, "lengths"));
            uint256 longest = Clock.longestRound(n[0], n[1], n[2], n[3], n[4]);
            vm.assertEq(longest, _uint(count, "longest_round"), "longest round");
        }
        vm.assertGe(count, 3, "too few vectors");
    }

    function _uint(uint256 place, string memory name) private view returns (uint256) {
        return vm.parseJsonUint(_json, _at(place, name));
    }

    function _at(uint256 place, string memory name) private pure returns (string memory) {
        return string.concat(".clock[", vm.toString(place), "].", name);
    }
}
