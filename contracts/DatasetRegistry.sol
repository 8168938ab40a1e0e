// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {Labels} from "./libraries/Labels.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {DatasetId} from "./types/DatasetId.sol";
import {StudyId} from "./types/StudyId.sol";

/// @dev The best quality score.
uint16 constant QUALITY_LIMIT = 10_000;
DatasetId constant NO_DATASET = DatasetId.wrap(0);

/// @title DatasetRegistry
contract DatasetRegistry is IDatasetRegistry, Guarded {
    // Immutables

    /// @notice Says who speaks for which hospital, and who operates it.
    IConsortium public immutable CONSORTIUM;
    /// @notice The rounds contract.
    address public immutable ROUNDS;
    /// @notice The studies contract.
    address public immutable STUDIES;

    // Storage

    /// @inheritdoc IDatasetRegistry
    uint32 public datasetCount;

    mapping(DatasetId dataset => Dataset) private _datasets;
    /// @inheritdoc IDatasetRegistry
    mapping(DatasetId dataset => address hospital) public offeredTo;
    /// @inheritdoc IDatasetRegistry
    mapping(DatasetId dataset => string title) public titleOf;
    /// @inheritdoc IDatasetRegistry
    mapping(DatasetId dataset => address issuer) public issuerOf;

    mapping(DatasetId dataset => mapping(StudyId study => Permit)) private _permits;

    // Constructor

    constructor(IConsortium consortium, address rounds, address studies) {
        CONSORTIUM = consortium;
        ROUNDS = rounds;
        STUDIES = studies;
    }

    // Functions of a hospital's operator

    /// @inheritdoc IDatasetRegistry
    function register(DatasetInfo calldata info) external returns (DatasetId dataset) {
        return _register(_requireActiveOperator(), NO_DATASET, info);
    }

    /// @inheritdoc IDatasetRegistry
    function renew(DatasetId predecessor, DatasetInfo calldata info) external returns (DatasetId dataset) {
        address hospital = _requireActiveOperator();
        require(_datasets[predecessor].owner == hospital, NotTheOwner(predecessor, hospital));

        return _register(hospital, predecessor, info);
    }

    /// @inheritdoc IDatasetRegistry
    function publish(DatasetId dataset, VersionInfo calldata info) external {
        _requireOwnersOperator(dataset);
        Dataset storage stored = _requireInUse(dataset);
        _requireVersion(info.records, info.quality);

        uint16 version = stored.version + 1;
        (stored.recordsRoot, stored.records, stored.updatedAt) =
        (info.recordsRoot, info.records, uint40(block.timestamp));
        (stored.version, stored.quality) = (version, info.quality);

        emit DatasetPublished(dataset, version, info);
    }

    /// @inheritdoc IDatasetRegistry
    function giveTitle(DatasetId dataset, string calldata title) external {
        _requireOwnersOperator(dataset);
        Labels.requireLabel(title);
        // Patients signed under it.
        require(bytes(titleOf[dataset]).length == 0, TitleGiven(dataset));

        titleOf[dataset] = title;

        emit DatasetTitled(dataset, title);
    }

    // Functions of a hospital's admin account

    /// @inheritdoc IDatasetRegistry
    function retire(DatasetId dataset) external {
        _requireOwnersAdmin(dataset);

        _retire(dataset, _requireInUse(dataset));
    }

    /// @inheritdoc IDatasetRegistry
    function offer(DatasetId dataset, address hospital) external {
        address owner = _requireOwnersAdmin(dataset);
        _requireInUse(dataset);
        require(hospital != owner, OfferedToItsOwner(dataset, owner));
        _requireActive(owner);
        _requireActive(hospital);

        offeredTo[dataset] = hospital;

        emit DatasetOffered(dataset, owner, hospital);
    }

    /// @inheritdoc IDatasetRegistry
    function withdraw(DatasetId dataset) external {
        _requireOwnersAdmin(dataset);
        address hospital = _requireOffered(dataset);

        delete offeredTo[dataset];

        emit OfferWithdrawn(dataset, hospital);
    }

    /// @inheritdoc IDatasetRegistry
    function accept(DatasetId dataset, DatasetInfo calldata info) external returns (DatasetId successor) {
        address hospital = _requireOffered(dataset);
        require(msg.sender == CONSORTIUM.adminOf(hospital), NotOfferedTo(dataset, msg.sender));
        Dataset storage stored = _datasets[dataset];
        _requireActive(stored.owner);
        _requireActive(hospital);
        // slither-disable-next-line incorrect-equality (a counter that only this contract moves)
        require(stored.enrolments == 0, DatasetEnrolled(dataset, stored.enrolments));

        _retire(dataset, stored);
        return _register(hospital, dataset, info);
    }

    // Functions of a dataset's issuer

    /// @inheritdoc IDatasetRegistry
    function permit(DatasetId dataset, StudyId study, bytes32 decision, uint16 untilDay) external {
        _requireIssuer(dataset);
        require(decision != bytes32(0), DecisionMissing());
        require(block.timestamp < uint256(untilDay) * 1 days, PermitPassed(untilDay));

        _permits[dataset][study] = Permit(decision, untilDay);

        emit StudyPermitted(dataset, study, decision, untilDay);
    }

    /// @inheritdoc IDatasetRegistry
    function withdrawPermit(DatasetId dataset, StudyId study) external {
        _requireIssuer(dataset);
        require(_permits[dataset][study].untilDay != 0, StudyNotPermitted(dataset, study));

        delete _permits[dataset][study];

        emit PermitWithdrawn(dataset, study);
    }

    // Functions of the contracts that are trusted

    /// @inheritdoc IDatasetRegistry
    function lock(
        StudyId study,
        DatasetId dataset,
        address hospital,
        uint32 purposes,
        uint24 disease,
        uint32 confirmed
    ) external only(msg.sender == ROUNDS) returns (uint16 version, uint24 records) {
        Dataset storage stored = _datasets[dataset];
        require(stored.owner == hospital, NotTheOwner(dataset, hospital));
        require(!stored.retired, DatasetIsRetired(dataset));
        Purposes.requireConfirmable(purposes, confirmed);
        uint32 met = Purposes.met(purposes, confirmed);
        require(
            Purposes.permitsStudy(stored.uses, stored.disease, met, disease),
            UseNotPermitted(dataset, met, disease)
        );
        require(
            stored.basis != Basis.Permit
                || block.timestamp < uint256(_permits[dataset][study].untilDay) * 1 days,
            StudyNotPermitted(dataset, study)
        );

        (version, records) = (stored.version, stored.records);
        stored.enrolments += 1;
    }

    /// @inheritdoc IDatasetRegistry
    function unlock(DatasetId dataset) external only(msg.sender == STUDIES) {
        _datasets[dataset].enrolments -= 1;
    }

    // Views

    /// @inheritdoc IDatasetRegistry
    function getDataset(DatasetId dataset) external view returns (Dataset memory) {
        return _datasets[dataset];
    }

    /// @inheritdoc IDatasetRegistry
    function permitOf(DatasetId dataset, StudyId study) external view returns (Permit memory) {
        return _permits[dataset][study];
    }

    /// @inheritdoc IDatasetRegistry
    function describe(DatasetId dataset) external view returns (string memory text, bool lasting) {
        string memory name = CONSORTIUM.nameOf(ownerOf(dataset));
        string memory title = titleOf[dataset];

        text = string.concat("dataset ", Strings.toString(DatasetId.unwrap(dataset)));
        if (bytes(title).length != 0) text = string.concat(text, ', "', title, '"');
        if (bytes(name).length != 0) text = string.concat(text, ', of "', name, '"');
        lasting = bytes(title).length != 0 && bytes(name).length != 0;
    }

    /// @inheritdoc IDatasetRegistry
    function predecessorOf(DatasetId dataset) external view returns (DatasetId) {
        return _datasets[dataset].predecessor;
    }

    /// @inheritdoc IDatasetRegistry
    function ownerOf(DatasetId dataset) public view returns (address owner) {
        owner = _datasets[dataset].owner;
        require(owner != address(0), DatasetUnknown(dataset));
    }

    // Internal: checks

    function _requireActiveOperator() private view returns (address hospital) {
        bool active;
        (hospital, active) = CONSORTIUM.servedBy(msg.sender);
        require(active, NotAnActiveOperator(msg.sender));
    }

    function _requireOwnersOperator(DatasetId dataset) private view {
        (bool operator, bool active) = CONSORTIUM.isOperator(ownerOf(dataset), msg.sender);
        require(operator && active, NotTheOwnersOperator(dataset, msg.sender));
    }

    function _requireOwnersAdmin(DatasetId dataset) private view returns (address owner) {
        owner = ownerOf(dataset);
        require(msg.sender == CONSORTIUM.adminOf(owner), NotTheOwnersAdmin(dataset, msg.sender));
    }

    function _requireIssuer(DatasetId dataset) private view {
        require(msg.sender == issuerOf[dataset], NotTheIssuer(dataset, msg.sender));
    }

    function _requireActive(address hospital) private view {
        // slither-disable-next-line incorrect-equality (a state, no amount)
        require(
            CONSORTIUM.getHospital(hospital).status == IConsortium.Status.Active,
            NotAnActiveHospital(hospital)
        );
    }

    function _requireInUse(DatasetId dataset) private view returns (Dataset storage stored) {
        stored = _datasets[dataset];
        require(!stored.retired, DatasetIsRetired(dataset));
    }

    /// @dev An offer ends with its dataset, so that what is offered is in use.
    function _requireOffered(DatasetId dataset) private view returns (address hospital) {
        hospital = offeredTo[dataset];
        require(hospital != address(0), NothingOffered(dataset));
    }

    function _requireVersion(uint24 records, uint16 quality) private pure {
        require(records != 0, DatasetEmpty());
        require(quality <= QUALITY_LIMIT, QualityOutOfRange(quality, QUALITY_LIMIT));
    }

    // Internal: steps

    function _register(address hospital, DatasetId predecessor, DatasetInfo calldata info)
        private
        returns (DatasetId dataset)
    {
        _requireVersion(info.records, info.quality);
        Purposes.requireConsent(info.uses);
        require(
            (info.basis == Basis.Permit) == (info.issuer != address(0)),
            IssuerDoesNotFit(info.basis, info.issuer)
        );

        dataset = DatasetId.wrap(++datasetCount);
        _datasets[dataset] = Dataset({
            recordsRoot: info.recordsRoot,
            owner: hospital,
            records: info.records,
            enrolments: 0,
            updatedAt: uint40(block.timestamp),
            uses: info.uses,
            disease: info.disease,
            version: 1,
            quality: info.quality,
            predecessor: predecessor,
            retired: false,
            basis: info.basis
        });
        if (info.basis == Basis.Permit) issuerOf[dataset] = info.issuer;

        emit DatasetRegistered(dataset, hospital, predecessor, info);
    }

    function _retire(DatasetId dataset, Dataset storage stored) private {
        stored.retired = true;
        delete offeredTo[dataset];

        emit DatasetRetired(dataset);
    }
}
