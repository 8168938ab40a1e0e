// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title RoundsGuarded
/// @notice What only the rounds contract may do. Its address is fixed at construction: where both need each other's, the
/// deployer computes it beforehand.
abstract contract RoundsGuarded {
    /// @notice The rounds contract.
    address public immutable ROUNDS;

    /// @notice `caller` is not the rounds contract.
    error OnlyRounds(address caller);

    constructor(address rounds) {
        ROUNDS = rounds;
    }

    modifier onlyRounds() {
        require(msg.sender == ROUNDS, OnlyRounds(msg.sender));
        _;
    }
}
