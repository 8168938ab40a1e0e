// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A hospital's place in a study, counted from 0, and its bit in every `SeatSet`.
type SeatId is uint8;

using {equals as ==} for SeatId global;

function equals(SeatId a, SeatId b) pure returns (bool) {
    return SeatId.unwrap(a) == SeatId.unwrap(b);
}
