// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A round's number in its study, counted from 1; 0 is no round.
type RoundId is uint16;

using {next, equals as ==, differs as !=, isBefore as <, isNone} for RoundId global;

/// @dev A study's terms keep all its rounds below the largest number, so that this reverts for nobody.
function next(RoundId round) pure returns (RoundId) {
    return RoundId.wrap(RoundId.unwrap(round) + 1);
}

function equals(RoundId a, RoundId b) pure returns (bool) {
    return RoundId.unwrap(a) == RoundId.unwrap(b);
}

function differs(RoundId a, RoundId b) pure returns (bool) {
    return RoundId.unwrap(a) != RoundId.unwrap(b);
}

function isBefore(RoundId a, RoundId b) pure returns (bool) {
    return RoundId.unwrap(a) < RoundId.unwrap(b);
}

function isNone(RoundId round) pure returns (bool) {
    return RoundId.unwrap(round) == 0;
}
