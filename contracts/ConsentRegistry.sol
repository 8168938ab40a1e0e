// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {IConsortium} from "./interfaces/IConsortium.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {DatasetId} from "./types/DatasetId.sol";

/// @dev The expiry day of a consent without an end.
uint16 constant NO_EXPIRY = type(uint16).max;
/// @dev Gas that a contract wallet may use to judge a signature.
uint256 constant WALLET_GAS = 100_000;
/// @dev Gas that must be left when an item of a batch begins: what the most expensive one uses, and some.
uint256 constant ITEM_GAS = 220_000;
/// @dev With this much left, the call of a wallet gets WALLET_GAS although a 64th is held back.
uint256 constant BEFORE_WALLET = 110_000;
/// @dev Stands for `issuedAt` where the patient calls: newer than anything.
uint40 constant BY_CALL = type(uint40).max;

bytes32 constant GRANT_TYPEHASH = keccak256(
    "Grant(address patient,uint32 datasetId,uint32 purposes,uint16 expiryDay,uint40 issuedAt,uint40 deadline)"
);
bytes32 constant NARROW_TYPEHASH = keccak256(
    "Narrow(address patient,uint32 datasetId,uint32 purposes,uint16 expiryDay,uint40 issuedAt,uint40 deadline)"
);
bytes32 constant REVOKE_TYPEHASH =
    keccak256("Revoke(address patient,uint32 datasetId,uint40 issuedAt,uint40 deadline)");
bytes32 constant REVOKE_ALL_TYPEHASH =
    keccak256("RevokeAll(address patient,uint40 issuedAt,uint40 deadline)");

/// @title ConsentRegistry
contract ConsentRegistry is IConsentRegistry, EIP712 {
    // Immutables

    /// @notice Says who speaks for a hospital.
    IConsortium public immutable CONSORTIUM;
    /// @notice The ERC-721 whose owners may revoke for patients.
    IERC721 public immutable DATASETS;

    // Storage

    mapping(address patient => mapping(DatasetId datasetId => Word)) private _words;
    mapping(address patient => RevokeAllWord) private _revokeAlls;

    // Constructor

    /// @dev Neither is checked: with a wrong one `revokeFor` reverts, and nothing else depends on them.
    constructor(IConsortium consortium, IERC721 datasets) EIP712("MedFed ConsentRegistry", "1") {
        CONSORTIUM = consortium;
        DATASETS = datasets;
    }

    // By call

    /// @inheritdoc IConsentRegistry
    function grant(DatasetId datasetId, uint32 purposes, uint16 expiryDay) external {
        _grant(msg.sender, datasetId, purposes, expiryDay, BY_CALL);
    }

    /// @inheritdoc IConsentRegistry
    function narrow(DatasetId datasetId, uint32 purposes, uint16 expiryDay) external {
        _narrow(msg.sender, datasetId, purposes, expiryDay, BY_CALL);
    }

    /// @inheritdoc IConsentRegistry
    function revoke(DatasetId datasetId) external {
        _revoke(msg.sender, datasetId, msg.sender, BY_CALL);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll() external {
        _revokeAll(msg.sender, BY_CALL);
    }

    /// @inheritdoc IConsentRegistry
    function revokeFor(address patient, DatasetId datasetId) external {
        address owner = DATASETS.ownerOf(DatasetId.unwrap(datasetId));
        require(msg.sender == CONSORTIUM.adminOf(owner), NotDatasetOwner(datasetId, msg.sender, owner));

        _revoke(patient, datasetId, msg.sender, BY_CALL);
    }

    // By signature

    /// @inheritdoc IConsentRegistry
    function grantBySig(SignedGrant calldata consent) external {
        _requireTimely(consent.issuedAt, consent.deadline);
        _requireSigned(consent.patient, _grantHash(GRANT_TYPEHASH, consent), consent.signature);

        _grant(consent.patient, consent.datasetId, consent.purposes, consent.expiryDay, consent.issuedAt);
    }

    /// @inheritdoc IConsentRegistry
    function narrowBySig(SignedGrant calldata consent) external {
        _requireTimely(consent.issuedAt, consent.deadline);
        _requireSigned(consent.patient, _grantHash(NARROW_TYPEHASH, consent), consent.signature);

        _narrow(consent.patient, consent.datasetId, consent.purposes, consent.expiryDay, consent.issuedAt);
    }

    /// @inheritdoc IConsentRegistry
    function revokeBySig(SignedRevocation calldata revocation) external {
        _requireTimely(revocation.issuedAt, revocation.deadline);
        _requireSigned(
            revocation.patient,
            keccak256(
                abi.encode(
                    REVOKE_TYPEHASH,
                    revocation.patient,
                    revocation.datasetId,
                    revocation.issuedAt,
                    revocation.deadline
                )
            ),
            revocation.signature
        );

        _revoke(revocation.patient, revocation.datasetId, revocation.patient, revocation.issuedAt);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllBySig(SignedRevokeAll calldata revocation) external {
        _requireTimely(revocation.issuedAt, revocation.deadline);
        _requireSigned(
            revocation.patient,
            keccak256(
                abi.encode(REVOKE_ALL_TYPEHASH, revocation.patient, revocation.issuedAt, revocation.deadline)
            ),
            revocation.signature
        );

        _revokeAll(revocation.patient, revocation.issuedAt);
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
    function isActive(address patient, DatasetId datasetId, uint32 purposes, uint40 at)
        external
        view
        returns (bool)
    {
        Word storage word = _words[patient][datasetId];
        if (
            !_covers(word.grantedAt, word.revokedAt, word.expiryDay, at)
                || !Purposes.permits(word.purposes, purposes)
        ) return false;

        RevokeAllWord storage last = _revokeAlls[patient];
        return last.moment < word.grantedAt || (last.moment > at && last.history == 0);
    }

    /// @inheritdoc IConsentRegistry
    function wasActive(
        address patient,
        DatasetId datasetId,
        uint32 purposes,
        uint40 t,
        Word[] calldata words,
        RevokeAllWord[] calldata revokeAlls
    ) external view returns (bool) {
        require(t < block.timestamp, NotYetPast(t, _now()));

        Word memory word = _wordAt(_words[patient][datasetId], t, words);
        uint40 moment = _revokeAllAt(_revokeAlls[patient], t, revokeAlls);
        return _covers(word, t) && moment < word.grantedAt && Purposes.permits(word.purposes, purposes);
    }

    /// @inheritdoc IConsentRegistry
    function wordOf(address patient, DatasetId datasetId) external view returns (Word memory) {
        return _words[patient][datasetId];
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllOf(address patient) external view returns (RevokeAllWord memory) {
        return _revokeAlls[patient];
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

    function _grant(address patient, DatasetId datasetId, uint32 purposes, uint16 expiryDay, uint40 issuedAt)
        private
    {
        Word memory word = _words[patient][datasetId];
        uint40 moment = _revokeAlls[patient].moment;

        _requireNewer(issuedAt, _latest(word, moment));
        // slither-disable-next-line incorrect-equality (the rule is about one and the same second)
        require(moment != _now(), GrantInRevokeAllSecond(moment));
        _requireTerms(purposes, expiryDay);

        _words[patient][datasetId] = Word(purposes, _now(), expiryDay, 0, _link(word));

        emit Granted(patient, datasetId, purposes, expiryDay, _now());
    }

    function _narrow(address patient, DatasetId datasetId, uint32 purposes, uint16 expiryDay, uint40 issuedAt)
        private
    {
        Word memory word = _words[patient][datasetId];
        uint40 moment = _revokeAlls[patient].moment;

        _requireNewer(issuedAt, _latest(word, moment));
        require(_covers(word, _now()) && moment < word.grantedAt, NothingToNarrow(patient, datasetId));
        _requireTerms(purposes, expiryDay);
        require(
            expiryDay <= word.expiryDay && Purposes.narrows(word.purposes, purposes),
            NotNarrower(word.purposes, purposes, word.expiryDay, expiryDay)
        );

        _words[patient][datasetId] = Word(purposes, _now(), expiryDay, 0, _link(word));

        emit Narrowed(patient, datasetId, purposes, expiryDay, _now());
    }

    function _revoke(address patient, DatasetId datasetId, address by, uint40 issuedAt) private {
        Word memory word = _words[patient][datasetId];

        require(issuedAt >= word.grantedAt, SignatureOvertaken(issuedAt, word.grantedAt));
        _requireNewer(issuedAt, word.revokedAt);
        require(by == patient || word.revokedAt == 0, AlreadyRevoked(patient, datasetId, word.revokedAt));

        _words[patient][datasetId] = _ended(word);

        emit Revoked(patient, datasetId, by, _now());
    }

    function _revokeAll(address patient, uint40 issuedAt) private {
        RevokeAllWord memory last = _revokeAlls[patient];

        _requireNewer(issuedAt, last.moment);

        if (last.moment != _now()) _revokeAlls[patient] = RevokeAllWord(_now(), _link(last));

        emit AllRevoked(patient, _now());
    }

    // Internal: the chains of words

    /// @dev The word that follows `word` when it is revoked now.
    function _ended(Word memory word) private view returns (Word memory) {
        // slither-disable-next-line incorrect-equality (a second change within the second)
        if (word.revokedAt == _now()) return word;
        if (word.grantedAt == 0 || word.revokedAt != 0) return Word(0, _now(), 0, _now(), _link(word));
        return Word(word.purposes, word.grantedAt, word.expiryDay, _now(), word.history);
    }

    /// @dev The history of what follows `word` now. Within its second it is replaced; else it is closed, and chained.
    function _link(Word memory word) private view returns (bytes16) {
        // slither-disable-next-line incorrect-equality (replaced within its second)
        if (word.grantedAt == 0 || word.grantedAt == _now()) return word.history;
        uint40 revokedAt = word.revokedAt == 0 ? _now() : word.revokedAt;
        return _digest(Word(word.purposes, word.grantedAt, word.expiryDay, revokedAt, word.history));
    }

    function _link(RevokeAllWord memory last) private pure returns (bytes27) {
        // slither-disable-next-line incorrect-equality (zero is absence)
        return last.moment == 0 ? bytes27(0) : _digest(last);
    }

    /// @dev The word that stood at the end of second `t`, from those shown; all zero when there was none.
    function _wordAt(Word memory head, uint40 t, Word[] calldata words)
        private
        pure
        returns (Word memory none)
    {
        bytes16 link = head.grantedAt == 0 ? bytes16(0) : _digest(head);
        for (uint256 i = 0; i < words.length && link != 0; ++i) {
            Word memory word = words[i];
            // slither-disable-next-line incorrect-equality (hashes, no amounts)
            require(_digest(word) == link, BrokenHistory(i));
            if (word.grantedAt <= t) return word;
            link = word.history;
        }
        require(link == 0, HistoryTooShort(words.length));
    }

    /// @dev The moment of the last revoke-all not after `t`, from those shown; 0 when there was none.
    function _revokeAllAt(RevokeAllWord memory head, uint40 t, RevokeAllWord[] calldata words)
        private
        pure
        returns (uint40 none)
    {
        bytes27 link = _link(head);
        for (uint256 i = 0; i < words.length && link != 0; ++i) {
            RevokeAllWord memory word = words[i];
            // slither-disable-next-line incorrect-equality (hashes, no amounts)
            require(_digest(word) == link, BrokenHistory(i));
            if (word.moment <= t) return word.moment;
            link = word.history;
        }
        // slither-disable-next-line incorrect-equality (zero is absence)
        require(link == 0, HistoryTooShort(words.length));
    }

    /// @dev Over the fields as they are packed in the slot, first field first. The packed encoding is unambiguous, as
    /// every field has a fixed length.
    function _digest(Word memory word) private pure returns (bytes16) {
        return bytes16(
            keccak256(
                abi.encodePacked(word.purposes, word.grantedAt, word.expiryDay, word.revokedAt, word.history)
            )
        );
    }

    function _digest(RevokeAllWord memory word) private pure returns (bytes27) {
        return bytes27(keccak256(abi.encodePacked(word.moment, word.history)));
    }

    // Internal: rules

    /// @dev Whether second `at` lies between grant, revocation and expiry. A word that is all zero covers nothing, as its
    /// expiry day is 0.
    function _covers(Word memory word, uint40 at) private pure returns (bool) {
        return _covers(word.grantedAt, word.revokedAt, word.expiryDay, at);
    }

    /// @dev Takes the fields one by one: `isActive` spares 200 gas by not copying the word.
    function _covers(uint40 grantedAt, uint40 revokedAt, uint16 expiryDay, uint40 at)
        private
        pure
        returns (bool)
    {
        if (at < grantedAt || (revokedAt != 0 && at >= revokedAt)) return false;
        return expiryDay == NO_EXPIRY || at < uint256(expiryDay) * 1 days;
    }

    /// @dev The second of the last decision that a grant must follow.
    function _latest(Word memory word, uint40 moment) private pure returns (uint40 latest) {
        latest = word.grantedAt > word.revokedAt ? word.grantedAt : word.revokedAt;
        if (moment > latest) latest = moment;
    }

    function _requireNewer(uint40 issuedAt, uint40 latest) private pure {
        require(issuedAt > latest, SignatureOvertaken(issuedAt, latest));
    }

    function _requireTerms(uint32 purposes, uint16 expiryDay) private view {
        Purposes.requireConsent(purposes);
        require(
            expiryDay == NO_EXPIRY || block.timestamp < uint256(expiryDay) * 1 days,
            ExpiryPassed(expiryDay, _now())
        );
    }

    function _requireTimely(uint40 issuedAt, uint40 deadline) private view {
        require(block.timestamp <= deadline, SignatureExpired(deadline, _now()));
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

    function _grantHash(bytes32 kind, SignedGrant calldata consent) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                kind,
                consent.patient,
                consent.datasetId,
                consent.purposes,
                consent.expiryDay,
                consent.issuedAt,
                consent.deadline
            )
        );
    }

    /// @dev Fits for another 34,000 years.
    function _now() private view returns (uint40) {
        return uint40(block.timestamp);
    }
}
