// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Guarded
/// @notice What only certain contracts of the same deployment may do. Their addresses are fixed at construction: where two need each
/// other's, the deployer computes them beforehand.
abstract contract Guarded {
    /// @notice `caller` is none of the contracts that may do this.
    error CallerNotTrusted(address caller);

    /// @param trusted Whether the caller is one of them.
    modifier only(bool trusted) {
        _requireTrusted(trusted);
        _;
    }

    function _requireTrusted(bool trusted) internal view {
        require(trusted, CallerNotTrusted(msg.sender));
    }
}
