// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Leaves} from "../../contracts/libraries/Leaves.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {RoundId} from "../../contracts/types/RoundId.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Rig, bound, climb, vm} from "./Rig.sol";

/// @dev Cohort leaves, use salts and the tree as a contract computes them, against the vectors that Python reads too.
contract LeavesTest is Rig {
    string private _json;
    string private _trees;

    function setUp() public {
        _json = vm.readFile("tests/vectors/leaves.json");
        _trees = vm.readFile("tests/vectors/leaf_trees.json");
    }

    function isAt(bytes32 root, bytes32 leaf, uint32 index, uint32 count, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return Leaves.isAt(root, leaf, index, count, proof);
    }

    function test_leaves() public view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at(count, "leaf")); count++) {
            bytes32 leaf = Leaves.leafOf(
                StudyId.wrap(uint64(_uint(count, "study"))),
                RoundId.wrap(uint16(_uint(count, "round"))),
                DatasetId.wrap(uint32(_uint(count, "dataset"))),
                vm.parseJsonAddress(_json, _at(count, "patient")),
                _word(count, "salt")
            );
            vm.assertEq(leaf, _word(count, "leaf"));
        }
        vm.assertGe(count, 3, "too few vectors");
    }

    function test_salts() public view {
        for (uint256 i; vm.keyExistsJson(_json, _at(i, "salt")); i++) {
            vm.assertEq(_hmac(_word(i, "linkSecret"), _use(i)), _word(i, "salt"));
        }
    }

    function test_fillers() public view {
        bytes32 tag = "medfed cohort filler";
        for (uint256 i; vm.keyExistsJson(_json, _at(i, "filler")); i++) {
            bytes memory message = bytes.concat(tag, _use(i), bytes32(_uint(i, "fillerIndex")));
            bytes32 seed = _hmac(_word(i, "linkSecret"), message);
            vm.assertEq(seed, _word(i, "fillerSeed"));
            vm.assertEq(sha256(abi.encode(tag, seed)), _word(i, "filler"));
        }
    }

    function test_proofsOfTheTwin() external view {
        uint256 place;
        for (; vm.keyExistsJson(_trees, _at(place, "root")); ++place) {
            vm.assertTrue(_holds(place, _proof(place)), "a proof of the twin was refused");
        }
        vm.assertGe(place, 13, "too few vectors");
    }

    /// @dev One other bit in the proof, and nothing is proved.
    function testFuzz_anotherBitProvesNothing(uint256 place, uint256 at, uint8 bit) external view {
        place = bound(place, 1, 12); // the first has no proof
        bytes32[] memory proof = _proof(place);
        proof[bound(at, 0, proof.length - 1)] ^= bytes32(uint256(1) << bit);
        vm.assertTrue(!_holds(place, proof), "a wrong bit was proved");
    }

    /// @dev Every leaf is proved at its place among so many leaves, and nowhere else.
    function testFuzz_everyLeafAtItsPlaceOnly(uint256 count, uint256 index, uint256 other, uint256 claimed)
        external
        view
    {
        count = bound(count, 1, 20);
        index = bound(index, 0, count - 1);
        other = bound(other, 0, 32);
        claimed = bound(claimed, 0, 40);
        (bytes32 root, bytes32[] memory proof) = _build(count, index);
        bytes32 leaf = sha256(abi.encode(index));
        bool right = other == index && claimed == count;
        vm.assertTrue(this.isAt(root, leaf, uint32(other), uint32(claimed), proof) == right, "place");
        vm.assertTrue(this.isAt(root, leaf, uint32(index), uint32(count), proof), "not at its place");
    }

    /// @dev A leaf that is the top of a hidden tree: no path goes on below it, whatever count is claimed.
    function testFuzz_noLeafHidesASubtree(uint256 count, uint256 index, uint256 claimed, uint256 at)
        external
        view
    {
        count = bound(count, 1, 20);
        index = bound(index, 0, count - 1);
        claimed = bound(claimed, 0, 80);
        bytes32 hidden = "an invented leaf";
        bytes32[] memory level = _leaves(count);
        level[index] = sha256(abi.encode(hidden, hidden));
        (bytes32 root, bytes32[] memory above) = _climb(level, count, index);
        bytes32[] memory proof = new bytes32[](above.length + 1);
        proof[0] = hidden;
        for (uint256 i; i < above.length; ++i) {
            proof[i + 1] = above[i];
        }
        at = bound(at, 0, 160);
        vm.assertTrue(!this.isAt(root, hidden, uint32(at), uint32(claimed), proof), "hidden leaf");
        vm.assertTrue(!this.isAt(root, hidden, uint32(2 * index), uint32(2 * count), proof), "hidden leaf");
    }

    /// @dev The tree by its definition: pad with zero leaves to a power of two, pair up, bind the count.
    function _build(uint256 count, uint256 index)
        private
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        return _climb(_leaves(count), count, index);
    }

    function _leaves(uint256 count) private pure returns (bytes32[] memory level) {
        uint256 depth;
        while (2 ** depth < count) ++depth;
        level = new bytes32[](2 ** depth);
        for (uint256 i; i < count; ++i) {
            level[i] = sha256(abi.encode(i));
        }
    }

    function _climb(bytes32[] memory level, uint256 count, uint256 index)
        private
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        bytes32 top;
        (top, proof) = climb(level, index);
        root = sha256(abi.encode(bytes32("medfed cohort root"), count, top));
    }

    function _holds(uint256 place, bytes32[] memory proof) private view returns (bool) {
        uint256 index = vm.parseJsonUint(_trees, _at(place, "index"));
        uint256 count = vm.parseJsonUint(_trees, _at(place, "count"));
        bytes32 root = vm.parseJsonBytes32(_trees, _at(place, "root"));
        return this.isAt(root, sha256(abi.encode(index)), uint32(index), uint32(count), proof);
    }

    function _proof(uint256 place) private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(_trees, _at(place, "proof"));
    }

    function _use(uint256 place) private view returns (bytes memory) {
        return abi.encode(
            _uint(place, "chainId"),
            vm.parseJsonAddress(_json, _at(place, "contract")),
            _uint(place, "study"),
            _uint(place, "round"),
            _uint(place, "dataset")
        );
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
