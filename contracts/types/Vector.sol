// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CHUNK_WORDS} from "../libraries/ChunkTree.sol";

/// @notice One of the vectors that an update is made of. Each is padded to whole chunks; they stand one after another.
struct Vector {
    uint32 words; // its length
    uint32 steps; // largest size of a word, per unit of weight where it is weighted
    bool weighted; // whether an update's words are multiplied by its weight
}

/// @dev The most vectors of an update.
uint256 constant VECTOR_LIMIT = 8;

/// @notice Up to eight vectors in as few words of storage as they need: three to a word, 72 bits each (words, steps, weighted from the
/// lowest bit), and their number in the highest 8 bits of the first.
struct VectorList {
    uint256[3] packed;
}

using {write, read, chunkCount} for VectorList global;

uint256 constant VECTOR_BITS = 72;
uint256 constant VECTORS_PER_WORD = 3;
uint256 constant COUNT_SHIFT = 248;

/// @dev Writes no word that stays zero. There are at most `VECTOR_LIMIT`.
function write(VectorList storage list, Vector[] calldata vectors) {
    uint256 word = vectors.length << COUNT_SHIFT;
    for (uint256 i = 0; i < vectors.length; ++i) {
        Vector calldata v = vectors[i];
        uint256 packed = uint256(v.words) | uint256(v.steps) << 32 | uint256(v.weighted ? 1 : 0) << 64;
        word |= packed << (i % VECTORS_PER_WORD) * VECTOR_BITS;
        if (i % VECTORS_PER_WORD == VECTORS_PER_WORD - 1 || i == vectors.length - 1) {
            list.packed[i / VECTORS_PER_WORD] = word;
            word = 0;
        }
    }
}

function read(VectorList storage list) view returns (Vector[] memory vectors) {
    uint256 word = list.packed[0];
    vectors = new Vector[](word >> COUNT_SHIFT);
    for (uint256 i = 0; i < vectors.length; ++i) {
        if (i != 0 && i % VECTORS_PER_WORD == 0) word = list.packed[i / VECTORS_PER_WORD];
        uint256 packed = word >> (i % VECTORS_PER_WORD) * VECTOR_BITS;
        // The casts are meant to cut.
        vectors[i] = Vector(uint32(packed), uint32(packed >> 32), packed >> 64 & 1 == 1);
    }
}

/// @notice How many chunks an update of these vectors has, its header among them.
function chunksOf(Vector[] memory vectors) pure returns (uint256 count) {
    count = 1;
    for (uint256 i = 0; i < vectors.length; ++i) {
        count += (uint256(vectors[i].words) + CHUNK_WORDS - 1) / CHUNK_WORDS;
    }
}

/// @notice `chunksOf` what is stored.
function chunkCount(VectorList storage list) view returns (uint256) {
    return chunksOf(read(list));
}

/// @notice The vector that chunk `index` of an update belongs to, and which of its words comes first; no words at all for the header
/// and beyond the last chunk.
function vectorAt(Vector[] memory vectors, uint256 index) pure returns (Vector memory vector, uint256 first) {
    uint256 start = 1;
    for (uint256 i = 0; i < vectors.length; ++i) {
        uint256 end = start + (uint256(vectors[i].words) + CHUNK_WORDS - 1) / CHUNK_WORDS;
        if (index >= start && index < end) return (vectors[i], (index - start) * CHUNK_WORDS);
        start = end;
    }
}
