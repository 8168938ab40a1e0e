// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {DatasetId} from "../types/DatasetId.sol";

/// @dev A contract that asks for a consent, and tells what asking costs when the registry has not been touched before.
contract ConsentReader {
    function gasOfIsActive(
        IConsentRegistry registry,
        address patient,
        DatasetId datasetId,
        uint32 purposes,
        uint32 at
    ) external view returns (bool active, uint256 used) {
        uint256 before = gasleft();
        active = registry.isActive(patient, datasetId, purposes, at);
        used = before - gasleft();
    }
}
