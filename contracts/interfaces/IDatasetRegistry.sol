// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DatasetId} from "../types/DatasetId.sol";
import {StudyId} from "../types/StudyId.sol";

/// @title Datasets of hospitals
/// @notice Commitments and counts, never a record. What a patient is shown before consenting stays as it was: a dataset's hospital, its
/// disease and what it may be used for. So a dataset does not change hands: who takes it over registers a successor under a number of its
/// own, which names its predecessor, and patients are asked anew. Registering and publishing are the daemon's, with the operator's key;
/// what cannot be undone is the admin account's.
interface IDatasetRegistry {
    /// @notice The ground in law on which patients' records may be used.
    enum Basis {
        Consent, // patients count who consented
        OptOut, // enlisted patients count, unless they objected
        Permit // as OptOut, while the dataset's issuer permits the study
    }

    /// @notice What a hospital says of a new dataset.
    struct DatasetInfo {
        bytes32 recordsRoot; // Merkle root of the record commitments
        bytes32 schemaHash; // hash of the columns
        bytes32 report; // digest of the quality report's CID
        uint24 records; // number of records
        uint32 uses; // purposes the hospital permits, as in Purposes; for good
        uint24 disease; // disease code for disease-specific use, 0 for none; for good
        uint16 quality; // 0 to 10,000
        Basis basis; // for good
        address issuer; // who permits studies, zero unless the basis is Permit; for good
    }

    /// @notice What a hospital says of a later version.
    struct VersionInfo {
        bytes32 recordsRoot; // Merkle root of the record commitments
        bytes32 schemaHash; // hash of the columns
        bytes32 report; // digest of the quality report's CID
        uint24 records; // number of records
        uint16 quality; // 0 to 10,000
    }

    /// @notice What is stored: three words.
    struct Dataset {
        bytes32 recordsRoot; // Merkle root of the record commitments
        address owner; // second word: the hospital, for good
        uint24 records; // number of records
        uint32 enrolments; // studies it is enrolled in
        uint40 updatedAt; // Unix seconds
        uint32 uses; // third word: purposes the hospital permits
        uint24 disease; // disease code
        uint16 version; // from 1
        uint16 quality; // 0 to 10,000
        DatasetId predecessor; // the dataset that it comes after, 0 for none
        bool retired; // takes no further enrolment
        Basis basis; // the ground on which it is used
    }

    /// @notice What an issuer decided of one dataset and one study: two words.
    struct Permit {
        bytes32 decision; // digest of the decision document's CID
        uint16 untilDay; // days since 1970: the permit ends when this day begins in UTC; 0 for no permit
    }

    /// @notice `hospital` has a new dataset, of version 1, which comes after `predecessor` (0 for none).
    event DatasetRegistered(
        DatasetId indexed dataset, address indexed hospital, DatasetId indexed predecessor, DatasetInfo info
    );

    /// @notice `info` is the dataset from `version` on; its uses and its disease stay.
    event DatasetPublished(DatasetId indexed dataset, uint16 version, VersionInfo info);

    /// @notice The dataset is called `title`, for good.
    event DatasetTitled(DatasetId indexed dataset, string title);

    /// @notice The dataset takes no further enrolment and no further version.
    event DatasetRetired(DatasetId indexed dataset);

    /// @notice `owner` would hand the dataset over to `hospital`, and to no other that it was offered to before.
    event DatasetOffered(DatasetId indexed dataset, address indexed owner, address indexed hospital);

    /// @notice The dataset is offered to `hospital` no more.
    event OfferWithdrawn(DatasetId indexed dataset, address indexed hospital);

    /// @notice The dataset's issuer permits its use in `study` until day `untilDay` begins, for the reasons in `decision`.
    event StudyPermitted(DatasetId indexed dataset, StudyId indexed study, bytes32 decision, uint16 untilDay);

    /// @notice The dataset's issuer permits its use in `study` no more.
    event PermitWithdrawn(DatasetId indexed dataset, StudyId indexed study);

    /// @notice `account` operates no hospital, or one that is suspended.
    error NotAnActiveOperator(address account);

    /// @notice `hospital` was never admitted, or is suspended.
    error NotAnActiveHospital(address hospital);

    /// @notice `account` does not operate the hospital that owns the dataset, or that hospital is suspended.
    error NotTheOwnersOperator(DatasetId dataset, address account);

    /// @notice `account` is not the admin account of the hospital that owns the dataset.
    error NotTheOwnersAdmin(DatasetId dataset, address account);

    /// @notice `hospital` does not own the dataset, or there is none of that number.
    error NotTheOwner(DatasetId dataset, address hospital);

    /// @notice There is no dataset of that number.
    error DatasetUnknown(DatasetId dataset);

    /// @notice A dataset has at least one record.
    error DatasetEmpty();

    /// @notice The quality score is above `limit`.
    error QualityOutOfRange(uint16 quality, uint16 limit);

    /// @notice The dataset has a title, which patients may have signed under.
    error TitleGiven(DatasetId dataset);

    /// @notice The dataset was retired, for good.
    error DatasetIsRetired(DatasetId dataset);

    /// @notice The dataset is its owner's until the `enrolments` studies that it is enrolled in have ended.
    error DatasetEnrolled(DatasetId dataset, uint32 enrolments);

    /// @notice `owner` has the dataset already.
    error OfferedToItsOwner(DatasetId dataset, address owner);

    /// @notice The dataset is offered to nobody.
    error NothingOffered(DatasetId dataset);

    /// @notice `account` is not the admin account of the hospital that the dataset is offered to.
    error NotOfferedTo(DatasetId dataset, address account);

    /// @notice A dataset has an issuer if its basis is a permit, and none if it is another.
    error IssuerDoesNotFit(Basis basis, address issuer);

    /// @notice `account` does not permit the dataset's uses.
    error NotTheIssuer(DatasetId dataset, address account);

    /// @notice A permit names the document of its decision.
    error DecisionMissing();

    /// @notice Day `untilDay` has begun already.
    error PermitPassed(uint16 untilDay);

    /// @notice The dataset's issuer does not permit its use in this study, or did so until a day that has begun.
    error StudyNotPermitted(DatasetId dataset, StudyId study);

    /// @notice The dataset may not be used for these purposes, or not for this disease.
    error UseNotPermitted(DatasetId dataset, uint32 purposes, uint24 disease);

    /// @notice Registers a dataset of the hospital that the caller operates.
    /// @dev Reverts with the errors of `Purposes.requireConsent` for `uses` that nobody could consent to.
    function register(DatasetInfo calldata info) external returns (DatasetId dataset);

    /// @notice Registers data anew of which the hospital that the caller operates has a dataset already, be it retired: to correct its
    /// disease, or what it may be used for. The predecessor stays as it is; nobody who consented to it has consented to the new one.
    function renew(DatasetId predecessor, DatasetInfo calldata info) external returns (DatasetId dataset);

    /// @notice Publishes the next version, by the operator of the owner. Studies keep the version they enrolled.
    function publish(DatasetId dataset, VersionInfo calldata info) external;

    /// @notice Gives a dataset its title, once and for good, by the operator of the owner: what patients read when they sign.
    /// @dev Reverts with the error of `Labels.requireLabel`.
    function giveTitle(DatasetId dataset, string calldata title) external;

    /// @notice No further enrolments, for good; by the owner's admin account, suspended or not. Studies that enrolled it go on.
    function retire(DatasetId dataset) external;

    /// @notice By the owner's admin account: lets an active hospital take the dataset over, instead of any it was offered to before.
    function offer(DatasetId dataset, address hospital) external;

    /// @notice By the owner's admin account: takes an offer back.
    function withdraw(DatasetId dataset) external;

    /// @notice By the admin account of the hospital that the dataset is offered to: registers its successor and retires it. Both hospitals
    /// are active, and no study has the dataset enrolled.
    /// @param info What the receiver says of the successor; its uses and its disease are asked of patients anew.
    function accept(DatasetId dataset, DatasetInfo calldata info) external returns (DatasetId successor);

    /// @notice By the dataset's issuer: permits its use in a study, in place of what was decided before.
    /// @param decision Digest of the decision document's CID.
    /// @param untilDay Days since 1970: the permit ends when this day begins in UTC.
    function permit(DatasetId dataset, StudyId study, bytes32 decision, uint16 untilDay) external;

    /// @notice By the dataset's issuer: ends a permit. Rounds that are open go on; later ones use no patient of the dataset.
    function withdrawPermit(DatasetId dataset, StudyId study) external;

    /// @notice Called by the rounds contract at enrolment: checks the owner, that the dataset's uses allow a study of these purposes and
    /// this disease, and its permit where its basis is one; counts the enrolment, tells what to pin.
    /// @param confirmed Of the study's codes that carry a parameter those that the owner says it meets; it is taken to meet no others.
    /// @dev No event here or in `unlock`: whoever calls tells of every enrolment and release itself.
    function lock(
        StudyId study,
        DatasetId dataset,
        address hospital,
        uint32 purposes,
        uint24 disease,
        uint32 confirmed
    ) external returns (uint16 version, uint24 records);

    /// @notice Called by the studies contract when an enrolment ends.
    function unlock(DatasetId dataset) external;

    /// @notice The record of a dataset; version 0 when there is none.
    function getDataset(DatasetId dataset) external view returns (Dataset memory);

    /// @notice The hospital that owns a dataset, for good. Reverts when there is none of that number.
    function ownerOf(DatasetId dataset) external view returns (address hospital);

    /// @notice What a dataset is called; empty before it has a title.
    function titleOf(DatasetId dataset) external view returns (string memory);

    /// @notice What patients read of a dataset when they sign, e.g. `dataset 3, "Breast cytology", of "Hospital A"`; without what
    /// is not given. Reverts when there is none of that number.
    /// @return text No other dataset's, as no title and no name has quotation marks.
    /// @return lasting Whether title and name are both given, which is for good.
    function describe(DatasetId dataset) external view returns (string memory text, bool lasting);

    /// @notice The dataset that this one comes after; 0 when it comes after none.
    function predecessorOf(DatasetId dataset) external view returns (DatasetId);

    /// @notice Who permits the dataset's uses; zero unless its basis is a permit.
    function issuerOf(DatasetId dataset) external view returns (address issuer);

    /// @notice What the dataset's issuer decided last of a study; all zero when it permits nothing.
    function permitOf(DatasetId dataset, StudyId study) external view returns (Permit memory);

    /// @notice The hospital that may take the dataset over; zero when it is offered to none.
    function offeredTo(DatasetId dataset) external view returns (address hospital);

    /// @notice The number of the newest dataset; ids count from 1.
    function datasetCount() external view returns (uint32);
}
