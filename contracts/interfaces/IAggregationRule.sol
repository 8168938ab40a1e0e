// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title How updates become an aggregate, one chunk at a time
interface IAggregationRule {
    error ChunkLength(uint256 length, uint256 expected);

    /// @notice The chunk of the aggregate that belongs to the given chunks of the included updates.
    /// @param chunks One 512-byte chunk per included update, all from the same place: 128 big-endian words of 32 bits each.
    /// @return aggregate 512 bytes.
    function aggregateChunk(bytes[] calldata chunks) external pure returns (bytes memory aggregate);
}
