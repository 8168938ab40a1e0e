// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IAggregationRule} from "../interfaces/IAggregationRule.sol";
import {Lanes} from "../libraries/Lanes.sol";

/// @title The trimmed mean, word by word
/// @notice The aggregate is the sum modulo 2^32 of what is left when the `TRIM` smallest and the `TRIM` largest words are taken away;
/// divided by n - 2 TRIM it is their mean (Yin et al. 2018, definition 2). Of n <= 2 TRIM updates, (n - 1) / 2, rounded down,
/// are taken away at each end, so that one or two are left.
contract TrimmedMeanRule is IAggregationRule {
    /// @dev Of the 64 updates that a round may have, something must be left.
    uint256 private constant MOST = 31;

    /// @notice How many words are taken away at each end.
    uint256 public immutable TRIM;

    /// @notice `trim` is not between 1 and `most`.
    error TrimOutOfRange(uint256 trim, uint256 most);

    constructor(uint256 trim) {
        require(trim != 0 && trim <= MOST, TrimOutOfRange(trim, MOST));
        TRIM = trim;
    }

    /// @inheritdoc IAggregationRule
    function checkChunk(bytes[] calldata chunks, bytes calldata aggregate)
        external
        view
        returns (bool right)
    {
        uint256[16] memory claimed = Lanes.read(aggregate);
        uint256[16][] memory rows = Lanes.readAll(chunks);
        Lanes.sort(rows);
        uint256 most = (rows.length - 1) / 2;
        uint256 trim = TRIM < most ? TRIM : most;
        uint256[16] memory sums;
        for (uint256 i = trim; i < rows.length - trim; ++i) {
            Lanes.addTo(sums, rows[i]);
        }
        return Lanes.same(sums, claimed);
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
