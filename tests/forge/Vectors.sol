// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CHUNK_BYTES} from "../../contracts/libraries/ChunkTree.sol";

/// @dev Trees of chunks of which the first eight words may be other than zero, and what opens them on chain. The numbers of leaves are powers
/// of two; those beyond the last chunk of a vector can be filled too, as a liar would.
library Vectors {
    /// @dev What stands in the leaves of a tree.
    struct Content {
        address rounds;
        uint64 study;
        uint16 round;
        address owner; // whose vector the header says it is; zero for an aggregate
        bytes32[] heads; // the first 32 bytes of each leaf behind the header
    }

    function leaves(Content memory c) internal pure returns (uint256) {
        return c.heads.length + 1;
    }

    function leaf(Content memory c, uint256 index) internal view returns (bytes memory) {
        if (index != 0) return _padded(abi.encode(c.heads[index - 1]));
        return _padded(abi.encode(block.chainid, c.rounds, c.study, c.round, c.owner));
    }

    function root(Content memory c) internal view returns (bytes32) {
        bytes32[] memory level = _digests(c);
        while (level.length > 1) level = _above(level);
        return level[0];
    }

    /// @dev One leaf and its proof, in words of 32 bytes.
    function opening(Content memory c, uint256 index) internal view returns (bytes32[] memory) {
        bytes memory opened = leaf(c, index);
        bytes32[] memory level = _digests(c);
        while (level.length > 1) {
            opened = bytes.concat(opened, level[index ^ 1]);
            level = _above(level);
            index /= 2;
        }
        return split(opened);
    }

    /// @dev Bytes, cut into words of 32.
    function split(bytes memory data) internal pure returns (bytes32[] memory words) {
        words = new bytes32[](data.length / 32);
        for (uint256 i = 0; i < words.length; ++i) {
            assembly ("memory-safe") {
                mstore(add(add(words, 32), mul(i, 32)), mload(add(add(data, 32), mul(i, 32))))
            }
        }
    }

    /// @dev Word `lane` of eight, as the signed number that it stands for.
    function word(bytes32 head, uint256 lane) internal pure returns (int256) {
        return int32(uint32(uint256(head) >> (224 - 32 * lane)));
    }

    /// @dev The same head with another word in one lane; the number is cut to 32 bits.
    function put(bytes32 head, uint256 lane, int256 value) internal pure returns (bytes32) {
        uint256 shift = 224 - 32 * lane;
        uint256 cleared = uint256(head) & ~(uint256(type(uint32).max) << shift);
        return bytes32(cleared | uint256(uint32(uint256(value))) << shift);
    }

    function _digests(Content memory c) private view returns (bytes32[] memory level) {
        level = new bytes32[](leaves(c));
        for (uint256 i = 0; i < level.length; ++i) {
            level[i] = sha256(leaf(c, i));
        }
    }

    function _above(bytes32[] memory level) private pure returns (bytes32[] memory above) {
        above = new bytes32[](level.length / 2);
        for (uint256 i = 0; i < above.length; ++i) {
            above[i] = sha256(abi.encode(level[2 * i], level[2 * i + 1]));
        }
    }

    function _padded(bytes memory data) private pure returns (bytes memory) {
        return bytes.concat(data, new bytes(CHUNK_BYTES - data.length));
    }
}
