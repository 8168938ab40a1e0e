// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {DatasetId} from "./types/DatasetId.sol";

/// @dev The best quality score.
uint16 constant QUALITY_LIMIT = 10_000;

/// @title DatasetRegistry
contract DatasetRegistry is IDatasetRegistry, ERC721, Guarded {
    // Immutables

    /// @notice Says who operates which hospital.
    IConsortium public immutable CONSORTIUM;
    /// @notice The rounds contract.
    address public immutable ROUNDS;
    /// @notice The studies contract.
    address public immutable STUDIES;

    // Storage

    /// @inheritdoc IDatasetRegistry
    uint32 public datasetCount;

    mapping(DatasetId dataset => Dataset) private _datasets;

    // Constructor

    constructor(IConsortium consortium, address rounds, address studies) ERC721("MedFed Dataset", "MFD") {
        CONSORTIUM = consortium;
        ROUNDS = rounds;
        STUDIES = studies;
    }

    // Hospital functions

    /// @inheritdoc IDatasetRegistry
    function register(DatasetInfo calldata info) external returns (DatasetId dataset) {
        (address hospital, bool active) = CONSORTIUM.servedBy(msg.sender);
        require(active, NotAnActiveOperator(msg.sender));

        dataset = DatasetId.wrap(++datasetCount);
        _write(dataset, info, 1, 0);
        // Not _safeMint: the owner is an account that the consortium admitted, and no foreign code needs to run here.
        _mint(hospital, DatasetId.unwrap(dataset));

        emit DatasetRegistered(dataset, hospital, info);
    }

    /// @inheritdoc IDatasetRegistry
    function publish(DatasetId dataset, DatasetInfo calldata info) external {
        _requireOwnersOperator(dataset);
        Dataset storage stored = _datasets[dataset];
        require(!stored.retired, DatasetIsRetired(dataset));

        uint16 version = stored.version + 1;
        _write(dataset, info, version, stored.enrolments);

        emit DatasetPublished(dataset, version, info);
    }

    /// @inheritdoc IDatasetRegistry
    function retire(DatasetId dataset) external {
        _requireOwnersOperator(dataset);
        require(!_datasets[dataset].retired, DatasetIsRetired(dataset));

        _datasets[dataset].retired = true;

        emit DatasetRetired(dataset);
    }

    // Functions of the contracts that are trusted

    /// @inheritdoc IDatasetRegistry
    function lock(DatasetId dataset, address hospital)
        external
        only(msg.sender == ROUNDS)
        returns (uint16 version, uint32 records, uint32 uses, uint24 disease)
    {
        require(_ownerOf(DatasetId.unwrap(dataset)) == hospital, NotTheOwner(dataset, hospital));
        Dataset storage stored = _datasets[dataset];
        require(!stored.retired, DatasetIsRetired(dataset));

        (version, records, uses, disease) = (stored.version, stored.records, stored.uses, stored.disease);
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

    // Internal

    function _write(DatasetId dataset, DatasetInfo calldata info, uint16 version, uint16 enrolments) private {
        require(info.records != 0, DatasetEmpty());
        require(info.quality <= QUALITY_LIMIT, QualityOutOfRange(info.quality, QUALITY_LIMIT));
        Purposes.requireConsent(info.uses);

        _datasets[dataset] = Dataset({
            recordsRoot: info.recordsRoot,
            records: info.records,
            uses: info.uses,
            disease: info.disease,
            version: version,
            quality: info.quality,
            enrolments: enrolments,
            updatedAt: uint40(block.timestamp),
            retired: false
        });
    }

    function _requireOwnersOperator(DatasetId dataset) private view {
        address owner = _requireOwned(DatasetId.unwrap(dataset));
        (bool operator, bool active) = CONSORTIUM.isOperator(owner, msg.sender);
        require(operator && active, NotTheOwnersOperator(dataset, msg.sender));
    }

    /// @dev A hospital whose admin key was replaced is spoken for by the new one; what the old one approved counts no more.
    function _isAuthorized(address owner, address spender, uint256 tokenId)
        internal
        view
        override
        returns (bool)
    {
        address admin = CONSORTIUM.adminOf(owner);
        return spender == admin || (admin == owner && super._isAuthorized(owner, spender, tokenId));
    }

    function _update(address to, uint256 tokenId, address auth) internal override returns (address) {
        // The cast is safe: a token is minted as a uint32, and what does not exist is refused below, whatever is read here.
        DatasetId dataset = DatasetId.wrap(uint32(tokenId));
        uint16 enrolments = _datasets[dataset].enrolments;
        // slither-disable-next-line incorrect-equality (a counter that only this contract moves)
        require(enrolments == 0, DatasetEnrolled(dataset, enrolments));

        return super._update(to, tokenId, auth);
    }
}
