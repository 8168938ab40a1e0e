// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ChunkTree} from "../../contracts/libraries/ChunkTree.sol";
import {ChunkTreeHarness} from "../../contracts/mocks/ChunkTreeHarness.sol";
import {Rig, bound, climb, vm} from "./Rig.sol";

/// @dev Chunk proofs against the vectors of the Python twin, and against trees built here level by level.
contract ChunksTest is Rig {
    ChunkTreeHarness private _tree;
    string private _json;

    function setUp() external {
        _tree = new ChunkTreeHarness();
        _json = vm.readFile("tests/vectors/chunks.json");
    }

    function test_proofsOfTheTwin() external view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at(count, "root")); ++count) {
            bytes32[] memory proof = vm.parseJsonBytes32Array(_json, _at(count, "proof"));
            vm.assertTrue(_verify(count, _chunk(count), proof), "a proof of the twin was refused");
            vm.assertEq(proof.length, ChunkTree.depth(_uint(count, "chunks")));
        }
        vm.assertGe(count, 17, "too few vectors");
    }

    /// @dev One other bit in the chunk or in the proof, and nothing is proved.
    function testFuzz_anotherBitProvesNothing(uint256 place, uint256 at, uint8 bit) external view {
        place = bound(place, 0, 16);
        bytes32[] memory proof = vm.parseJsonBytes32Array(_json, _at(place, "proof"));
        bytes memory chunk = _chunk(place);
        at = bound(at, 0, chunk.length + 32 * proof.length - 1);
        bit %= 8;
        if (at < chunk.length) {
            chunk[at] ^= bytes1(uint8(1) << bit);
        } else {
            uint256 shift = ((at - chunk.length) % 32) * 8 + bit;
            proof[(at - chunk.length) / 32] ^= bytes32(uint256(1) << shift);
        }
        vm.assertTrue(!_verify(place, chunk, proof), "a wrong bit was proved");
    }

    /// @dev Every leaf of a tree is proved at its place, those beyond the last chunk too, and no chunk at another's.
    function testFuzz_everyChunkAtItsPlaceOnly(uint256 count, uint256 index, uint256 claimed, bytes32 seed)
        external
        view
    {
        count = bound(count, 1, 20);
        uint256 leaves = 2 ** ChunkTree.depth(count);
        index = bound(index, 0, leaves - 1);
        claimed = bound(claimed, 0, leaves - 1);
        if (index >= count && claimed >= count) claimed = index; // one padding leaf is like another
        bytes[] memory chunks = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            chunks[i] = _filled(keccak256(abi.encode(seed, i)));
        }
        vm.assertTrue(_isProved(chunks, index, claimed) == (claimed == index), "place");
    }

    /// @dev Whether what stands at `index` is proved at the place that is `claimed`.
    function _isProved(bytes[] memory chunks, uint256 index, uint256 claimed) private view returns (bool) {
        (bytes32 root, bytes32[] memory proof) = _build(chunks, index);
        bytes memory chunk = index < chunks.length ? chunks[index] : new bytes(512);
        return _tree.verify(root, chunk, claimed, proof, chunks.length);
    }

    /// @dev The tree by its definition: hash, pad with zero chunks to a power of two, pair up.
    function _build(bytes[] memory chunks, uint256 index)
        private
        pure
        returns (bytes32 root, bytes32[] memory proof)
    {
        uint256 depth;
        while (2 ** depth < chunks.length) ++depth;
        bytes32[] memory level = new bytes32[](2 ** depth);
        for (uint256 i; i < level.length; ++i) {
            level[i] = sha256(i < chunks.length ? chunks[i] : new bytes(512));
        }
        return climb(level, index);
    }

    function _filled(bytes32 word) private pure returns (bytes memory chunk) {
        for (uint256 i; i < 16; ++i) {
            chunk = bytes.concat(chunk, keccak256(abi.encode(word, i)));
        }
    }

    function _verify(uint256 place, bytes memory chunk, bytes32[] memory proof) private view returns (bool) {
        bytes32 root = vm.parseJsonBytes32(_json, _at(place, "root"));
        return _tree.verify(root, chunk, _uint(place, "index"), proof, _uint(place, "chunks"));
    }

    function _chunk(uint256 place) private view returns (bytes memory) {
        return vm.parseJsonBytes(_json, _at(place, "chunk"));
    }

    function _uint(uint256 place, string memory name) private view returns (uint256) {
        return vm.parseJsonUint(_json, _at(place, name));
    }

    function _at(uint256 place, string memory name) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(place), "].", name);
    }
}
