// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice What a consent may say beyond its word, in one: which records it is about, and what the patient read. 0 says nothing.
/// @dev From the highest bits: uint16 calendar year of the earliest clinical date, inclusive (0 for no bound); uint16 of
/// the latest, inclusive (0 for no bound); bytes28 head of the SHA-256 of the blank form's file (0 for none).
type Details is bytes32;

/// @dev A last year that no window has.
uint16 constant NO_LAST_YEAR = type(uint16).max;

using {isNothing, firstYear, lastYear, form, isWindow, isWithin} for Details global;

function isNothing(Details details) pure returns (bool) {
    return Details.unwrap(details) == 0;
}

function firstYear(Details details) pure returns (uint16) {
    return uint16(bytes2(Details.unwrap(details)));
}

/// @dev NO_LAST_YEAR where there is no bound.
function lastYear(Details details) pure returns (uint16 year) {
    year = uint16(bytes2(Details.unwrap(details) << 16));
    if (year == 0) year = NO_LAST_YEAR;
}

function form(Details details) pure returns (bytes28) {
    return bytes28(Details.unwrap(details) << 32);
}

/// @dev Whether some year lies in it. One that names NO_LAST_YEAR is refused, so that no bound is written one way only.
function isWindow(Details details) pure returns (bool) {
    return details.firstYear() <= details.lastYear()
        && uint16(bytes2(Details.unwrap(details) << 16)) != NO_LAST_YEAR;
}

/// @dev Whether these are about no other records than `wider`, and name the same form.
function isWithin(Details details, Details wider) pure returns (bool) {
    return wider.firstYear() <= details.firstYear() && details.lastYear() <= wider.lastYear()
        && details.form() == wider.form();
}
