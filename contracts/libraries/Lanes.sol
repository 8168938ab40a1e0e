// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAggregationRule} from "../interfaces/IAggregationRule.sol";
import {CHUNK_BYTES} from "./ChunkTree.sol";

/// @title Arithmetic on eight signed words at once
/// @notice A lane is 32 of 256 bits and holds a number in two's complement; a chunk is sixteen times eight lanes. What one lane comes
/// to never depends on another.
/// @dev Arithmetic is `unchecked`, as it is modulo 2^32 in each lane: top bits are kept apart, so that no carry or borrow leaves its
/// lane. What is done for all of a chunk is written out sixteen times: a loop would pay three times as much for its bounds.
library Lanes {
    /// @dev The lowest and the highest bit of every lane.
    uint256 private constant ONE = 0x0000000100000001000000010000000100000001000000010000000100000001;
    uint256 private constant TOP = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant REST = ~TOP;

    /// @notice The words of a chunk.
    function read(bytes calldata chunk) internal pure returns (uint256[16] memory) {
        require(chunk.length == CHUNK_BYTES, IAggregationRule.ChunkLength(chunk.length, CHUNK_BYTES));
        return abi.decode(chunk, (uint256[16]));
    }

    /// @notice The words of all chunks, of which there must be one.
    function readAll(bytes[] calldata chunks) internal pure returns (uint256[16][] memory rows) {
        require(chunks.length != 0, IAggregationRule.NoUpdates());
        rows = new uint256[16][](chunks.length);
        for (uint256 i = 0; i < chunks.length; ++i) {
            rows[i] = read(chunks[i]);
        }
    }

    /// @notice Whether two chunks are the same.
    function same(uint256[16] memory a, uint256[16] memory b) internal pure returns (bool equal) {
        assembly ("memory-safe") {
            equal := eq(keccak256(a, CHUNK_BYTES), keccak256(b, CHUNK_BYTES))
        }
    }

    /// @notice The sum modulo 2^32.
    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            return ((a & REST) + (b & REST)) ^ ((a ^ b) & TOP);
        }
    }

    /// @notice The mean of two numbers, rounded down.
    function mean(uint256 a, uint256 b) internal pure returns (uint256) {
        // a + b = 2 (a & b) + (a ^ b); the halved difference keeps its sign.
        uint256 odd = a ^ b;
        return add(a & b, ((odd & ~ONE) >> 1) | (odd & TOP));
    }

    /// @notice The smaller and the larger number.
    function inOrder(uint256 a, uint256 b) internal pure returns (uint256 low, uint256 high) {
        unchecked {
            // A lane's top bit stands unless its lower 31 bits have to borrow it.
            uint256 lent = (a | TOP) - (b & REST);
            uint256 top = ((b & ~a) | (lent & ~(a ^ b))) & TOP; // where a >= b
            uint256 swapped = (a ^ b) & (top | (top - (top >> 31)));
            return (a ^ swapped, b ^ swapped);
        }
    }

    /// @notice Adds `words` to `sums`.
    function addTo(uint256[16] memory sums, uint256[16] memory words) internal pure {
        sums[0] = add(sums[0], words[0]);
        sums[1] = add(sums[1], words[1]);
        sums[2] = add(sums[2], words[2]);
        sums[3] = add(sums[3], words[3]);
        sums[4] = add(sums[4], words[4]);
        sums[5] = add(sums[5], words[5]);
        sums[6] = add(sums[6], words[6]);
        sums[7] = add(sums[7], words[7]);
        sums[8] = add(sums[8], words[8]);
        sums[9] = add(sums[9], words[9]);
        sums[10] = add(sums[10], words[10]);
        sums[11] = add(sums[11], words[11]);
        sums[12] = add(sums[12], words[12]);
        sums[13] = add(sums[13], words[13]);
        sums[14] = add(sums[14], words[14]);
        sums[15] = add(sums[15], words[15]);
    }

    /// @notice Sorts each word over all rows, the smallest first.
    /// @dev Batcher's merge exchange (Knuth, The Art of Computer Programming, vol. 3, 5.2.2, algorithm M, whose names these are):
    /// which rows are compared does not depend on what they hold. 63 comparisons for 16 rows, 543 for 64.
    function sort(uint256[16][] memory rows) internal pure {
        uint256 count = rows.length;
        uint256 top = 1;
        while (top * 2 < count) top *= 2;
        for (uint256 p = top; p > 0; p /= 2) {
            (uint256 q, uint256 r, uint256 d) = (top, 0, p);
            while (true) {
                for (uint256 i = 0; i + d < count; ++i) {
                    if (i & p == r) _exchange(rows[i], rows[i + d]);
                }
                if (q == p) break;
                (d, q, r) = (q - p, q / 2, p);
            }
        }
    }

    function _exchange(uint256[16] memory a, uint256[16] memory b) private pure {
        (a[0], b[0]) = inOrder(a[0], b[0]);
        (a[1], b[1]) = inOrder(a[1], b[1]);
        (a[2], b[2]) = inOrder(a[2], b[2]);
        (a[3], b[3]) = inOrder(a[3], b[3]);
        (a[4], b[4]) = inOrder(a[4], b[4]);
        (a[5], b[5]) = inOrder(a[5], b[5]);
        (a[6], b[6]) = inOrder(a[6], b[6]);
        (a[7], b[7]) = inOrder(a[7], b[7]);
        (a[8], b[8]) = inOrder(a[8], b[8]);
        (a[9], b[9]) = inOrder(a[9], b[9]);
        (a[10], b[10]) = inOrder(a[10], b[10]);
        (a[11], b[11]) = inOrder(a[11], b[11]);
        (a[12], b[12]) = inOrder(a[12], b[12]);
        (a[13], b[13]) = inOrder(a[13], b[13]);
        (a[14], b[14]) = inOrder(a[14], b[14]);
        (a[15], b[15]) = inOrder(a[15], b[15]);
    }
}
