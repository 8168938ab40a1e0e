// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAggregationRule} from "../interfaces/IAggregationRule.sol";

/// @title A rule that only a quorum can decide
/// @notice For rules that look at whole updates (Multi-Krum, the geometric median; the study's spec says which): no chunk can be
/// checked on chain, so a study that takes one trusts two thirds of each round's submitters.
contract QuorumOnlyRule is IAggregationRule {
    /// @inheritdoc IAggregationRule
    function checkChunk(bytes[] calldata, bytes calldata) external pure returns (bool) {
        revert NotPerChunk();
    }

    /// @inheritdoc IAggregationRule
    function weighted() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IAggregationRule
    function perChunk() external pure returns (bool) {
        return false;
    }
}
