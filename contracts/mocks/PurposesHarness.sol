// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Purposes} from "../libraries/Purposes.sol";

/// @dev The library's functions, callable from outside.
contract PurposesHarness {
    function permits(uint32 consented, uint32 requested) external pure returns (bool) {
        return Purposes.permits(consented, requested);
    }

    function permitsStudy(uint32 uses, uint24 disease, uint32 requested, uint24 requestedDisease)
        external
        pure
        returns (bool)
    {
        return Purposes.permitsStudy(uses, disease, requested, requestedDisease);
    }

    function narrows(uint32 from, uint32 to) external pure returns (bool) {
        return Purposes.narrows(from, to);
    }

    function asked(uint32 requested, uint24 disease, uint24 requestedDisease) external pure returns (uint32) {
        return Purposes.asked(requested, disease, requestedDisease);
    }

    function met(uint32 requested, uint32 confirmed) external pure returns (uint32) {
        return Purposes.met(requested, confirmed);
    }

    function toByte(uint32 purposes) external pure returns (uint8) {
        return Purposes.toByte(purposes);
    }

    function fromByte(uint8 conditions) external pure returns (uint32) {
        return Purposes.fromByte(conditions);
    }

    /// @dev Three bits for each pair: 1 for `permits`, 2 for `narrows`, 4 for `permitsStudy` of what is met with `confirmed`;
    /// disease 1 for the dataset, 1 or 2 for the study, as `confirmed` is even or odd.
    function judge(uint32[] calldata left, uint32[] calldata right, uint32[] calldata confirmed)
        external
        pure
        returns (bytes memory answers)
    {
        answers = new bytes(left.length);
        for (uint256 i = 0; i < left.length; ++i) {
            uint256 answer = Purposes.permits(left[i], right[i]) ? 1 : 0;
            if (Purposes.narrows(left[i], right[i])) answer |= 2;
            uint32 asks = Purposes.met(right[i], confirmed[i]);
            if (Purposes.permitsStudy(left[i], 1, asks, uint24(confirmed[i] & 1) + 1)) answer |= 4;
            answers[i] = bytes1(uint8(answer));
        }
    }

    function requireConsent(uint32 purposes) external pure {
        Purposes.requireConsent(purposes);
    }

    function requireRequest(uint32 purposes) external pure {
        Purposes.requireRequest(purposes);
    }

    function requireConfirmable(uint32 requested, uint32 confirmed) external pure {
        Purposes.requireConfirmable(requested, confirmed);
    }
}
