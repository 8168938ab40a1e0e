// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Rig, vm} from "./Rig.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @dev Cohort leaves and use salts as a contract computes them, against the vectors that Python reads too.
contract LeavesTest is Rig {
    string private _json;

    function setUp() public {
        _json = vm.readFile("tests/vectors/leaves.json");
    }

    function test_leaves() public view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at(count, "leaf")); count++) {
            bytes32 leaf = keccak256(
                abi.encode(
                    _uint(count, "study"),
                    _uint(count, "round"),
                    _uint(count, "dataset"),
                    vm.parseJsonAddress(_json, _at(count, "patient")),
                    _word(count, "salt")
                )
            );
            vm.assertEq(leaf, _word(count, "leaf"));
        }
        vm.assertGe(count, 3, "too few vectors");
    }

    function test_salts() public view {
        for (uint256 i; vm.keyExistsJson(_json, _at(i, "salt")); i++) {
            bytes memory message = abi.encode(
                _uint(i, "chainId"),
                vm.parseJsonAddress(_json, _at(i, "contract")),
                _uint(i, "study"),
                _uint(i, "round"),
                _uint(i, "dataset")
            );
            vm.assertEq(_hmac(_word(i, "linkSecret"), message), _word(i, "salt"));
        }
    }

    function test_root() public view {
        bytes32[] memory leaves = vm.parseJsonBytes32Array(_json, ".cohort.leaves");
        bytes32 root =
            Hashes.commutativeKeccak256(Hashes.commutativeKeccak256(leaves[0], leaves[1]), leaves[2]);
        vm.assertEq(root, vm.parseJsonBytes32(_json, ".cohort.root"));
        vm.assertTrue(leaves[0] < leaves[1] && leaves[1] < leaves[2], "not increasing");
    }

    /// @dev HMAC-SHA256 (RFC 2104) with a key of 32 bytes.
    function _hmac(bytes32 key, bytes memory message) private pure returns (bytes32) {
        bytes32 inner = bytes32(uint256(0x3636363636363636363636363636363636363636363636363636363636363636));
        bytes32 outer = bytes32(uint256(0x5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c));
        return
            sha256(
                abi.encodePacked(key ^ outer, outer, sha256(abi.encodePacked(key ^ inner, inner, message)))
            );
    }

    function _at(uint256 index, string memory name) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(index), "].", name);
    }

    function _uint(uint256 index, string memory name) private view returns (uint256) {
        return vm.parseJsonUint(_json, _at(index, name));
    }

    function _word(uint256 index, string memory name) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, _at(index, name));
    }
}
