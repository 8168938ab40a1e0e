// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev A dataset of the `DatasetRegistry`: its ERC-721 token id. Counts from 1.
type DatasetId is uint32;
