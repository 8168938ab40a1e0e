// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev Shares are in 1/10,000.
uint256 constant BPS = 10_000;
