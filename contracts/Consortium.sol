// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";

/// @title Consortium
contract Consortium is IConsortium, AccessManaged {
    // Storage

    /// @dev Whom an operator serves, with that hospital's state, so that `servedBy` is one storage read.
    struct Service {
        address hospital;
        bool active;
    }

    mapping(address hospital => Hospital) private _hospitals;
    mapping(address operator => Service) private _services;

    // Constructor

    constructor(address authority) AccessManaged(authority) {}

    // Consortium functions

    /// @inheritdoc IConsortium
    function admit(address hospital, address operator, bytes32 encryptionKey, bytes32 metadata)
        external
        restricted
    {
        require(hospital != address(0), AccountZero());
        require(_hospitals[hospital].status == Status.None, HospitalAlreadyAdmitted(hospital));

        _appoint(hospital, operator, true);
        _hospitals[hospital] =
            Hospital({operator: operator, admittedAt: uint40(block.timestamp), status: Status.Active});

        emit HospitalAdmitted(hospital, operator, encryptionKey, metadata);
    }

    /// @inheritdoc IConsortium
    function suspend(address hospital) external restricted {
        Hospital storage found = _hospitals[hospital];
        require(found.status == Status.Active, HospitalNotActive(hospital, found.status));

        found.status = Status.Suspended;
        _services[found.operator].active = false;

        emit HospitalSuspended(hospital);
    }

    /// @inheritdoc IConsortium
    function reinstate(address hospital) external restricted {
        Hospital storage found = _hospitals[hospital];
        require(found.status == Status.Suspended, HospitalNotSuspended(hospital, found.status));

        found.status = Status.Active;
        _services[found.operator].active = true;

        emit HospitalReinstated(hospital);
    }

    // Hospital functions

    /// @inheritdoc IConsortium
    function rotateOperator(address operator) external {
        address previous = _requireHospital(msg.sender).operator;

        _appoint(msg.sender, operator, _services[previous].active);
        delete _services[previous];
        _hospitals[msg.sender].operator = operator;

        emit OperatorRotated(msg.sender, previous, operator);
    }

    /// @inheritdoc IConsortium
    function rotateEncryptionKey(bytes32 encryptionKey) external {
        _requireHospital(msg.sender);

        emit EncryptionKeyRotated(msg.sender, encryptionKey);
    }

    /// @inheritdoc IConsortium
    function updateMetadata(bytes32 metadata) external {
        _requireHospital(msg.sender);

        emit MetadataUpdated(msg.sender, metadata);
    }

    // Views

    /// @inheritdoc IConsortium
    function getHospital(address hospital) external view returns (Hospital memory) {
        return _hospitals[hospital];
    }

    /// @inheritdoc IConsortium
    function hospitalOf(address operator) external view returns (address) {
        return _services[operator].hospital;
    }

    /// @inheritdoc IConsortium
    function servedBy(address operator) external view returns (address hospital, bool active) {
        Service storage service = _services[operator];
        return (service.hospital, service.active);
    }

    /// @inheritdoc IConsortium
    function isOperator(address hospital, address account)
        external
        view
        returns (bool operator, bool active)
    {
        Hospital storage found = _hospitals[hospital];
        // slither-disable-next-line incorrect-equality (addresses and states, no amounts)
        return (found.operator == account && account != address(0), found.status == Status.Active);
    }

    // Internal

    function _appoint(address hospital, address operator, bool active) private {
        require(operator != address(0), AccountZero());
        address serves = _services[operator].hospital;
        require(serves == address(0), OperatorTaken(operator, serves));

        _services[operator] = Service({hospital: hospital, active: active});
    }

    function _requireHospital(address hospital) private view returns (Hospital memory found) {
        found = _hospitals[hospital];
        require(found.status != Status.None, HospitalUnknown(hospital));
    }
}
