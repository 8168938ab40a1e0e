// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A study's number, counted from 1.
type StudyId is uint64;
