// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Seats} from "../libraries/Seats.sol";

/// @dev Makes the library callable.
contract SeatsHarness {
    function has(uint64 seats, uint8 seat) external pure returns (bool) {
        return Seats.has(seats, seat);
    }

    function count(uint64 seats) external pure returns (uint256) {
        return Seats.count(seats);
    }

    function lowest(uint64 seats) external pure returns (uint8) {
        return Seats.lowest(seats);
    }

    function first(uint256 members) external pure returns (uint64) {
        return Seats.first(members);
    }
}
