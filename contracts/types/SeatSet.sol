// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SeatId} from "./SeatId.sol";

/// @notice Seats of one study: bit i stands for seat i.
type SeatSet is uint64;

/// @dev The most seats of a study.
uint256 constant SEAT_LIMIT = 64;
SeatSet constant NO_SEATS = SeatSet.wrap(0);

using {
    both as &,
    either as |,
    without as -,
    same as ==,
    differs as !=,
    has,
    add,
    isEmpty,
    contains,
    count,
    at,
    lowest,
    toArray
} for SeatSet global;

function both(SeatSet a, SeatSet b) pure returns (SeatSet) {
    return SeatSet.wrap(SeatSet.unwrap(a) & SeatSet.unwrap(b));
}

function either(SeatSet a, SeatSet b) pure returns (SeatSet) {
    return SeatSet.wrap(SeatSet.unwrap(a) | SeatSet.unwrap(b));
}

/// @notice The seats of `a` that are not in `b`.
function without(SeatSet a, SeatSet b) pure returns (SeatSet) {
    return SeatSet.wrap(SeatSet.unwrap(a) & ~SeatSet.unwrap(b));
}

function same(SeatSet a, SeatSet b) pure returns (bool) {
    return SeatSet.unwrap(a) == SeatSet.unwrap(b);
}

function differs(SeatSet a, SeatSet b) pure returns (bool) {
    return SeatSet.unwrap(a) != SeatSet.unwrap(b);
}

/// @notice The set of one seat; empty for a number that no seat has.
function setOf(SeatId seat) pure returns (SeatSet) {
    // A shift by 64 or more gives zero.
    return SeatSet.wrap(uint64(1) << SeatId.unwrap(seat));
}

/// @notice The first `members` seats.
function firstSeats(uint256 members) pure returns (SeatSet) {
    // The cast is safe: members is at most 64.
    return SeatSet.wrap(uint64((uint256(1) << members) - 1));
}

function has(SeatSet seats, SeatId seat) pure returns (bool) {
    return SeatSet.unwrap(seats) & (uint64(1) << SeatId.unwrap(seat)) != 0;
}

function add(SeatSet seats, SeatId seat) pure returns (SeatSet) {
    return either(seats, setOf(seat));
}

function isEmpty(SeatSet seats) pure returns (bool) {
    return SeatSet.unwrap(seats) == 0;
}

/// @notice Whether all of `part` are in `seats`.
function contains(SeatSet seats, SeatSet part) pure returns (bool) {
    return SeatSet.unwrap(part) & ~SeatSet.unwrap(seats) == 0;
}

/// @notice How many seats there are in a set.
/// @dev Adds neighbouring counts in parallel: pairs, nibbles, bytes, then all bytes by one multiplication.
function count(SeatSet seats) pure returns (uint256) {
    unchecked {
        // Nothing overflows: each lane is wide enough for its count, and the last product is meant to drop its high bits.
        uint256 x = SeatSet.unwrap(seats);
        x = x - ((x >> 1) & 0x5555555555555555);
        x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
        x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
        return ((x * 0x0101010101010101) >> 56) & 0xff;
    }
}

/// @notice The seat at `position` of a set, from 0 in ascending order; there must be so many.
function at(SeatSet seats, uint256 position) pure returns (SeatId seat) {
    for (uint8 i = 0; i < SEAT_LIMIT; ++i) {
        seat = SeatId.wrap(i);
        if (!has(seats, seat)) continue;
        if (position == 0) return seat;
        --position;
    }
}

/// @notice The first seat of a set, 64 for an empty one.
function lowest(SeatSet seats) pure returns (SeatId) {
    unchecked {
        uint64 x = SeatSet.unwrap(seats);
        // Below the lowest bit, `~x` and `x - 1` are all ones; zero minus one is meant to wrap. The cast is safe.
        return SeatId.wrap(uint8(count(SeatSet.wrap(~x & (x - 1)))));
    }
}

/// @notice The seats of a set in ascending order.
function toArray(SeatSet seats) pure returns (SeatId[] memory list) {
    list = new SeatId[](count(seats));
    uint256 found;
    for (uint8 i = 0; found < list.length; ++i) {
        if (has(seats, SeatId.wrap(i))) list[found++] = SeatId.wrap(i);
    }
}
