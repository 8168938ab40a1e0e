// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";
import {Labels} from "./libraries/Labels.sol";

/// @dev How long a hospital has, at least, to object to another admin account.
uint256 constant ADMIN_NOTICE = 30 days;

bytes32 constant SERVICE_TYPEHASH = keccak256("Service(address hospital,uint40 deadline)");

/// @title Consortium
contract Consortium is IConsortium, AccessManaged, EIP712 {
    using Checkpoints for Checkpoints.Trace208;

    // Storage

    /// @dev Whom an operator serves, with that hospital's state, so that `servedBy` is one storage read.
    struct Service {
        address hospital;
        bool active;
    }

    /// @dev Of an account all that admitting it asks for, so that this is one storage read: its `Hospital`, if it is one, and whether it
    /// speaks for a hospital that was admitted with another account.
    struct Record {
        address operator;
        uint40 admittedAt;
        Status status;
        bool administers;
    }

    mapping(address hospital => Record) private _hospitals;
    mapping(address operator => Service) private _services;
    /// @dev Only where the admin account was replaced; `_administered` is the way back.
    mapping(address hospital => address admin) private _admins;
    mapping(address admin => address hospital) private _administered;
    mapping(address hospital => Proposal) private _proposals;
    /// @dev How often the hospital was suspended and reinstated until then: suspended while it is odd.
    // slither-disable-next-line uninitialized-state (written by the library, through a reference)
    mapping(address hospital => Checkpoints.Trace208) private _changes;

    /// @inheritdoc IConsortium
    mapping(address hospital => string name) public nameOf;
    mapping(bytes32 nameHash => address hospital) private _named;

    /// @inheritdoc IConsortium
    uint40 public lastSuspendedAt;

    // Constructor

    constructor(address authority) AccessManaged(authority) EIP712("MedFed Consortium", "1") {}

    // Consortium functions

    /// @inheritdoc IConsortium
    function admit(
        address hospital,
        address operator,
        bytes32 encryptionKey,
        bytes32 metadata,
        Pledge calldata pledge
    ) external restricted {
        require(hospital != address(0), AccountZero());
        Record storage found = _hospitals[hospital];
        require(found.status == Status.None, HospitalAlreadyAdmitted(hospital));
        // Not `require`, which would read whose it is in any case.
        if (found.administers) revert AdminTaken(hospital, _administered[hospital]);

        _appoint(hospital, hospital, operator, true, pledge);
        (found.operator, found.admittedAt, found.status) = (operator, uint40(block.timestamp), Status.Active);

        emit HospitalAdmitted(hospital, operator, encryptionKey, metadata);
    }

    /// @inheritdoc IConsortium
    function suspend(address hospital) external restricted {
        Record storage found = _hospitals[hospital];
        require(found.status == Status.Active, HospitalNotActive(hospital, found.status));

        found.status = Status.Suspended;
        _services[found.operator].active = false;
        lastSuspendedAt = uint40(block.timestamp);
        _countChange(hospital);

        emit HospitalSuspended(hospital);
    }

    /// @inheritdoc IConsortium
    function reinstate(address hospital) external restricted {
        Record storage found = _hospitals[hospital];
        require(found.status == Status.Suspended, HospitalNotSuspended(hospital, found.status));

        found.status = Status.Active;
        _services[found.operator].active = true;
        _countChange(hospital);

        emit HospitalReinstated(hospital);
    }

    /// @inheritdoc IConsortium
    function giveName(address hospital, string calldata name) external restricted {
        _requireHospital(hospital);
        Labels.requireLabel(name);
        bytes32 nameHash = keccak256(bytes(name));
        require(_named[nameHash] == address(0), NameTaken(name, _named[nameHash]));
        // Patients signed under it.
        require(bytes(nameOf[hospital]).length == 0, NameGiven(hospital));

        nameOf[hospital] = name;
        _named[nameHash] = hospital;

        emit HospitalNamed(hospital, name);
    }

    /// @inheritdoc IConsortium
    function proposeAdmin(address hospital, address admin) external restricted {
        _requireHospital(hospital);
        require(admin != address(0), AccountZero());
        _requireFree(admin);
        address serves = _services[admin].hospital;
        require(serves == address(0), OperatorTaken(admin, serves));

        uint256 effectiveAt = block.timestamp + ADMIN_NOTICE;
        _proposals[hospital] = Proposal({admin: admin, effectiveAt: uint40(effectiveAt)});

        emit AdminProposed(hospital, admin, effectiveAt);
    }

    /// @inheritdoc IConsortium
    function withdrawAdmin(address hospital) external restricted {
        address admin = _requireProposal(hospital).admin;

        delete _proposals[hospital];

        emit AdminWithdrawn(hospital, admin);
    }

    // Hospital functions

    /// @inheritdoc IConsortium
    function vetoAdmin(address hospital) external {
        address admin = _requireProposal(hospital).admin;
        (bool operator, bool active) = isOperator(hospital, msg.sender);
        require((operator && active) || msg.sender == adminOf(hospital), VetoRefused(hospital, msg.sender));

        delete _proposals[hospital];

        emit AdminVetoed(hospital, admin, msg.sender);
    }

    /// @inheritdoc IConsortium
    function acceptAdmin(address hospital) external {
        Proposal memory proposal = _requireProposal(hospital);
        require(msg.sender == proposal.admin, NotTheProposed(hospital, msg.sender));
        require(block.timestamp >= proposal.effectiveAt, NoticeRuns(hospital, proposal.effectiveAt));
        _requireFree(msg.sender);
        // Of another hospital it may have become the operator since: that is between the two, and keeps nobody from the recovery.
        require(msg.sender != _hospitals[hospital].operator, OperatorIsAdmin(hospital, msg.sender));

        address previous = adminOf(hospital);
        (_hospitals[previous].administers, _hospitals[msg.sender].administers) = (false, true);
        delete _administered[previous];
        delete _proposals[hospital];
        _admins[hospital] = msg.sender;
        _administered[msg.sender] = hospital;

        emit AdminReplaced(hospital, previous, msg.sender);
    }

    /// @inheritdoc IConsortium
    function rotateOperator(address hospital, address operator, Pledge calldata pledge) external {
        address previous = _requireAdmin(hospital).operator;

        _appoint(hospital, msg.sender, operator, _services[previous].active, pledge);
        delete _services[previous];
        _hospitals[hospital].operator = operator;

        emit OperatorRotated(hospital, previous, operator);
    }

    /// @inheritdoc IConsortium
    function rotateEncryptionKey(address hospital, bytes32 encryptionKey) external {
        _requireAdmin(hospital);

        emit EncryptionKeyRotated(hospital, encryptionKey);
    }

    /// @inheritdoc IConsortium
    function updateMetadata(address hospital, bytes32 metadata) external {
        _requireAdmin(hospital);

        emit MetadataUpdated(hospital, metadata);
    }

    // Views

    /// @inheritdoc IConsortium
    function getHospital(address hospital) external view returns (Hospital memory) {
        Record storage found = _hospitals[hospital];
        return Hospital(found.operator, found.admittedAt, found.status);
    }

    /// @inheritdoc IConsortium
    function adminOf(address account) public view returns (address admin) {
        admin = _admins[account];
        if (admin == address(0)) admin = account;
    }

    /// @inheritdoc IConsortium
    function getProposal(address hospital) external view returns (Proposal memory) {
        return _proposals[hospital];
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
    function isOperator(address hospital, address account) public view returns (bool operator, bool active) {
        Record storage found = _hospitals[hospital];
        // slither-disable-next-line incorrect-equality (addresses and states, no amounts)
        return (found.operator == account && account != address(0), found.status == Status.Active);
    }

    /// @inheritdoc IConsortium
    function wasSuspended(address hospital, uint256 from, uint256 until) external view returns (bool) {
        Checkpoints.Trace208 storage changes = _changes[hospital];
        if (changes.length() == 0 || from > until) return false;

        uint256 before = from == 0 ? 0 : _changesUntil(changes, from - 1);
        // Whoever was active before the first second was suspended first by whatever changed since, be it for a part of a second.
        return before & 1 != 0 || _changesUntil(changes, until) > before;
    }

    // Internal: checks

    function _requireHospital(address hospital) private view returns (Record storage found) {
        found = _hospitals[hospital];
        require(found.status != Status.None, HospitalUnknown(hospital));
    }

    function _requireAdmin(address hospital) private view returns (Record storage found) {
        found = _requireHospital(hospital);
        require(msg.sender == adminOf(hospital), NotTheAdmin(hospital, msg.sender));
    }

    function _requireProposal(address hospital) private view returns (Proposal memory proposal) {
        proposal = _proposals[hospital];
        require(proposal.admin != address(0), NothingProposed(hospital));
    }

    /// @dev That an account speaks for no hospital. An id whose admin account was replaced is not free again.
    function _requireFree(address admin) private view {
        // slither-disable-next-line incorrect-equality (states, no amounts)
        require(_hospitals[admin].status == Status.None, AdminTaken(admin, admin));
        require(_administered[admin] == address(0), AdminTaken(admin, _administered[admin]));
    }

    function _requirePledged(address hospital, address operator, Pledge calldata pledge) private view {
        require(block.timestamp <= pledge.deadline, PledgeExpired(operator, pledge.deadline));
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(SERVICE_TYPEHASH, hospital, pledge.deadline)));
        // slither-disable-next-line unused-return (a failed recovery gives address zero, which is nobody's operator)
        (address signer,,) = ECDSA.tryRecover(digest, pledge.r, pledge.vs);
        require(signer == operator, NotPledged(hospital, operator));
    }

    // Internal: steps

    /// @dev Nobody's account is appointed without its word: it could not serve another hospital any more.
    function _appoint(address hospital, address admin, address operator, bool active, Pledge calldata pledge)
        private
    {
        require(operator != address(0), AccountZero());
        // Nor the id of a hospital whose admin account was replaced: who calls as it locks the hospital's tokens without an allowance.
        require(operator != hospital && operator != admin, OperatorIsAdmin(hospital, operator));
        address serves = _services[operator].hospital;
        require(serves == address(0), OperatorTaken(operator, serves));
        _requirePledged(hospital, operator, pledge);

        _services[operator] = Service({hospital: hospital, active: active});
    }

    /// @dev A second change within a second replaces the first, and its count is one more.
    function _countChange(address hospital) private {
        Checkpoints.Trace208 storage changes = _changes[hospital];
        // slither-disable-next-line unused-return (what was counted before is known)
        changes.push(uint48(block.timestamp), changes.latest() + 1);
    }

    /// @dev How many changes there were when the second `at` ended.
    function _changesUntil(Checkpoints.Trace208 storage changes, uint256 at) private view returns (uint256) {
        // The cast is safe: nothing is known of later than now.
        return changes.upperLookupRecent(uint48(Math.min(at, block.timestamp)));
    }
}
