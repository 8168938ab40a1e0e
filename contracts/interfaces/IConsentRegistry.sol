// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DatasetId} from "../types/DatasetId.sol";
import {Details} from "../types/Details.sol";

/// @title Who consents to what
/// @notice Which patient consents to which use of which dataset, now and at every past second. Patients are pseudonymous
/// accounts; one that is fresh for each dataset cannot be linked. Nobody owns or pauses this contract, and it holds no funds.
/// @dev One word per (patient, dataset) holds the latest consent, one word per patient the latest revoke-all. Each carries
/// the hash of its predecessor, so that any past second can be judged from words that the caller shows.
///
/// A consent is active at second t iff it was posted at or before t and nothing was posted in its place by then, t lies before
/// the expiry, its purposes permit the request, and no revoke-all that was posted by t was signed at or after it. What counts
/// for a second is how it ended.
///
/// Each change is possible by call and by EIP-712 signature of the patient, which anyone may bring: ECDSA, or ERC-1271 for
/// an account with code, whose check is capped in gas. A signature counts from its `issuedAt`, that of a consent to its `deadline`:
/// a revocation has none, as it only ends what was signed before it.
///
/// A word keeps when its decision was signed, which orders the patient's decisions: **what was signed later wins, in whatever
/// order it is posted.** A call is signed in its own second. No nonce is stored:
/// - a grant or a narrowing counts iff it was signed after the word's decision and after the last revoke-all;
/// - a revocation counts iff it was signed at or after the consent that it ends, or after the revocation that stands;
/// - a revoke-all counts iff it was signed after the last one, and ends what was signed at or before it.
/// So a signature works once, and in one and the same second a revocation wins.
interface IConsentRegistry {
    /// @notice One decision. Packed into one slot.
    struct Word {
        uint32 purposes; // bits of the library Purposes, and DETAILS where there are some; 0 in a revocation
        uint32 postedAt; // Unix seconds; 0 when there never was a word
        uint32 signedAt; // Unix seconds; not after postedAt, and `postedAt` of a call
        uint16 expiryDay; // days since 1970: the consent ends as this day begins in UTC; 65535 for never, 0 in a revocation
        bytes18 history; // digest of the word before this one and of its details; 0 for the first
    }

    /// @notice A patient's revoke-all. Packed into one slot.
    struct RevokeAllWord {
        uint32 postedAt; // Unix seconds; 0 when there never was one
        uint32 signedAt; // Unix seconds
        bytes24 history; // digest of the one before; 0 for the first
    }

    /// @notice A grant or a narrowing with the patient's signature over
    /// `Grant` or `Narrow` `(address patient,string dataset,string uses,string data,bytes28 form,string until,uint32 issuedAt,
    /// uint32 deadline)`: the terms in the words of `IDatasetRegistry.describe` and of `describe`, so that any wallet shows what is signed.
    struct SignedGrant {
        address patient;
        DatasetId datasetId;
        uint32 purposes;
        uint16 expiryDay;
        Details details;
        uint32 issuedAt; // Unix seconds, chain time
        uint32 deadline; // last second in which it counts
        bytes signature; // 65 bytes r, s, v of ECDSA, or what the patient's wallet takes
    }

    /// @notice A revocation with the patient's signature over
    /// `Revoke(address patient,uint32 datasetId,uint32 issuedAt)`.
    struct SignedRevocation {
        address patient;
        DatasetId datasetId;
        uint32 issuedAt; // Unix seconds, chain time
        bytes signature;
    }

    /// @notice A revoke-all with the patient's signature over
    /// `RevokeAll(address patient,uint32 issuedAt)`.
    struct SignedRevokeAll {
        address patient;
        uint32 issuedAt; // Unix seconds, chain time
        bytes signature;
    }

    /// @notice `patient` consented at second `at`, in place of any earlier consent for this dataset.
    event Granted(
        address indexed patient,
        DatasetId indexed datasetId,
        uint32 purposes,
        uint16 expiryDay,
        Details details,
        uint32 signedAt,
        uint32 at
    );

    /// @notice `patient` reduced the consent at second `at` to what is given here.
    event Narrowed(
        address indexed patient,
        DatasetId indexed datasetId,
        uint32 purposes,
        uint16 expiryDay,
        Details details,
        uint32 signedAt,
        uint32 at
    );

    /// @notice The consent ended at second `at`; `by` is the patient, or who speaks for the dataset's owner.
    event Revoked(
        address indexed patient, DatasetId indexed datasetId, address by, uint32 signedAt, uint32 at
    );

    /// @notice Every consent of `patient` ended at second `at`.
    event AllRevoked(address indexed patient, uint32 signedAt, uint32 at);

    /// @notice Item `index` of a batch did not count; `reason` is the selector of the error, 0 where there is none.
    event SignatureSkipped(uint256 index, address indexed patient, bytes4 reason);

    /// @notice The consent would have ended already when it begins.
    error ExpiryPassed(uint16 expiryDay, uint32 at);

    /// @notice No consent is active that could be narrowed.
    error NothingToNarrow(address patient, DatasetId datasetId);

    /// @notice A narrowing would permit more or longer than the consent does.
    error NotNarrower(uint32 purposes, uint32 newPurposes, uint16 expiryDay, uint16 newExpiryDay);

    /// @notice A narrowing would drop or widen the window of the consent, or name another form.
    error WiderDetails(Details details, Details newDetails);

    /// @notice The window of data ends before it begins.
    error EmptyWindow(uint16 dataFrom, uint16 dataUntil);

    /// @notice Only the dataset's owner, by its admin account or its operator, revokes for a patient.
    error NotDatasetOwner(DatasetId datasetId, address caller, address owner);

    /// @notice Neither ECDSA nor the patient's wallet takes the signature for `digest`, which binds chain and contract.
    error InvalidSignature(address patient, bytes32 digest);

    /// @notice The signature was good until `deadline`.
    error SignatureExpired(uint32 deadline, uint32 at);

    /// @notice The signature claims to be issued later than this block.
    error SignatureFromFuture(uint32 issuedAt, uint32 at);

    /// @notice What was signed at `signedAt` is not newer than the patient's decision that was signed at `latest`.
    error Overtaken(uint32 signedAt, uint32 latest);

    /// @notice The relayer sent too little gas for the next item: with less, a good signature might look bad.
    error InsufficientGas(uint256 available, uint256 needed);

    /// @notice `t` is not past: more may happen in it.
    error NotYetPast(uint32 t, uint32 at);

    /// @notice The word shown at `index`, or what is shown as its details, is not what the chain's word, or the one shown
    /// before, commits to.
    error BrokenHistory(uint256 index);

    /// @notice The words shown reach neither `t` nor the first one.
    error HistoryTooShort(uint256 shown);

    /// @notice Consents to `purposes` until `expiryDay` begins, in place of any earlier consent.
    /// @dev Emits `Granted`. The dataset is not looked up, which would cost every patient gas: consent for one that does
    /// not exist binds nobody.
    function grant(DatasetId datasetId, uint32 purposes, uint16 expiryDay, Details details) external;

    /// @notice Reduces the caller's active consent. Emits `Narrowed`.
    /// @dev What the consent says beyond its word stays: the window is named again, or a narrower one, and so is the form.
    function narrow(DatasetId datasetId, uint32 purposes, uint16 expiryDay, Details details) external;

    /// @notice Ends the caller's consent. Emits `Revoked`.
    /// @dev Never reverts. Also without a consent it leaves a word, so that no grant signed before counts later.
    function revoke(DatasetId datasetId) external;

    /// @notice Ends every consent of the caller, for all datasets. Emits `AllRevoked`. Never reverts.
    function revokeAll() external;

    /// @notice `grant` by the patient's signature.
    /// @dev Reverts for a dataset that does not exist, as it has no words. The first one that names a dataset, or a set of purposes,
    /// pays for keeping the hash of their words; before a dataset has a title and its hospital a name, all pay for reading them.
    function grantBySig(SignedGrant calldata consent) external;

    /// @notice `narrow` by the patient's signature.
    function narrowBySig(SignedGrant calldata consent) external;

    /// @notice `revoke` by the patient's signature.
    function revokeBySig(SignedRevocation calldata revocation) external;

    /// @notice `revokeAll` by the patient's signature.
    function revokeAllBySig(SignedRevokeAll calldata revocation) external;

    /// @notice `grantBySig` for each item. One that does not count is reported by `SignatureSkipped` and sinks no other.
    /// @dev The transaction's gas limit leaves 700,000 to the last item, whatever that uses: reverts with
    /// `InsufficientGas` otherwise. So does every batch.
    function grantBatch(SignedGrant[] calldata consents) external;

    /// @notice `narrowBySig` for each item.
    function narrowBatch(SignedGrant[] calldata consents) external;

    /// @notice `revokeBySig` for each item.
    function revokeBatch(SignedRevocation[] calldata revocations) external;

    /// @notice `revokeAllBySig` for each item.
    function revokeAllBatch(SignedRevokeAll[] calldata revocations) external;

    /// @notice Ends a patient's consent on their behalf (a lost key, a request on paper); by the dataset's owner, who
    /// can never grant: its admin account or its operator, suspended or not. Emits `Revoked`.
    /// @dev Works as `revoke` does: what is revoked already is revoked anew, so that no grant signed before now counts.
    function revokeFor(address patient, DatasetId datasetId) external;

    /// @notice Whether the current word makes `purposes` active at second `at`; no wherever it cannot tell.
    /// @dev It cannot tell for seconds before the word, nor for one that lies before the last revoke-all when that has a
    /// predecessor; `wasActive` can. For a later second than this block's it tells what holds if nothing changes. Neither
    /// judges details: which records a consent is about only its hospital knows.
    function isActive(address patient, DatasetId datasetId, uint32 purposes, uint32 at)
        external
        view
        returns (bool active);

    /// @notice Whether `purposes` was active when the past second `t` had ended.
    /// @dev Reverts, and never answers no, unless both lists follow the chain's words newest first, without a gap, until
    /// one that stood at `t` (`postedAt` not after it) or until the first. What is listed beyond is ignored. `details` are
    /// those of the listed words that have some, in the same order.
    function wasActive(
        address patient,
        DatasetId datasetId,
        uint32 purposes,
        uint32 t,
        Word[] calldata words,
        Details[] calldata details,
        RevokeAllWord[] calldata revokeAlls
    ) external view returns (bool active);

    /// @notice The latest word; all zero when there never was one.
    function wordOf(address patient, DatasetId datasetId) external view returns (Word memory word);

    /// @notice What the latest word says beyond itself; 0 when that is nothing.
    function detailsOf(address patient, DatasetId datasetId) external view returns (Details details);

    /// @notice The patient's latest revoke-all; all zero when there never was one.
    function revokeAllOf(address patient) external view returns (RevokeAllWord memory word);

    /// @notice The words of a consent's terms that stand in the signed message. Reverts for terms that nobody can consent to.
    function describe(uint32 purposes, Details details, uint16 expiryDay)
        external
        pure
        returns (string memory uses, string memory data, string memory until);

    /// @notice Whether a contract wallet takes a signature by ERC-1271; never reverts but for want of gas.
    function isWalletSignature(address wallet, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool valid);
}
