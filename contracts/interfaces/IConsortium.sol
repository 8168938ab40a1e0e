// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Who is a hospital
/// @notice A hospital is known by its cold admin account, which never changes. Its operator (the daemon's hot key) and its
/// encryption key can be rotated by the admin account alone. Holds no funds.
interface IConsortium {
    enum Status {
        None, // never admitted
        Active, // may act
        Suspended // may finish nothing and start nothing until it is reinstated
    }

    /// @notice One storage word.
    struct Hospital {
        address operator; // the daemon's account
        uint40 admittedAt; // Unix seconds
        Status status;
    }

    event HospitalAdmitted(
        address indexed hospital, address indexed operator, bytes32 encryptionKey, bytes32 metadata
    );
    event HospitalSuspended(address indexed hospital);
    event HospitalReinstated(address indexed hospital);
    event OperatorRotated(address indexed hospital, address indexed previous, address indexed operator);
    event EncryptionKeyRotated(address indexed hospital, bytes32 encryptionKey);
    event MetadataUpdated(address indexed hospital, bytes32 metadata);

    error HospitalUnknown(address hospital);
    error HospitalAlreadyAdmitted(address hospital);
    error HospitalNotActive(address hospital, Status status);
    error HospitalNotSuspended(address hospital, Status status);
    error OperatorTaken(address operator, address hospital);
    error AccountZero();

    /// @notice Admits a hospital. Only for the consortium role.
    /// @param hospital Its cold admin account, from now on its id.
    /// @param operator The daemon's account; it serves one hospital only.
    /// @param encryptionKey X25519 public key.
    /// @param metadata Digest of the CID of its public description.
    function admit(address hospital, address operator, bytes32 encryptionKey, bytes32 metadata) external;

    /// @notice Stops a hospital from acting. Only for the consortium role. Touches no stake and no pay.
    function suspend(address hospital) external;

    /// @notice Lets a suspended hospital act again. Only for the consortium role.
    function reinstate(address hospital) external;

    /// @notice Called by the hospital's admin account: the daemon has another account from now on.
    function rotateOperator(address operator) external;

    /// @notice Called by the hospital's admin account: another X25519 key.
    function rotateEncryptionKey(bytes32 encryptionKey) external;

    /// @notice Called by the hospital's admin account: another public description.
    function updateMetadata(bytes32 metadata) external;

    /// @notice The record of a hospital; `Status.None` when there is none.
    function getHospital(address hospital) external view returns (Hospital memory);

    /// @notice The hospital that `operator` serves, or zero.
    function hospitalOf(address operator) external view returns (address hospital);

    /// @notice Whether `account` is the hospital's operator, and whether the hospital is active. One storage read.
    function isOperator(address hospital, address account) external view returns (bool operator, bool active);
}
