// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev A chunk has 128 big-endian words of 32 bits.
uint256 constant CHUNK_WORDS = 128;
uint256 constant CHUNK_BYTES = 512;

/// @title One chunk of a vector, checked against the vector's root
/// @notice A binary SHA-256 tree over 512-byte chunks by position, padded with zero chunks to the next power of two. The chunk count is
/// known from the study's terms, so neither a level nor a length can be confused. Every leaf can be opened, also those of the padding.
library ChunkTree {
    error ChunkSize(uint256 length, uint256 expected);
    error ChunkIndexOutOfRange(uint256 index, uint256 leaves);
    error ProofLength(uint256 length, uint256 expected);

    /// @notice Whether `chunk` stands at `index` in the vector with this root.
    /// @param proof The sibling digests, from the leaf up.
    function verify(
        bytes32 root,
        bytes memory chunk,
        uint256 index,
        bytes32[] calldata proof,
        uint256 chunkCount
    ) internal pure returns (bool) {
        uint256 levels = depth(chunkCount);
        require(chunk.length == CHUNK_BYTES, ChunkSize(chunk.length, CHUNK_BYTES));
        requireIndex(index, chunkCount);
        require(proof.length == levels, ProofLength(proof.length, levels));
        return rootOf(chunk, index, proof) == root;
    }

    /// @notice The root of the vector in which `chunk` stands at `index`, so far as the proof tells. Whoever calls this has seen to the
    /// chunk's size, the index and the proof's length.
    function rootOf(bytes memory chunk, uint256 index, bytes32[] calldata proof)
        internal
        pure
        returns (bytes32)
    {
        return climb(sha256(chunk), index, proof);
    }

    /// @notice The root above the `node` at `index` of the lowest level, so far as the proof tells.
    function climb(bytes32 node, uint256 index, bytes32[] calldata proof) internal pure returns (bytes32) {
        // Nothing overflows: the level stays below the proof's length. The lowest bit left of the index tells the side.
        unchecked {
            for (uint256 level = 0; level < proof.length; ++level) {
                bytes32 sibling = proof[level];
                (bytes32 left, bytes32 right) = index & 1 == 0 ? (node, sibling) : (sibling, node);
                node = sha256(abi.encode(left, right));
                index >>= 1;
            }
        }
        return node;
    }

    /// @notice Reverts unless the tree of so many chunks has a leaf at `index`.
    function requireIndex(uint256 index, uint256 chunkCount) internal pure {
        uint256 leaves = uint256(1) << depth(chunkCount);
        require(index < leaves, ChunkIndexOutOfRange(index, leaves));
    }

    /// @notice How many levels lie above the leaves.
    function depth(uint256 chunkCount) internal pure returns (uint256 levels) {
        while ((uint256(1) << levels) < chunkCount) ++levels;
    }
}
