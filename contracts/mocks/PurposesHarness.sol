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

    function requireConsent(uint32 purposes) external pure {
        Purposes.requireConsent(purposes);
    }

    function requireRequest(uint32 purposes) external pure {
        Purposes.requireRequest(purposes);
    }
}
