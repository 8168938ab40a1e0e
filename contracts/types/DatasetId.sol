// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The number of a dataset in the `DatasetRegistry`, counted from 1.
type DatasetId is uint32;
