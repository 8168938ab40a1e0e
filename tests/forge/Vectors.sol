// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CHUNK_BYTES} from "../../contracts/libraries/ChunkTree.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";

/// @dev Vectors of a header and one chunk, of which only the first eight words are not zero, and what opens them on chain.
library Vectors {
    /// @dev The words of both chunks, in order.
    struct Vector {
        bytes header;
        bytes chunk;
    }

    /// @dev The vector of a hospital, or an aggregate where `hospital` is zero.
    function make(address rounds, StudyId study, uint16 round, address hospital, bytes32 words)
        internal
        view
        returns (Vector memory)
    {
        bytes memory fields = abi.encode(block.chainid, rounds, study, round, hospital);
        return Vector(_padded(fields), _padded(abi.encode(words)));
    }

    function root(Vector memory v) internal pure returns (bytes32) {
        return sha256(abi.encode(sha256(v.header), sha256(v.chunk)));
    }

    /// @dev One of the chunks and the other's digest.
    function opening(Vector memory v, uint256 index) internal pure returns (bytes memory) {
        return index == 0 ? bytes.concat(v.header, sha256(v.chunk)) : bytes.concat(v.chunk, sha256(v.header));
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

    /// @dev Eight words of 32 bits, each added modulo 2^32.
    function add(bytes32 a, bytes32 b) internal pure returns (bytes32 sum) {
        for (uint256 shift = 0; shift < 256; shift += 32) {
            uint256 word = ((uint256(a) >> shift) + (uint256(b) >> shift)) & type(uint32).max;
            sum |= bytes32(word << shift);
        }
    }

    function _padded(bytes memory data) private pure returns (bytes memory) {
        return bytes.concat(data, new bytes(CHUNK_BYTES - data.length));
    }
}
