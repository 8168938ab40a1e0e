// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Bitmaps of seats
/// @notice Bit i stands for seat i.
library Seats {
    /// @dev The most seats of a study.
    uint256 internal constant LIMIT = 64;

    /// @notice The bitmap of one seat.
    function bit(uint8 seat) internal pure returns (uint64) {
        // A shift by 64 or more gives zero, which no bitmap contains.
        return uint64(1) << seat;
    }

    /// @notice Whether `seats` contains `seat`.
    function has(uint64 seats, uint8 seat) internal pure returns (bool) {
        return seats & bit(seat) != 0;
    }

    /// @notice How many seats there are in a bitmap.
    /// @dev Adds neighbouring counts in parallel: pairs, nibbles, bytes, then all bytes by one multiplication.
    function count(uint64 seats) internal pure returns (uint256) {
        unchecked {
            // Nothing overflows: each lane is wide enough for its count, and the last product is meant to drop its high bits.
            uint256 x = seats;
            x = x - ((x >> 1) & 0x5555555555555555);
            x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
            x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
            return ((x * 0x0101010101010101) >> 56) & 0xff;
        }
    }

    /// @notice The seat at `place` in a bitmap, from 0 in ascending order; there must be so many.
    function at(uint64 seats, uint256 place) internal pure returns (uint8 seat) {
        for (; seat < LIMIT; ++seat) {
            if (!has(seats, seat)) continue;
            if (place == 0) return seat;
            --place;
        }
    }

    /// @notice The first seat of a bitmap, 64 for an empty one.
    function lowest(uint64 seats) internal pure returns (uint8) {
        unchecked {
            // Below the lowest bit, `~seats` and `seats - 1` are all ones; zero minus one is meant to wrap. The cast is safe.
            return uint8(count(~seats & (seats - 1)));
        }
    }

    /// @notice The bitmap of the first `members` seats.
    function first(uint256 members) internal pure returns (uint64) {
        // The cast is safe: members is at most 64.
        return uint64((uint256(1) << members) - 1);
    }
}
