// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {SeatId} from "../types/SeatId.sol";
import {SeatSet, firstSeats} from "../types/SeatSet.sol";

/// @dev Makes the type's functions callable.
contract SeatSetHarness {
    function has(SeatSet seats, SeatId seat) external pure returns (bool) {
        return seats.has(seat);
    }

    function count(SeatSet seats) external pure returns (uint256) {
        return seats.count();
    }

    function lowest(SeatSet seats) external pure returns (SeatId) {
        return seats.lowest();
    }

    function first(uint256 members) external pure returns (SeatSet) {
        return firstSeats(members);
    }

    function toArray(SeatSet seats) external pure returns (SeatId[] memory) {
        return seats.toArray();
    }
}
