// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev A chunk has 128 big-endian words of 32 bits.
uint256 constant CHUNK_BYTES = 512;

/// @title One chunk of a vector, checked against the vector's root
/// @notice A binary SHA-256 tree over 512-byte chunks by position, padded with zero chunks to the next power of two. The chunk count is
/// known from the study spec, so neither a level nor a length can be confused.
library ChunkTree {
    error ChunkSize(uint256 length, uint256 expected);
    error ChunkIndexOutOfRange(uint256 index, uint256 chunkCount);
    error ProofLength(uint256 length, uint256 expected);

    /// @notice Whether `chunk` stands at `index` in the vector with this root.
    /// @param proof The sibling digests, from the leaf up.
    function verify(
        bytes32 root,
        bytes calldata chunk,
        uint256 index,
        bytes32[] calldata proof,
        uint256 chunkCount
    ) internal pure returns (bool) {
        require(chunk.length == CHUNK_BYTES, ChunkSize(chunk.length, CHUNK_BYTES));
        require(index < chunkCount, ChunkIndexOutOfRange(index, chunkCount));
        require(proof.length == depth(chunkCount), ProofLength(proof.length, depth(chunkCount)));

        bytes32 node = sha256(chunk);
        for (uint256 level = 0; level < proof.length; ++level) {
            bool right = (index >> level) & 1 == 1;
            node = right ? sha256(abi.encode(proof[level], node)) : sha256(abi.encode(node, proof[level]));
        }
        return node == root;
    }

    /// @notice How many levels lie above the leaves.
    function depth(uint256 chunkCount) internal pure returns (uint256 levels) {
        while ((uint256(1) << levels) < chunkCount) ++levels;
    }
}
