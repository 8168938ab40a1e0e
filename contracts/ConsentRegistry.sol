// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {ConsentText} from "./libraries/ConsentText.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {DatasetId} from "./types/DatasetId.sol";
import {Details} from "./types/Details.sol";

/// @dev The expiry day of a consent without an end.
uint16 constant NO_EXPIRY = type(uint16).max;
/// @dev Gas that a contract wallet may use to judge a signature.
uint256 constant WALLET_GAS = 100_000;
/// @dev Gas that must be left when an item of a batch begins: what the most expensive one uses, and some.
uint256 constant ITEM_GAS = 700_000;
/// @dev With this much left, the call of a wallet gets WALLET_GAS although a 64th is held back.
uint256 constant BEFORE_WALLET = 110_000;

bytes32 constant GRANT_TYPEHASH = keccak256(
    "Grant(address patient,string dataset,string uses,string data,bytes28 form,string until,uint32 issuedAt,uint32 deadline)"
);
bytes32 constant NARROW_TYPEHASH = keccak256(
    "Narrow(address patient,string dataset,string uses,string data,bytes28 form,string until,uint32 issuedAt,uint32 deadline)"
);
bytes32 constant REVOKE_TYPEHASH = keccak256("Revoke(address patient,uint32 datasetId,uint32 issuedAt)");
bytes32 constant REVOKE_ALL_TYPEHASH = keccak256("RevokeAll(address patient,uint32 issuedAt)");

/// @title ConsentRegistry
contract ConsentRegistry is IConsentRegistry, EIP712 {
    // Immutables

    /// @notice Says who speaks for a hospital.
    IConsortium public immutable CONSORTIUM;
    /// @notice Says which hospital owns a dataset, and so may revoke for its patients.
    IDatasetRegistry public immutable DATASETS;

    // Storage

    mapping(address patient => mapping(DatasetId datasetId => Word)) private _words;
    // Of the words that have the bit DETAILS, and of no other.
    mapping(address patient => mapping(DatasetId datasetId => Details)) private _details;
    mapping(address patient => RevokeAllWord) private _revokeAlls;

    // Hashes of what wallets show, of what somebody signed: 0 before.
    mapping(DatasetId datasetId => bytes32) private _namesOf;
    mapping(uint32 purposes => bytes32) private _usesOf;

    // Constructor

    /// @dev Neither is checked: with a wrong one `revokeFor` reverts, and nothing else depends on them.
    constructor(IConsortium consortium, IDatasetRegistry datasets) EIP712("MedFed ConsentRegistry", "1") {
        CONSORTIUM = consortium;
        DATASETS = datasets;
    }

    // By call

    /// @inheritdoc IConsentRegistry
    function grant(DatasetId datasetId, uint32 purposes, uint16 expiryDay, Details details) external {
        _requireUnexpired(expiryDay);

        _grant(msg.sender, datasetId, purposes, expiryDay, details, _now(), true);
    }

    /// @inheritdoc IConsentRegistry
    function narrow(DatasetId datasetId, uint32 purposes, uint16 expiryDay, Details details) external {
        _requireUnexpired(expiryDay);

        _narrow(msg.sender, datasetId, purposes, expiryDay, details, _now(), true);
    }

    /// @inheritdoc IConsentRegistry
    function revoke(DatasetId datasetId) external {
        _revokeNow(msg.sender, datasetId);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll() external {
        RevokeAllWord memory last = _revokeAlls[msg.sender];
        // slither-disable-next-line incorrect-equality (a second call within the second)
        if (last.signedAt == _now()) return;

        _revokeAll(msg.sender, _now(), last);
    }

    /// @inheritdoc IConsentRegistry
    function revokeFor(address patient, DatasetId datasetId) external {
        address owner = DATASETS.ownerOf(datasetId);
        // slither-disable-next-line unused-return (what protects a patient needs no active hospital)
        (bool operator,) = CONSORTIUM.isOperator(owner, msg.sender);
        require(
            operator || msg.sender == CONSORTIUM.adminOf(owner), NotDatasetOwner(datasetId, msg.sender, owner)
        );

        _revokeNow(patient, datasetId);
    }

    // By signature

    /// @inheritdoc IConsentRegistry
    function grantBySig(SignedGrant calldata consent) external {
        _requireTimely(consent.issuedAt, consent.deadline);
        _requireSigned(consent.patient, _grantHash(GRANT_TYPEHASH, consent), consent.signature);

        _grant(
            consent.patient,
            consent.datasetId,
            consent.purposes,
            consent.expiryDay,
            consent.details,
            consent.issuedAt,
            false
        );
    }

    /// @inheritdoc IConsentRegistry
    function narrowBySig(SignedGrant calldata consent) external {
        _requireTimely(consent.issuedAt, consent.deadline);
        _requireSigned(consent.patient, _grantHash(NARROW_TYPEHASH, consent), consent.signature);

        _narrow(
            consent.patient,
            consent.datasetId,
            consent.purposes,
            consent.expiryDay,
            consent.details,
            consent.issuedAt,
            false
        );
    }

    /// @inheritdoc IConsentRegistry
    function revokeBySig(SignedRevocation calldata revocation) external {
        _requireIssued(revocation.issuedAt);
        _requireSigned(
            revocation.patient,
            keccak256(
                abi.encode(REVOKE_TYPEHASH, revocation.patient, revocation.datasetId, revocation.issuedAt)
            ),
            revocation.signature
        );

        Word memory word = _words[revocation.patient][revocation.datasetId];
        // Signed in the second of what it ends, it counts; a revocation is followed by a later one only.
        require(
            revocation.issuedAt > word.signedAt
                || (revocation.issuedAt == word.signedAt && word.purposes != 0),
            Overtaken(revocation.issuedAt, word.signedAt)
        );

        _revoke(revocation.patient, revocation.datasetId, revocation.patient, revocation.issuedAt, word);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllBySig(SignedRevokeAll calldata revocation) external {
        _requireIssued(revocation.issuedAt);
        _requireSigned(
            revocation.patient,
            keccak256(abi.encode(REVOKE_ALL_TYPEHASH, revocation.patient, revocation.issuedAt)),
            revocation.signature
        );

        RevokeAllWord memory last = _revokeAlls[revocation.patient];
        require(revocation.issuedAt > last.signedAt, Overtaken(revocation.issuedAt, last.signedAt));

        _revokeAll(revocation.patient, revocation.issuedAt, last);
    }

    // In batches: each item is a call of its own, and whatever goes wrong in it stays in it

    /// @inheritdoc IConsentRegistry
    function grantBatch(SignedGrant[] calldata consents) external {
        for (uint256 i = 0; i < consents.length; ++i) {
            _requireItemGas();
            try this.grantBySig(consents[i]) {}
            catch (bytes memory reason) {
                emit SignatureSkipped(i, consents[i].patient, bytes4(reason));
            }
        }
    }

    /// @inheritdoc IConsentRegistry
    function narrowBatch(SignedGrant[] calldata consents) external {
        for (uint256 i = 0; i < consents.length; ++i) {
            _requireItemGas();
            try this.narrowBySig(consents[i]) {}
            catch (bytes memory reason) {
                emit SignatureSkipped(i, consents[i].patient, bytes4(reason));
            }
        }
    }

    /// @inheritdoc IConsentRegistry
    function revokeBatch(SignedRevocation[] calldata revocations) external {
        for (uint256 i = 0; i < revocations.length; ++i) {
            _requireItemGas();
            try this.revokeBySig(revocations[i]) {}
            catch (bytes memory reason) {
                emit SignatureSkipped(i, revocations[i].patient, bytes4(reason));
            }
        }
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllBatch(SignedRevokeAll[] calldata revocations) external {
        for (uint256 i = 0; i < revocations.length; ++i) {
            _requireItemGas();
            try this.revokeAllBySig(revocations[i]) {}
            catch (bytes memory reason) {
                emit SignatureSkipped(i, revocations[i].patient, bytes4(reason));
            }
        }
    }

    // Views

    /// @inheritdoc IConsentRegistry
    function isActive(address patient, DatasetId datasetId, uint32 purposes, uint32 at)
        external
        view
        returns (bool)
    {
        Word storage word = _words[patient][datasetId];
        if (
            at < word.postedAt || _isExpired(word.expiryDay, at) || !Purposes.permits(word.purposes, purposes)
        ) {
            return false;
        }

        RevokeAllWord storage last = _revokeAlls[patient];
        return last.signedAt < word.signedAt || (last.postedAt > at && last.history == 0);
    }

    /// @inheritdoc IConsentRegistry
    function wasActive(
        address patient,
        DatasetId datasetId,
        uint32 purposes,
        uint32 t,
        Word[] calldata words,
        Details[] calldata details,
        RevokeAllWord[] calldata revokeAlls
    ) external view returns (bool) {
        require(t < block.timestamp, NotYetPast(t, _now()));

        Word memory word = _wordAt(patient, datasetId, t, words, details);
        uint32 ended = _revokeAllAt(_revokeAlls[patient], t, revokeAlls);
        return
            ended < word.signedAt && !_isExpired(word.expiryDay, t)
                && Purposes.permits(word.purposes, purposes);
    }

    /// @inheritdoc IConsentRegistry
    function wordOf(address patient, DatasetId datasetId) external view returns (Word memory) {
        return _words[patient][datasetId];
    }

    /// @inheritdoc IConsentRegistry
    function detailsOf(address patient, DatasetId datasetId) external view returns (Details) {
        return _detailsOf(patient, datasetId, _words[patient][datasetId]);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllOf(address patient) external view returns (RevokeAllWord memory) {
        return _revokeAlls[patient];
    }

    /// @inheritdoc IConsentRegistry
    function describe(uint32 purposes, Details details, uint16 expiryDay)
        external
        pure
        returns (string memory uses, string memory data, string memory until)
    {
        Purposes.requireConsent(purposes);
        _requireWindow(details);
        return (ConsentText.uses(purposes), ConsentText.window(details), ConsentText.until(expiryDay));
    }

    /// @inheritdoc IConsentRegistry
    function isWalletSignature(address wallet, bytes32 digest, bytes calldata signature)
        external
        view
        returns (bool)
    {
        return SignatureChecker.isValidERC1271SignatureNowCalldata(wallet, digest, signature);
    }

    // Internal: changes

    function _grant(
        address patient,
        DatasetId datasetId,
        uint32 purposes,
        uint16 expiryDay,
        Details details,
        uint32 signedAt,
        bool byCall
    ) private {
        Word memory word = _words[patient][datasetId];

        _requireNewer(signedAt, byCall, word, _revokeAlls[patient].signedAt);
        Purposes.requireConsent(purposes);
        _requireWindow(details);

        bytes18 history = _link(patient, datasetId, word);
        uint32 said = _keep(patient, datasetId, word, details);
        _words[patient][datasetId] = Word(purposes | said, _now(), signedAt, expiryDay, history);

        emit Granted(patient, datasetId, purposes, expiryDay, details, signedAt, _now());
    }

    function _narrow(
        address patient,
        DatasetId datasetId,
        uint32 purposes,
        uint16 expiryDay,
        Details details,
        uint32 signedAt,
        bool byCall
    ) private {
        Word memory word = _words[patient][datasetId];
        uint32 ended = _revokeAlls[patient].signedAt;

        _requireNewer(signedAt, byCall, word, ended);
        require(
            word.purposes != 0 && ended < word.signedAt && !_isExpired(word.expiryDay, _now()),
            NothingToNarrow(patient, datasetId)
        );
        Purposes.requireConsent(purposes);
        require(
            expiryDay <= word.expiryDay && Purposes.narrows(word.purposes, purposes),
            NotNarrower(word.purposes, purposes, word.expiryDay, expiryDay)
        );
        _requireWindow(details);
        _requireNarrowerDetails(_detailsOf(patient, datasetId, word), details);

        bytes18 history = _link(patient, datasetId, word);
        uint32 said = _keep(patient, datasetId, word, details);
        _words[patient][datasetId] = Word(purposes | said, _now(), signedAt, expiryDay, history);

        emit Narrowed(patient, datasetId, purposes, expiryDay, details, signedAt, _now());
    }

    /// @dev By call. What was revoked in an earlier second is revoked again, so that no grant signed before now counts.
    function _revokeNow(address patient, DatasetId datasetId) private {
        Word memory word = _words[patient][datasetId];
        // slither-disable-next-line incorrect-equality (a second call within the second)
        if (word.purposes == 0 && word.signedAt == _now()) return;

        _revoke(patient, datasetId, msg.sender, _now(), word);
    }

    function _revoke(address patient, DatasetId datasetId, address by, uint32 signedAt, Word memory word)
        private
    {
        bytes18 history = _link(patient, datasetId, word);
        _words[patient][datasetId] = Word(0, _now(), signedAt, 0, history);
        _clearDetails(patient, datasetId, word);

        emit Revoked(patient, datasetId, by, signedAt, _now());
    }

    function _revokeAll(address patient, uint32 signedAt, RevokeAllWord memory last) private {
        _revokeAlls[patient] = RevokeAllWord(_now(), signedAt, _link(last));

        emit AllRevoked(patient, signedAt, _now());
    }

    // Internal: the chains of words

    /// @dev The history of what follows `word` now: within its second it is replaced, else chained.
    function _link(address patient, DatasetId datasetId, Word memory word) private view returns (bytes18) {
        // slither-disable-next-line incorrect-equality (replaced within its second)
        if (word.postedAt == 0 || word.postedAt == _now()) return word.history;
        return _digest(word, _detailsOf(patient, datasetId, word));
    }

    function _link(RevokeAllWord memory last) private view returns (bytes24) {
        // slither-disable-next-line incorrect-equality (replaced within its second)
        return last.postedAt == 0 || last.postedAt == _now() ? last.history : _digest(last);
    }

    /// @dev The word that stood at the end of second `t`, from those shown; all zero when there was none.
    function _wordAt(
        address patient,
        DatasetId datasetId,
        uint32 t,
        Word[] calldata words,
        Details[] calldata details
    ) private view returns (Word memory none) {
        Word memory head = _words[patient][datasetId];
        bytes18 link = head.postedAt == 0 ? bytes18(0) : _digest(head, _detailsOf(patient, datasetId, head));
        uint256 next = 0;
        for (uint256 i = 0; i < words.length && link != 0; ++i) {
            Word memory word = words[i];
            Details said;
            if (word.purposes & Purposes.DETAILS != 0) {
                require(next < details.length, BrokenHistory(i));
                said = details[next++];
            }
            // slither-disable-next-line incorrect-equality (hashes, no amounts)
            require(_digest(word, said) == link, BrokenHistory(i));
            if (word.postedAt <= t) return word;
            link = word.history;
        }
        require(link == 0, HistoryTooShort(words.length));
    }

    /// @dev When the last revoke-all that stood at the end of second `t` was signed, from those shown; 0 when there was none.
    function _revokeAllAt(RevokeAllWord memory head, uint32 t, RevokeAllWord[] calldata words)
        private
        pure
        returns (uint32 none)
    {
        bytes24 link = head.postedAt == 0 ? bytes24(0) : _digest(head);
        for (uint256 i = 0; i < words.length && link != 0; ++i) {
            RevokeAllWord memory word = words[i];
            // slither-disable-next-line incorrect-equality (hashes, no amounts)
            require(_digest(word) == link, BrokenHistory(i));
            if (word.postedAt <= t) return word.signedAt;
            link = word.history;
        }
        // slither-disable-next-line incorrect-equality (zero is absence)
        require(link == 0, HistoryTooShort(words.length));
    }

    /// @dev Over the fields as they are packed in the slot, first field first, and where the word has details over theirs
    /// behind them. The packed encoding is unambiguous, as every field has a fixed length.
    function _digest(Word memory word, Details details) private pure returns (bytes18) {
        bytes memory packed =
            abi.encodePacked(word.purposes, word.postedAt, word.signedAt, word.expiryDay, word.history);
        if (word.purposes & Purposes.DETAILS != 0) packed = abi.encodePacked(packed, details);
        return bytes18(keccak256(packed));
    }

    function _digest(RevokeAllWord memory word) private pure returns (bytes24) {
        return bytes24(keccak256(abi.encodePacked(word.postedAt, word.signedAt, word.history)));
    }

    // Internal: details

    /// @dev Puts what a consent says in the place of what `word` says. Returns the bit DETAILS where that is anything.
    function _keep(address patient, DatasetId datasetId, Word memory word, Details details)
        private
        returns (uint32)
    {
        if (details.isNothing()) {
            _clearDetails(patient, datasetId, word);
            return 0;
        }

        _details[patient][datasetId] = details;
        return Purposes.DETAILS;
    }

    /// @dev The history has the digest of what is cleared.
    function _clearDetails(address patient, DatasetId datasetId, Word memory word) private {
        if (word.purposes & Purposes.DETAILS != 0) _details[patient][datasetId] = Details.wrap(0);
    }

    /// @dev Of the present word.
    function _detailsOf(address patient, DatasetId datasetId, Word memory word)
        private
        view
        returns (Details)
    {
        return word.purposes & Purposes.DETAILS == 0 ? Details.wrap(0) : _details[patient][datasetId];
    }

    // Internal: rules

    function _requireWindow(Details details) private pure {
        require(details.isWindow(), EmptyWindow(details.firstYear(), details.lastYear()));
    }

    /// @dev The form is what the patient read when the consent was given.
    function _requireNarrowerDetails(Details details, Details narrower) private pure {
        require(narrower.isWithin(details), WiderDetails(details, narrower));
    }

    /// @dev A word that is all zero, or a revocation, expires before anything, and permits nothing.
    function _isExpired(uint16 expiryDay, uint32 at) private pure returns (bool) {
        return expiryDay != NO_EXPIRY && at >= uint256(expiryDay) * 1 days;
    }

    /// @dev A call replaces what was granted in its very second, as it cannot be shown again; a signature does not.
    function _requireNewer(uint32 signedAt, bool byCall, Word memory word, uint32 ended) private pure {
        bool follows = signedAt > word.signedAt || (byCall && word.purposes != 0);
        require(
            follows && signedAt > ended, Overtaken(signedAt, word.signedAt > ended ? word.signedAt : ended)
        );
    }

    /// @dev Asked of calls only. A signed grant that arrives after its expiry still replaces a longer one that was signed before it.
    function _requireUnexpired(uint16 expiryDay) private view {
        require(!_isExpired(expiryDay, _now()), ExpiryPassed(expiryDay, _now()));
    }

    function _requireTimely(uint32 issuedAt, uint32 deadline) private view {
        require(block.timestamp <= deadline, SignatureExpired(deadline, _now()));
        _requireIssued(issuedAt);
    }

    function _requireIssued(uint32 issuedAt) private view {
        require(issuedAt <= block.timestamp, SignatureFromFuture(issuedAt, _now()));
    }

    /// @dev ECDSA first, also for an account with code: it may have delegated its code and kept its key. Wallets are asked
    /// through a call of this contract, so that neither what they burn nor what they return reaches this frame.
    function _requireSigned(address patient, bytes32 structHash, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(structHash);
        // slither-disable-next-line unused-return (the third value only details the error)
        (address signer, ECDSA.RecoverError error,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (error == ECDSA.RecoverError.NoError && signer == patient) return;

        require(patient.code.length != 0, InvalidSignature(patient, digest));
        require(gasleft() >= BEFORE_WALLET, InsufficientGas(gasleft(), BEFORE_WALLET));
        bool valid = false;
        try this.isWalletSignature{gas: WALLET_GAS}(patient, digest, signature) returns (bool answer) {
            valid = answer;
        } catch {}
        require(valid, InvalidSignature(patient, digest));
    }

    function _requireItemGas() private view {
        require(gasleft() >= ITEM_GAS, InsufficientGas(gasleft(), ITEM_GAS));
    }

    // Internal: what a wallet shows

    function _grantHash(bytes32 kind, SignedGrant calldata consent) private returns (bytes32) {
        return keccak256(
            abi.encode(
                kind,
                consent.patient,
                _names(consent.datasetId),
                _uses(consent.purposes),
                keccak256(bytes(ConsentText.window(consent.details))),
                consent.details.form(),
                keccak256(bytes(ConsentText.until(consent.expiryDay))),
                consent.issuedAt,
                consent.deadline
            )
        );
    }

    /// @dev Kept once title and hospital's name are given, for good as they are.
    function _names(DatasetId datasetId) private returns (bytes32 hash) {
        hash = _namesOf[datasetId];
        if (hash != 0) return hash;

        (string memory text, bool lasting) = DATASETS.describe(datasetId);
        hash = keccak256(bytes(text));
        if (lasting) _namesOf[datasetId] = hash;
    }

    /// @dev Those of purposes that nobody can consent to, which others may have too, go with the call that names them.
    function _uses(uint32 purposes) private returns (bytes32 hash) {
        hash = _usesOf[purposes];
        if (hash != 0) return hash;

        hash = keccak256(bytes(ConsentText.uses(purposes)));
        _usesOf[purposes] = hash;
    }

    /// @dev Fits until the year 2106.
    function _now() private view returns (uint32) {
        return uint32(block.timestamp);
    }
}
