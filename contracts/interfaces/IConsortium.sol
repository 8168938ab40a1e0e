// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Who is a hospital
/// @notice A hospital is known by the cold account that it was admitted with: its id, for good, and its admin account, until the key is
/// lost and the consortium, with a notice and unless the hospital objects, names another. Its operator (the daemon's hot key) and its
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

    /// @notice An operator's word that it serves a hospital: its signature over `Service(address hospital,uint40 deadline)` (EIP-712, domain
    /// "MedFed Consortium" version "1"), in the two words of ERC-2098.
    struct Pledge {
        uint40 deadline; // Unix seconds; good until then
        bytes32 r;
        bytes32 vs;
    }

    /// @notice An account that is to become a hospital's admin account. One storage word.
    struct Proposal {
        address admin; // zero for none
        uint40 effectiveAt; // Unix seconds; it may accept from then on
    }

    /// @notice `hospital` may act from now on, through `operator`. Keys and description are kept here, not in storage.
    event HospitalAdmitted(
        address indexed hospital, address indexed operator, bytes32 encryptionKey, bytes32 metadata
    );

    /// @notice `hospital` may not act until it is reinstated.
    event HospitalSuspended(address indexed hospital);

    /// @notice `hospital` may act again.
    event HospitalReinstated(address indexed hospital);

    /// @notice `admin` may become the hospital's admin account from `effectiveAt` on, in place of any account that was proposed before.
    event AdminProposed(address indexed hospital, address indexed admin, uint256 effectiveAt);

    /// @notice The consortium no longer proposes `admin`.
    event AdminWithdrawn(address indexed hospital, address indexed admin);

    /// @notice The hospital, by its account `by`, does not want `admin`.
    event AdminVetoed(address indexed hospital, address indexed admin, address by);

    /// @notice `admin` speaks for `hospital` from now on, and `previous` no longer.
    event AdminReplaced(address indexed hospital, address indexed previous, address indexed admin);

    /// @notice `operator` acts for `hospital` from now on, and `previous` no longer.
    event OperatorRotated(address indexed hospital, address indexed previous, address indexed operator);

    /// @notice What is sealed to `hospital` from now on is sealed to this X25519 public key.
    event EncryptionKeyRotated(address indexed hospital, bytes32 encryptionKey);

    /// @notice `metadata` is the digest of the CID of the hospital's new public description.
    event MetadataUpdated(address indexed hospital, bytes32 metadata);

    /// @notice The hospital is called `name`, for good.
    event HospitalNamed(address indexed hospital, string name);

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

    /// @notice `operator` is the hospital's id or its admin account: a stolen daemon key could take the hospital's tokens out.
    error OperatorIsAdmin(address hospital, address operator);

    /// @notice The operator's pledge was good until `deadline`.
    error PledgeExpired(address operator, uint256 deadline);

    /// @notice The pledge is not one of `operator` for `hospital` and this contract.
    error NotPledged(address hospital, address operator);

    /// @notice `admin` is the id or the admin account of `hospital` already: it speaks for one hospital.
    error AdminTaken(address admin, address hospital);

    /// @notice `account` is not the hospital's admin account.
    error NotTheAdmin(address hospital, address account);

    /// @notice `account` is neither the hospital's admin account nor its operator, or the operator of a suspended hospital.
    error VetoRefused(address hospital, address account);

    /// @notice No other admin account is proposed for the hospital.
    error NothingProposed(address hospital);

    /// @notice `account` is not the one that is proposed.
    error NotTheProposed(address hospital, address account);

    /// @notice The hospital has until `effectiveAt`, at least, to object.
    error NoticeRuns(address hospital, uint256 effectiveAt);

    /// @notice `hospital` has a name, which patients may have signed under.
    error NameGiven(address hospital);

    /// @notice `hospital` is called so.
    error NameTaken(string name, address hospital);

    /// @notice No hospital, admin account or operator is the zero account.
    error AccountZero();

    /// @notice Admits a hospital. Only for the consortium role.
    /// @param hospital Its cold admin account, from now on its id: it owns the hospital's datasets, stake and pay.
    /// @param operator The daemon's account; it serves one hospital only, and is another one than the admin account.
    /// @param encryptionKey X25519 public key.
    /// @param metadata Digest of the CID of its public description.
    /// @param pledge The operator's word that it serves this hospital, so that no hospital takes another's operator.
    function admit(
        address hospital,
        address operator,
        bytes32 encryptionKey,
        bytes32 metadata,
        Pledge calldata pledge
    ) external;

    /// @notice Stops a hospital from acting. Only for the consortium role. Touches neither its stake nor its pay.
    function suspend(address hospital) external;

    /// @notice Lets a suspended hospital act again. Only for the consortium role.
    function reinstate(address hospital) external;

    /// @notice Names a hospital, once and for good: what patients read when they sign. Only for the consortium role, which vouches for it.
    /// @dev Reverts with the error of `Labels.requireLabel`.
    function giveName(address hospital, string calldata name) external;

    /// @notice Proposes another admin account for a hospital that lost its key. Only for the consortium role. It may accept when the
    /// notice of 30 days is over. A new proposal takes the place of an old one, and its notice begins anew.
    /// @param admin Speaks for no hospital and operates none.
    function proposeAdmin(address hospital, address admin) external;

    /// @notice Takes a proposal back. Only for the consortium role.
    function withdrawAdmin(address hospital) external;

    /// @notice Ends a proposal, as long as nobody accepted it. Called by the hospital's present admin account, suspended or not, or by its
    /// operator while the hospital is active: a stolen operator key is a reason for suspension, and then keeps nobody from the recovery.
    function vetoAdmin(address hospital) external;

    /// @notice Called by the account that is proposed, when the notice is over: it speaks for the hospital from now on, and the previous
    /// admin account for nothing. The hospital's id stays, and all that it owns.
    function acceptAdmin(address hospital) external;

    /// @notice Called by the hospital's admin account: the daemon has another account from now on. Possible while suspended
    /// too, as a stolen key is a reason for suspension; so are the next two.
    /// @param pledge The new operator's word that it serves this hospital.
    /// @dev The previous operator is free for any hospital again.
    function rotateOperator(address hospital, address operator, Pledge calldata pledge) external;

    /// @notice Called by the hospital's admin account: another X25519 key.
    function rotateEncryptionKey(address hospital, bytes32 encryptionKey) external;

    /// @notice Called by the hospital's admin account: another public description.
    function updateMetadata(address hospital, bytes32 metadata) external;

    /// @notice The record of a hospital; `Status.None` when there is none.
    function getHospital(address hospital) external view returns (Hospital memory);

    /// @notice Who speaks for an account: the account itself, unless it is a hospital whose admin account was replaced. One storage read.
    function adminOf(address account) external view returns (address admin);

    /// @notice What a hospital is called; empty before it is named.
    function nameOf(address hospital) external view returns (string memory);

    /// @notice The admin account that is proposed for a hospital; all zero when there is none.
    function getProposal(address hospital) external view returns (Proposal memory);

    /// @notice The hospital that `operator` serves, or zero.
    function hospitalOf(address operator) external view returns (address hospital);

    /// @notice The hospital that `operator` serves, or zero, and whether that hospital is active.
    function servedBy(address operator) external view returns (address hospital, bool active);

    /// @notice Whether `account` is the hospital's operator, and whether the hospital is active. One storage read.
    function isOperator(address hospital, address account) external view returns (bool operator, bool active);

    /// @notice When a hospital was suspended last, whichever; Unix seconds, 0 for never.
    function lastSuspendedAt() external view returns (uint40);

    /// @notice Whether the hospital was suspended at any moment of the seconds `from` to `until`, these two included; not for what was
    /// never admitted. For seconds to come it tells what holds if nothing changes. One storage read if it never was suspended.
    function wasSuspended(address hospital, uint256 from, uint256 until) external view returns (bool);
}
