// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev A chunk has 128 big-endian words of 32 bits.
uint256 constant CHUNK_WORDS = 128;
uint256 constant CHUNK_BYTES = 512;

/// @title One chunk of a vector, checked against the vector's root
/// @notice A binary SHA-256 tree over 512-byte chunks by position, padded with zero chunks to the next power of two. The chunk count is
/// known from the study spec, so neither a level nor a length can be confused.
library ChunkTree {
    error ChunkSize(uint256 length, uint256 expected);
    error ChunkIndexOutOfRange(uint256 index, uint256 chunkCount);
    error ProofLength(uint256 length, uint256 expected);

    /// @notice Whether `chunk` stands at `index` in the vector with this root.
    /// @param proof The sibling digests, from the leaf up, 32 bytes each.
    function verify(
        bytes32 root,
        bytes calldata chunk,
        uint256 index,
        bytes calldata proof,
        uint256 chunkCount
    ) internal pure returns (bool) {
        uint256 levels = depth(chunkCount);
        require(chunk.length == CHUNK_BYTES, ChunkSize(chunk.length, CHUNK_BYTES));
        require(index < chunkCount, ChunkIndexOutOfRange(index, chunkCount));
        require(proof.length == 32 * levels, ProofLength(proof.length, 32 * levels));

        bytes32 node = sha256(chunk);
        for (uint256 level = 0; level < levels; ++level) {
            bytes32 sibling = bytes32(proof[32 * level:]);
            bool right = (index >> level) & 1 == 1;
            node = right ? sha256(bytes.concat(sibling, node)) : sha256(bytes.concat(node, sibling));
        }
        return node == root;
    }

    /// @notice How many levels lie above the leaves.
    function depth(uint256 chunkCount) internal pure returns (uint256 levels) {
        while ((uint256(1) << levels) < chunkCount) ++levels;
    }
}
