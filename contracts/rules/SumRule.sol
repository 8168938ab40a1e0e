// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAggregationRule} from "../interfaces/IAggregationRule.sol";
import {CHUNK_BYTES} from "../libraries/ChunkTree.sol";

/// @title The sum, word by word, modulo 2^32
contract SumRule is IAggregationRule {
    /// @dev Eight 32-bit words in a storage word: the even and the odd ones are added apart, so that no carry crosses over.
    uint256 private constant EVEN = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;

    /// @inheritdoc IAggregationRule
    function aggregateChunk(bytes[] calldata chunks) external pure returns (bytes memory aggregate) {
        bytes32[16] memory sums;
        for (uint256 i = 0; i < chunks.length; ++i) {
            require(chunks[i].length == CHUNK_BYTES, ChunkLength(chunks[i].length, CHUNK_BYTES));
            _add(sums, chunks[i]);
        }
        return abi.encodePacked(sums);
    }

    function _add(bytes32[16] memory sums, bytes calldata chunk) private pure {
        for (uint256 lane = 0; lane < 16; ++lane) {
            uint256 a = uint256(sums[lane]);
            uint256 b = uint256(bytes32(chunk[lane * 32:lane * 32 + 32]));
            unchecked {
                // Each half-lane has 32 spare bits above its word: the sum of two words needs one of them.
                uint256 even = ((a & EVEN) + (b & EVEN)) & EVEN;
                uint256 odd = (((a >> 32) & EVEN) + ((b >> 32) & EVEN)) & EVEN;
                sums[lane] = bytes32((odd << 32) | even);
            }
        }
    }
}
