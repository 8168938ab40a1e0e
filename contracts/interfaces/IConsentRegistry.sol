// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DatasetId} from "../types/DatasetId.sol";

/// @title Who consents to what
/// @notice Which patient consents to which use of which dataset, now and at every past second. Patients are pseudonymous
/// accounts; one that is fresh for each dataset cannot be linked. Nobody owns or pauses this contract, and it holds no funds.
/// @dev One word per (patient, dataset) holds the latest consent, one word per patient the latest revoke-all. Each carries
/// the hash of its predecessor, so that any past second can be judged from words that the caller shows.
///
/// A consent is active at second t iff grantedAt <= t < revokedAt, t lies before the expiry, its purposes permit the
/// request, and no revoke-all lies in [grantedAt, t]. What counts for a second is how it ended.
///
/// Each change is possible by call and by EIP-712 signature of the patient, which anyone may bring: ECDSA, or ERC-1271 for
/// an account with code, whose check is capped in gas. A signature counts from its `issuedAt` to its `deadline`, and its
/// `issuedAt` also orders it among the patient's other decisions, so no nonce is stored:
/// - a grant or a narrowing must be issued after the word's last change and after the last revoke-all;
/// - a revocation must be issued in or after the second of the grant it ends, and after any revocation of it;
/// - a revoke-all must be issued after the last revoke-all.
/// So a signature works once, and an old one never undoes a newer decision. In the one second in which a patient revokes
/// by signature and grants again by call, that signature can be shown again: the revocation wins.
/// @dev Warning: a signed grant or narrowing that is posted late moves `grantedAt`, and a revocation signed before that
/// must be signed again, as the chain cannot tell which was meant last. Calls and `revokeAllBySig` are never overtaken
/// so; clients give signatures short deadlines.
interface IConsentRegistry {
    /// @notice One consent. Packed into one slot.
    struct Word {
        uint32 purposes; // bits of the library Purposes; 0 in a tombstone
        uint40 grantedAt; // Unix seconds; 0 when there never was a word
        uint16 expiryDay; // days since 1970: the consent ends as this day begins in UTC; 65535 for never
        uint40 revokedAt; // Unix seconds; 0 while nothing closed the word
        bytes16 history; // digest of the word before this one; 0 for the first
    }

    /// @notice A patient's revoke-all. Packed into one slot.
    struct RevokeAllWord {
        uint40 moment; // Unix seconds; 0 when there never was one
        bytes27 history; // digest of the one before; 0 for the first
    }

    /// @notice A grant or a narrowing with the patient's signature over
    /// `Grant` or `Narrow` `(address patient,uint32 datasetId,uint32 purposes,uint16 expiryDay,uint40 issuedAt,uint40 deadline)`.
    struct SignedGrant {
        address patient;
        DatasetId datasetId;
        uint32 purposes;
        uint16 expiryDay;
        uint40 issuedAt; // Unix seconds, chain time
        uint40 deadline; // last second in which it counts
        bytes signature; // 65 bytes r, s, v of ECDSA, or what the patient's wallet takes
    }

    /// @notice A revocation with the patient's signature over
    /// `Revoke(address patient,uint32 datasetId,uint40 issuedAt,uint40 deadline)`.
    struct SignedRevocation {
        address patient;
        DatasetId datasetId;
        uint40 issuedAt; // Unix seconds, chain time
        uint40 deadline; // last second in which it counts
        bytes signature;
    }

    /// @notice A revoke-all with the patient's signature over
    /// `RevokeAll(address patient,uint40 issuedAt,uint40 deadline)`.
    struct SignedRevokeAll {
        address patient;
        uint40 issuedAt; // Unix seconds, chain time
        uint40 deadline; // last second in which it counts
        bytes signature;
    }

    /// @notice `patient` consented at second `at`, in place of any earlier consent for this dataset.
    event Granted(
        address indexed patient, DatasetId indexed datasetId, uint32 purposes, uint16 expiryDay, uint40 at
    );

    /// @notice `patient` reduced the consent at second `at` to what is given here.
    event Narrowed(
        address indexed patient, DatasetId indexed datasetId, uint32 purposes, uint16 expiryDay, uint40 at
    );

    /// @notice The consent ended at second `at`; `by` is the patient, or who speaks for the dataset's owner.
    event Revoked(address indexed patient, DatasetId indexed datasetId, address by, uint40 at);

    /// @notice Every consent of `patient` ended at second `at`.
    event AllRevoked(address indexed patient, uint40 at);

    /// @notice Item `index` of a batch did not count; `reason` is the selector of the error, 0 where there is none.
    event SignatureSkipped(uint256 index, address indexed patient, bytes4 reason);

    /// @notice The consent would have ended already when it begins.
    error ExpiryPassed(uint16 expiryDay, uint40 at);

    /// @notice All consents of the patient are revoked in this very second; grant again in the next.
    error GrantInRevokeAllSecond(uint40 at);

    /// @notice No consent is active that could be narrowed.
    error NothingToNarrow(address patient, DatasetId datasetId);

    /// @notice A narrowing would permit more or longer than the consent does.
    error NotNarrower(uint32 purposes, uint32 newPurposes, uint16 expiryDay, uint16 newExpiryDay);

    /// @notice The dataset's owner revokes what is revoked already.
    error AlreadyRevoked(address patient, DatasetId datasetId, uint40 revokedAt);

    /// @notice Only the dataset's owner, for a hospital its admin account, revokes for a patient.
    error NotDatasetOwner(DatasetId datasetId, address caller, address owner);

    /// @notice Neither ECDSA nor the patient's wallet takes the signature for `digest`, which binds chain and contract.
    error InvalidSignature(address patient, bytes32 digest);

    /// @notice The signature was good until `deadline`.
    error SignatureExpired(uint40 deadline, uint40 at);

    /// @notice The signature claims to be issued later than this block.
    error SignatureFromFuture(uint40 issuedAt, uint40 at);

    /// @notice The signature is not newer than a decision of second `latest` that the chain knows.
    error SignatureOvertaken(uint40 issuedAt, uint40 latest);

    /// @notice The relayer sent too little gas for the next item: with less, a good signature might look bad.
    error InsufficientGas(uint256 available, uint256 needed);

    /// @notice `t` is not past: more may happen in it.
    error NotYetPast(uint40 t, uint40 at);

    /// @notice The word shown at `index` is not the one that the chain's word, or the one shown before, commits to.
    error BrokenHistory(uint256 index);

    /// @notice The words shown reach neither `t` nor the first one.
    error HistoryTooShort(uint256 shown);

    /// @notice Consents to `purposes` until `expiryDay` begins, in place of any earlier consent.
    /// @dev Emits `Granted`. The dataset is not looked up, which would cost every patient gas: consent for one that does
    /// not exist binds nobody.
    function grant(DatasetId datasetId, uint32 purposes, uint16 expiryDay) external;

    /// @notice Reduces the caller's active consent. Emits `Narrowed`.
    function narrow(DatasetId datasetId, uint32 purposes, uint16 expiryDay) external;

    /// @notice Ends the caller's consent. Emits `Revoked`.
    /// @dev Never reverts. Without an open consent it leaves a tombstone, so that no grant signed before counts later.
    function revoke(DatasetId datasetId) external;

    /// @notice Ends every consent of the caller, for all datasets. Emits `AllRevoked`. Never reverts.
    function revokeAll() external;

    /// @notice `grant` by the patient's signature.
    function grantBySig(SignedGrant calldata consent) external;

    /// @notice `narrow` by the patient's signature.
    function narrowBySig(SignedGrant calldata consent) external;

    /// @notice `revoke` by the patient's signature.
    function revokeBySig(SignedRevocation calldata revocation) external;

    /// @notice `revokeAll` by the patient's signature.
    function revokeAllBySig(SignedRevokeAll calldata revocation) external;

    /// @notice `grantBySig` for each item. One that does not count is reported by `SignatureSkipped` and sinks no other.
    /// @dev The transaction's gas limit leaves 220,000 to the last item, whatever that uses: reverts with
    /// `InsufficientGas` otherwise. So does every batch.
    function grantBatch(SignedGrant[] calldata consents) external;

    /// @notice `narrowBySig` for each item.
    function narrowBatch(SignedGrant[] calldata consents) external;

    /// @notice `revokeBySig` for each item.
    function revokeBatch(SignedRevocation[] calldata revocations) external;

    /// @notice `revokeAllBySig` for each item.
    function revokeAllBatch(SignedRevokeAll[] calldata revocations) external;

    /// @notice Ends a patient's consent on their behalf (a lost key, a request on paper); by the dataset's owner, for a
    /// hospital its admin account, who can never grant. Emits `Revoked`.
    /// @dev What is revoked already stays as it is, so an owner cannot lengthen a patient's history at will.
    function revokeFor(address patient, DatasetId datasetId) external;

    /// @notice Whether the current word makes `purposes` active at second `at`; no wherever it cannot tell.
    /// @dev It cannot tell for seconds before the word, nor for one that lies before the last revoke-all when that has a
    /// predecessor; `wasActive` can. For a later second than this block's it tells what holds if nothing changes.
    function isActive(address patient, DatasetId datasetId, uint32 purposes, uint40 at)
        external
        view
        returns (bool active);

    /// @notice Whether `purposes` was active when the past second `t` had ended.
    /// @dev Reverts, and never answers no, unless both lists follow the chain's words newest first, without a gap, until
    /// one that stood at `t` (`grantedAt` or `moment` not after it) or until the first. What is listed beyond is ignored.
    function wasActive(
        address patient,
        DatasetId datasetId,
        uint32 purposes,
        uint40 t,
        Word[] calldata words,
        RevokeAllWord[] calldata revokeAlls
    ) external view returns (bool active);

    /// @notice The latest word; all zero when there never was one.
    function wordOf(address patient, DatasetId datasetId) external view returns (Word memory word);

    /// @notice The patient's latest revoke-all; all zero when there never was one.
    function revokeAllOf(address patient) external view returns (RevokeAllWord memory word);

    /// @notice Whether a contract wallet takes a signature by ERC-1271; never reverts but for want of gas.
    function isWalletSignature(address wallet, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool valid);
}
