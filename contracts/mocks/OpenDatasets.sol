// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {IDatasetRegistry} from "../interfaces/IDatasetRegistry.sol";
import {DatasetId} from "../types/DatasetId.sol";

/// @dev Owners of datasets as anyone names them, without the registry's other rules.
contract OpenDatasets {
    mapping(DatasetId dataset => address) private _owners;

    function give(DatasetId dataset, address owner) external {
        _owners[dataset] = owner;
    }

    function ownerOf(DatasetId dataset) external view returns (address owner) {
        owner = _owners[dataset];
        require(owner != address(0), IDatasetRegistry.DatasetUnknown(dataset));
    }

    function describe(DatasetId dataset) external pure returns (string memory text, bool lasting) {
        return (string.concat("dataset ", Strings.toString(DatasetId.unwrap(dataset))), true);
    }
}
