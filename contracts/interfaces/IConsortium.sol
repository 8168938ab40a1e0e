// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Who is a hospital
/// @notice A hospital is known by its cold admin account, which never changes. Its operator (the daemon's hot key) and its
/// encryption key can be rotated by the admin account alone. Holds no funds.
interface IConsortium {
    enum Status {
        None, // never admitted
        Active, // may act
        Suspended // may not act until it is reinstated; others may abstain for it
    }

    /// @notice One storage word.
    struct Hospital {
        address operator; // the daemon's account
        uint40 admittedAt; // Unix seconds
        Status status;
    }

    /// @notice `hospital` may act from now on, through `operator`. Keys and description are kept here, not in storage.
    event HospitalAdmitted(
        address indexed hospital, address indexed operator, bytes32 encryptionKey, bytes32 metadata
    );

    /// @notice `hospital` may not act until it is reinstated.
    event HospitalSuspended(address indexed hospital);

    /// @notice `hospital` may act again.
    event HospitalReinstated(address indexed hospital);

    /// @notice `operator` acts for `hospital` from now on, and `previous` no longer.
    event OperatorRotated(address indexed hospital, address indexed previous, address indexed operator);

    /// @notice What is sealed to `hospital` from now on is sealed to this X25519 public key.
    event EncryptionKeyRotated(address indexed hospital, bytes32 encryptionKey);

    /// @notice `metadata` is the digest of the CID of the hospital's new public description.
    event MetadataUpdated(address indexed hospital, bytes32 metadata);

    /// @notice `hospital` was never admitted.
    error HospitalUnknown(address hospital);

    /// @notice `hospital` was admitted before, whatever its status is.
    error HospitalAlreadyAdmitted(address hospital);

    /// @notice Only an active hospital can be suspended.
    error HospitalNotActive(address hospital, Status status);

    /// @notice Only a suspended hospital can be reinstated.
    error HospitalNotSuspended(address hospital, Status status);

    /// @notice `operator` acts for `hospital` already: an operator serves one hospital.
    error OperatorTaken(address operator, address hospital);

    /// @notice Neither a hospital nor an operator is the zero account.
    error AccountZero();

    /// @notice Admits a hospital. Only for the consortium role.
    /// @param hospital Its cold admin account, from now on its id: it owns the hospital's datasets, stake and pay.
    /// @param operator The daemon's account; it serves one hospital only. Another one than the admin account, or a stolen
    /// daemon key could take the hospital's tokens out.
    /// @param encryptionKey X25519 public key.
    /// @param metadata Digest of the CID of its public description.
    function admit(address hospital, address operator, bytes32 encryptionKey, bytes32 metadata) external;

    /// @notice Stops a hospital from acting. Only for the consortium role. Touches neither its stake nor its pay.
    function suspend(address hospital) external;

    /// @notice Lets a suspended hospital act again. Only for the consortium role.
    function reinstate(address hospital) external;

    /// @notice Called by the hospital's admin account: the daemon has another account from now on. Possible while suspended
    /// too, as a stolen key is a reason for suspension; so are the next two.
    /// @dev The previous operator is free for any hospital again.
    function rotateOperator(address operator) external;

    /// @notice Called by the hospital's admin account: another X25519 key.
    function rotateEncryptionKey(bytes32 encryptionKey) external;

    /// @notice Called by the hospital's admin account: another public description.
    function updateMetadata(bytes32 metadata) external;

    /// @notice The record of a hospital; `Status.None` when there is none.
    function getHospital(address hospital) external view returns (Hospital memory);

    /// @notice The hospital that `operator` serves, or zero.
    function hospitalOf(address operator) external view returns (address hospital);

    /// @notice The hospital that `operator` serves, or zero, and whether that hospital is active.
    function servedBy(address operator) external view returns (address hospital, bool active);

    /// @notice Whether `account` is the hospital's operator, and whether the hospital is active. One storage read.
    function isOperator(address hospital, address account) external view returns (bool operator, bool active);
}
