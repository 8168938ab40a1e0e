// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAggregationRule} from "../interfaces/IAggregationRule.sol";
import {Lanes} from "../libraries/Lanes.sol";

/// @title The median, word by word
/// @notice Of an even number of updates, the mean of the two in the middle, rounded down (Yin et al. 2018, definition 1).
contract MedianRule is IAggregationRule {
    /// @inheritdoc IAggregationRule
    function checkChunk(bytes[] calldata chunks, bytes calldata aggregate)
        external
        pure
        returns (bool right)
    {
        uint256[16] memory claimed = Lanes.read(aggregate);
        uint256[16][] memory rows = Lanes.readAll(chunks);
        Lanes.sort(rows);
        uint256[16] memory low = rows[(rows.length - 1) / 2];
        uint256[16] memory high = rows[rows.length / 2];
        for (uint256 k = 0; k < 16; ++k) {
            if (Lanes.mean(low[k], high[k]) != claimed[k]) return false;
        }
        return true;
    }

    /// @inheritdoc IAggregationRule
    function weighted() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IAggregationRule
    function perChunk() external pure returns (bool) {
        return true;
    }
}
