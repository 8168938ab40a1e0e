// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DatasetId} from "../types/DatasetId.sol";

/// @title Datasets as owned tokens
/// @notice A dataset is an ERC-721 token of its hospital's admin account: commitments and counts, never a record. It cannot be
/// transferred while it is enrolled in a study.
interface IDatasetRegistry {
    /// @notice What a hospital says of a version of its dataset.
    struct DatasetInfo {
        bytes32 recordsRoot; // Merkle root of the record commitments
        bytes32 schemaHash; // hash of the columns
        bytes32 report; // digest of the quality report's CID
        uint32 records; // number of records
        uint32 uses; // purposes the hospital permits, as in Purposes
        uint24 disease; // disease code for disease-specific use, 0 for none
        uint16 quality; // 0 to 10,000
    }

    /// @notice What is stored: two words.
    struct Dataset {
        bytes32 recordsRoot; // Merkle root of the record commitments
        uint32 records; // number of records
        uint32 uses; // purposes the hospital permits
        uint24 disease; // disease code
        uint16 version; // from 1
        uint16 quality; // 0 to 10,000
        uint16 enrolments; // studies it is enrolled in
        uint40 updatedAt; // Unix seconds
        bool retired; // takes no further enrolment
    }

    /// @notice `hospital` owns a new dataset, of version 1.
    event DatasetRegistered(DatasetId indexed dataset, address indexed hospital, DatasetInfo info);

    /// @notice `info` is the dataset from `version` on.
    event DatasetPublished(DatasetId indexed dataset, uint16 version, DatasetInfo info);

    /// @notice The dataset takes no further enrolment and no further version.
    event DatasetRetired(DatasetId indexed dataset);

    /// @notice `account` operates no hospital, or one that is suspended.
    error NotAnActiveOperator(address account);

    /// @notice `account` does not operate the hospital that owns the dataset, or that hospital is suspended.
    error NotTheOwnersOperator(DatasetId dataset, address account);

    /// @notice `hospital` does not own the dataset, or there is none of that number.
    error NotTheOwner(DatasetId dataset, address hospital);

    /// @notice A dataset has at least one record.
    error DatasetEmpty();

    /// @notice The quality score is above `limit`.
    error QualityOutOfRange(uint16 quality, uint16 limit);

    /// @notice The dataset was retired, for good.
    error DatasetIsRetired(DatasetId dataset);

    /// @notice The dataset belongs to its owner until the `enrolments` studies that it is enrolled in have ended.
    error DatasetEnrolled(DatasetId dataset, uint16 enrolments);

    /// @notice Registers a dataset for the hospital that the caller operates; the token belongs to its admin account.
    /// @dev Reverts with the errors of `Purposes.requireConsent` for `uses` that nobody could consent to.
    function register(DatasetInfo calldata info) external returns (DatasetId dataset);

    /// @notice Publishes the next version, by the operator of the owner. Studies keep the version they enrolled.
    function publish(DatasetId dataset, DatasetInfo calldata info) external;

    /// @notice No further enrolments, for good; by the operator of the owner. Studies that enrolled it go on.
    function retire(DatasetId dataset) external;

    /// @notice Called by the rounds contract at enrolment: checks the owner, counts the enrolment, tells what to pin.
    /// @dev No event here or in `unlock`: whoever calls tells of every enrolment and release itself.
    function lock(DatasetId dataset, address hospital)
        external
        returns (uint16 version, uint32 records, uint32 uses, uint24 disease);

    /// @notice Called by the studies contract when an enrolment ends.
    function unlock(DatasetId dataset) external;

    /// @notice The record of a dataset; version 0 when there is none.
    function getDataset(DatasetId dataset) external view returns (Dataset memory);

    /// @notice The number of the newest dataset; ids count from 1.
    function datasetCount() external view returns (uint32);
}
