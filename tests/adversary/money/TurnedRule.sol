// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAggregationRule} from "../../../contracts/interfaces/IAggregationRule.sol";

/// @notice A sponsor's own rule: everything is right until it is turned, and nothing from then on.
contract TurnedRule is IAggregationRule {
    bool public turned;

    function turn() external {
        turned = true;
    }

    function checkChunk(bytes[] calldata, bytes calldata) external view returns (bool right) {
        return !turned;
    }

    function weighted() external pure returns (bool) {
        return true;
    }

    function perChunk() external pure returns (bool) {
        return true;
    }
}
