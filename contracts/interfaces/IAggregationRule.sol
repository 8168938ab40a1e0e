// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title How updates become an aggregate
/// @notice A chunk is 512 bytes: 128 big-endian words of 32 bits, each a signed number in two's complement. The header chunk before
/// a vector's words is no part of it. Contracts without storage; `medfed.learning.rules` is the twin.
interface IAggregationRule {
    /// @notice A rule needs at least one update.
    error NoUpdates();

    /// @notice A chunk has another number of bytes.
    error ChunkLength(uint256 length, uint256 expected);

    /// @notice No chunk of the aggregate follows from the same chunk of the updates alone, so none can be checked.
    error NotPerChunk();

    /// @notice Whether this is the chunk of the aggregate that belongs to the given chunks of the included updates.
    /// @dev Total: any words, any order of the updates and any number of them from one on have exactly one right answer. Padding
    /// that is zero in every update is zero in the aggregate.
    /// @param chunks One per included update, all from the same place.
    /// @param aggregate The claimed chunk from that place.
    function checkChunk(bytes[] calldata chunks, bytes calldata aggregate) external view returns (bool right);

    /// @notice Whether an update's words are multiplied by its weight. Where they are not, every hospital counts alike in the model,
    /// and a word is bounded as one of weight 1; the weight still counts for pay.
    function weighted() external pure returns (bool);

    /// @notice Whether `checkChunk` answers. Where it does not, an aggregate can be final by a quorum only.
    function perChunk() external pure returns (bool);
}
