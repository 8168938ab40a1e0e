// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @dev Contract wallets that harm who asks them for a signature, each in its own way.
contract FaultyWallet {
    enum Fault {
        Refuses,
        Reverts,
        BurnsGas,
        ReturnsTooMuch,
        ReturnsTooLittle
    }

    Fault public immutable fault;

    constructor(Fault fault_) {
        fault = fault_;
    }

    /// @dev Answers any call, with `isValidSignature` among them.
    fallback(bytes calldata) external returns (bytes memory answer) {
        if (fault == Fault.Reverts) revert("no");
        uint256 junk;
        while (fault == Fault.BurnsGas) ++junk;
        if (fault == Fault.ReturnsTooMuch) return new bytes(150_000);
        if (fault == Fault.ReturnsTooLittle) return hex"1626ba7e";
        return abi.encode(bytes4(0xffffffff));
    }
}
