// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAggregationRule} from "../interfaces/IAggregationRule.sol";
import {Lanes} from "../libraries/Lanes.sol";

/// @title The sum, word by word
/// @notice Modulo 2^32. Divided by the total weight, the sum of weighted updates is their weighted mean.
contract SumRule is IAggregationRule {
    /// @inheritdoc IAggregationRule
    function checkChunk(bytes[] calldata chunks, bytes calldata aggregate)
        external
        pure
        returns (bool right)
    {
        require(chunks.length != 0, NoUpdates());
        uint256[16] memory claimed = Lanes.read(aggregate);
        uint256[16] memory sums;
        for (uint256 i = 0; i < chunks.length; ++i) {
            Lanes.addTo(sums, Lanes.read(chunks[i]));
        }
        return Lanes.same(sums, claimed);
    }

    /// @inheritdoc IAggregationRule
    function weighted() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IAggregationRule
    function perChunk() external pure returns (bool) {
        return true;
    }
}
