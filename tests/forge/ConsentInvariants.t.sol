// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {Purposes} from "../../contracts/libraries/Purposes.sol";
import {OpenDatasets} from "../../contracts/mocks/OpenDatasets.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {Details} from "../../contracts/types/Details.sol";
import {Rig, bound, deployed, vm} from "./Rig.sol";

/// @dev Three patients and two datasets; keeps, as ghost state, what each patient consents to right now, and nothing else
/// of what the registry keeps. Any call may be refused; what it must do when it is not is asserted by the invariants.
contract ConsentHandler {
    uint256 public constant PATIENTS = 3;
    uint256 public constant DATASETS = 2;
    address public constant OWNER = address(0xB0B);

    struct Consent {
        bool open;
        uint32 purposes;
        uint16 expiryDay;
        uint32 signedAt;
        Details details;
    }

    struct Sample {
        uint256 patient;
        uint32 dataset;
        uint32 request;
        uint32 t;
        bool active;
    }

    IConsentRegistry public immutable registry;

    Sample[] public samples;
    uint256 public undone;
    uint256 public replayed;
    mapping(uint256 patient => mapping(uint32 dataset => Consent consent)) private _consents;
    mapping(uint256 patient => mapping(uint32 dataset => IConsentRegistry.Word[] words)) private _words;
    mapping(uint256 patient => mapping(uint32 dataset => Details[] said)) private _said;
    mapping(uint256 patient => IConsentRegistry.RevokeAllWord[] words) private _revokeAlls;
    mapping(uint256 patient => uint32 signedAt) private _allRevoked;
    mapping(bytes32 digest => bool used) private _used;
    IConsentRegistry.SignedGrant[] private _signed;
    IConsentRegistry.SignedRevocation[] private _revocations;
    IConsentRegistry.SignedRevokeAll[] private _signedRevokeAlls;
    bool[] private _narrowings;

    constructor(IConsentRegistry registry_) {
        registry = registry_;
    }

    function wait(uint256 kind, uint256 request) external {
        _sample(request);
        uint256[5] memory steps = [uint256(0), 1, 1, 3600, 1 days];
        vm.warp(block.timestamp + steps[kind % 5]);
    }

    function grant(uint256 patient, uint32 dataset, uint32 purposes, uint16 day) external {
        Details details = _details(day);
        (patient, dataset, purposes, day) = _bounded(patient, dataset, purposes, day);
        vm.prank(account(patient));
        try registry.grant(DatasetId.wrap(dataset), purposes, day, details) {
            _opened(patient, dataset, purposes, day, details, uint32(block.timestamp));
        } catch {}
    }

    function narrow(uint256 patient, uint32 dataset, uint32 purposes, uint16 day) external {
        Details details = _details(day);
        (patient, dataset, purposes, day) = _bounded(patient, dataset, purposes, day);
        vm.prank(account(patient));
        try registry.narrow(DatasetId.wrap(dataset), purposes, day, details) {
            _narrowed(patient, dataset, purposes, day, details);
            _opened(patient, dataset, purposes, day, details, uint32(block.timestamp));
        } catch {}
    }

    /// @dev Never refused: a revert fails the campaign.
    function revoke(uint256 patient, uint32 dataset) external {
        (patient, dataset,,) = _bounded(patient, dataset, 0, 0);
        vm.prank(account(patient));
        registry.revoke(DatasetId.wrap(dataset));
        _closed(patient, dataset, uint32(block.timestamp));
    }

    /// @dev Never refused.
    function revokeFor(uint256 patient, uint32 dataset) external {
        (patient, dataset,,) = _bounded(patient, dataset, 0, 0);
        vm.prank(OWNER);
        registry.revokeFor(account(patient), DatasetId.wrap(dataset));
        _closed(patient, dataset, uint32(block.timestamp));
    }

    /// @dev Never refused.
    function revokeAll(uint256 patient) external {
        patient = patient % PATIENTS;
        vm.prank(account(patient));
        registry.revokeAll();
        _endedAll(patient, uint32(block.timestamp));
    }

    /// @dev A grant, or a narrowing; what nobody can consent to has no words that could be signed.
    function sign(uint256 patient, uint32 dataset, uint32 purposes, uint16 day, bool narrowing) external {
        Details details = _details(day);
        (patient, dataset, purposes, day) = _bounded(patient, dataset, purposes, day);
        try registry.describe(purposes, details, day) {}
        catch {
            return;
        }
        IConsentRegistry.SignedGrant memory item = IConsentRegistry.SignedGrant(
            account(patient),
            DatasetId.wrap(dataset),
            purposes,
            day,
            details,
            uint32(block.timestamp),
            uint32(block.timestamp + 2 days),
            ""
        );
        item.signature = _signature(patient, _digest(item, narrowing));
        _signed.push(item);
        _narrowings.push(narrowing);
    }

    function signRevocation(uint256 patient, uint32 dataset) external {
        (patient, dataset,,) = _bounded(patient, dataset, 0, 0);
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Revoke(address patient,uint32 datasetId,uint32 issuedAt)"),
                account(patient),
                dataset,
                uint32(block.timestamp)
            )
        );
        _revocations.push(
            IConsentRegistry.SignedRevocation(
                account(patient),
                DatasetId.wrap(dataset),
                uint32(block.timestamp),
                _signature(patient, _typed(message))
            )
        );
    }

    function signRevokeAll(uint256 patient) external {
        patient = patient % PATIENTS;
        bytes32 message = keccak256(
            abi.encode(
                keccak256("RevokeAll(address patient,uint32 issuedAt)"),
                account(patient),
                uint32(block.timestamp)
            )
        );
        _signedRevokeAlls.push(
            IConsentRegistry.SignedRevokeAll(
                account(patient), uint32(block.timestamp), _signature(patient, _typed(message))
            )
        );
    }

    /// @dev Any signature, at any time, as often as one likes: it counts once, and never after a decision that was signed later.
    function post(uint256 which) external {
        if (_signed.length == 0) return;
        IConsentRegistry.SignedGrant memory item = _signed[which % _signed.length];
        bool narrowing = _narrowings[which % _signed.length];
        uint256 patient = _patientOf(item.patient);
        uint32 dataset = DatasetId.unwrap(item.datasetId);
        IConsentRegistry.SignedGrant[] memory batch = new IConsentRegistry.SignedGrant[](1);
        batch[0] = item;
        bytes32 before = _stateOf(item.patient, item.datasetId);
        if (narrowing) registry.narrowBatch(batch);
        else registry.grantBatch(batch);
        if (_stateOf(item.patient, item.datasetId) == before) return;

        _usedOnce(_digest(item, narrowing));
        if (narrowing) _narrowed(patient, dataset, item.purposes, item.expiryDay, item.details);
        if (item.issuedAt <= _consents[patient][dataset].signedAt || item.issuedAt <= _allRevoked[patient]) {
            ++undone;
        }
        _opened(patient, dataset, item.purposes, item.expiryDay, item.details, item.issuedAt);
    }

    /// @dev A revocation counts whenever nothing that was signed later stands.
    function postRevocation(uint256 which) external {
        if (_revocations.length == 0) return;
        IConsentRegistry.SignedRevocation memory item = _revocations[which % _revocations.length];
        uint256 patient = _patientOf(item.patient);
        uint32 dataset = DatasetId.unwrap(item.datasetId);
        Consent storage consent = _consents[patient][dataset];
        bool due =
            consent.purposes != 0 ? item.issuedAt >= consent.signedAt : item.issuedAt > consent.signedAt;
        IConsentRegistry.SignedRevocation[] memory batch = new IConsentRegistry.SignedRevocation[](1);
        batch[0] = item;
        bytes32 before = _stateOf(item.patient, item.datasetId);
        registry.revokeBatch(batch);
        bool counted = _stateOf(item.patient, item.datasetId) != before;
        if (counted != due) ++undone;
        if (!counted) return;

        _usedOnce(keccak256(item.signature));
        _closed(patient, dataset, item.issuedAt);
    }

    function postRevokeAll(uint256 which) external {
        if (_signedRevokeAlls.length == 0) return;
        IConsentRegistry.SignedRevokeAll memory item = _signedRevokeAlls[which % _signedRevokeAlls.length];
        uint256 patient = _patientOf(item.patient);
        IConsentRegistry.SignedRevokeAll[] memory batch = new IConsentRegistry.SignedRevokeAll[](1);
        batch[0] = item;
        registry.revokeAllBatch(batch);
        bool counted = registry.revokeAllOf(item.patient).signedAt == item.issuedAt;
        if (item.issuedAt > _allRevoked[patient] && !counted) ++undone;
        if (item.issuedAt <= _allRevoked[patient]) return;

        _usedOnce(keccak256(item.signature));
        _endedAll(patient, item.issuedAt);
    }

    /// @dev Whether the ghost consent permits `request` at this second.
    function expected(uint256 patient, uint32 dataset, uint32 request) public view returns (bool) {
        return _holds(patient, dataset, uint32(block.timestamp))
            && Purposes.permits(_consents[patient][dataset].purposes, request);
    }

    function account(uint256 patient) public pure returns (address) {
        return vm.addr(_key(patient));
    }

    function sampleCount() external view returns (uint256) {
        return samples.length;
    }

    /// @dev Newest first, as the registry wants them.
    function wordsOf(uint256 patient, uint32 dataset)
        external
        view
        returns (IConsentRegistry.Word[] memory list)
    {
        IConsentRegistry.Word[] storage words = _words[patient][dataset];
        list = new IConsentRegistry.Word[](words.length);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = words[list.length - 1 - i];
        }
    }

    function detailsOf(uint256 patient, uint32 dataset) external view returns (Details[] memory list) {
        Details[] storage said = _said[patient][dataset];
        list = new Details[](said.length);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = said[list.length - 1 - i];
        }
    }

    function revokeAllsOf(uint256 patient)
        external
        view
        returns (IConsentRegistry.RevokeAllWord[] memory list)
    {
        IConsentRegistry.RevokeAllWord[] storage words = _revokeAlls[patient];
        list = new IConsentRegistry.RevokeAllWord[](words.length);
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = words[list.length - 1 - i];
        }
    }

    /// @dev Replaces the sample of this second, should there be one: what counts is how the second ends.
    function _sample(uint256 seed) private {
        uint256 patient = seed % PATIENTS;
        uint32 dataset = uint32(seed % DATASETS) + 1;
        uint32 request = uint32(1 << (seed % 4));
        uint32 t = uint32(block.timestamp);
        while (samples.length != 0 && samples[samples.length - 1].t == t) samples.pop();
        samples.push(Sample(patient, dataset, request, t, expected(patient, dataset, request)));
    }

    function _holds(uint256 patient, uint32 dataset, uint32 t) private view returns (bool) {
        Consent storage consent = _consents[patient][dataset];
        return
            consent.open && (consent.expiryDay == type(uint16).max || t < uint256(consent.expiryDay) * 1 days);
    }

    /// @dev Before it is noted: there must be something to narrow, and nothing may be wider or longer afterwards.
    function _narrowed(uint256 patient, uint32 dataset, uint32 purposes, uint16 day, Details details)
        private
    {
        Consent storage old = _consents[patient][dataset];
        bool narrower = day <= old.expiryDay && Purposes.narrows(old.purposes, purposes)
            && _isWithin(uint256(Details.unwrap(details)), uint256(Details.unwrap(old.details)));
        if (!narrower || !_holds(patient, dataset, uint32(block.timestamp))) ++undone;
    }

    function _opened(
        uint256 patient,
        uint32 dataset,
        uint32 purposes,
        uint16 day,
        Details details,
        uint32 signedAt
    ) private {
        _consents[patient][dataset] = Consent(true, purposes, day, signedAt, details);
        _noted(patient, dataset);
    }

    function _closed(uint256 patient, uint32 dataset, uint32 signedAt) private {
        _consents[patient][dataset] = Consent(false, 0, 0, signedAt, Details.wrap(0));
        _noted(patient, dataset);
    }

    /// @dev What was signed later stays.
    function _endedAll(uint256 patient, uint32 signedAt) private {
        _allRevoked[patient] = signedAt;
        for (uint32 dataset = 1; dataset <= DATASETS; ++dataset) {
            Consent storage consent = _consents[patient][dataset];
            if (consent.signedAt <= signedAt) consent.open = false;
        }
        IConsentRegistry.RevokeAllWord memory word = registry.revokeAllOf(account(patient));
        IConsentRegistry.RevokeAllWord[] storage words = _revokeAlls[patient];
        if (words.length != 0 && words[words.length - 1].postedAt == word.postedAt) words.pop();
        words.push(word);
    }

    function _noted(uint256 patient, uint32 dataset) private {
        IConsentRegistry.Word memory word = registry.wordOf(account(patient), DatasetId.wrap(dataset));
        IConsentRegistry.Word[] storage words = _words[patient][dataset];
        Details[] storage said = _said[patient][dataset];
        if (words.length != 0 && words[words.length - 1].postedAt == word.postedAt) {
            if (words[words.length - 1].purposes & Purposes.DETAILS != 0) said.pop();
            words.pop();
        }
        words.push(word);
        if (word.purposes & Purposes.DETAILS != 0) said.push(_consents[patient][dataset].details);
    }

    function _usedOnce(bytes32 digest) private {
        if (_used[digest]) ++replayed;
        _used[digest] = true;
    }

    function _stateOf(address patient, DatasetId dataset) private view returns (bytes32) {
        return keccak256(abi.encode(registry.wordOf(patient, dataset)));
    }

    function _signature(uint256 patient, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_key(patient), digest);
        return abi.encodePacked(r, s, v);
    }

    function _bounded(uint256 patient, uint32 dataset, uint32 purposes, uint16 day)
        private
        view
        returns (uint256, uint32, uint32, uint16)
    {
        // Mostly sensible terms, some that mean nothing.
        uint32[6] memory kinds = [uint32(1), 2, 4, 2 | 1 << 13, 8, 1 << 13];
        uint256 today = block.timestamp / 1 days;
        day = day % 4 == 0 ? type(uint16).max : uint16(bound(day, today, today + 3));
        return (patient % PATIENTS, dataset % uint32(DATASETS) + 1, kinds[purposes % 6], day);
    }

    /// @dev None, or windows of which one lies in the other.
    function _details(uint16 seed) private pure returns (Details) {
        if (seed % 3 == 0) return Details.wrap(0);
        uint256 window = (seed % 3 == 1 ? 0 : 2015) << 240 | (seed % 2 == 0 ? 2020 : 2025) << 224;
        uint256 form = seed % 5 == 0 ? 0 : uint256(bytes32("form")) >> 32;
        return Details.wrap(bytes32(window | form));
    }

    /// @dev A last year 0 is none.
    function _isWithin(uint256 details, uint256 wider) private pure returns (bool) {
        uint256 last = details << 16 >> 240;
        uint256 widerLast = wider << 16 >> 240;
        return details >> 240 >= wider >> 240 && (widerLast == 0 || (last != 0 && last <= widerLast))
            && details << 32 == wider << 32;
    }

    function _patientOf(address who) private pure returns (uint256 patient) {
        while (account(patient) != who) ++patient;
    }

    function _key(uint256 patient) private pure returns (uint256) {
        return uint256(keccak256(abi.encode("patient", patient)));
    }

    function _digest(IConsentRegistry.SignedGrant memory item, bool narrowing)
        private
        view
        returns (bytes32)
    {
        string memory fields =
            "(address patient,string dataset,string uses,string data,bytes28 form,string until,uint32 issuedAt,uint32 deadline)";
        bytes32 kind = keccak256(abi.encodePacked(narrowing ? "Narrow" : "Grant", fields));
        string memory dataset = string.concat("dataset ", vm.toString(DatasetId.unwrap(item.datasetId)));
        bytes32[4] memory wording = _wording(item);
        bytes memory said = abi.encode(kind, item.patient, keccak256(bytes(dataset)), wording);
        return _typed(keccak256(bytes.concat(said, abi.encode(item.issuedAt, item.deadline))));
    }

    /// @dev What the contract puts into words: uses, data, form, end.
    function _wording(IConsentRegistry.SignedGrant memory item)
        private
        view
        returns (bytes32[4] memory hashes)
    {
        (string memory uses, string memory data, string memory until) =
            registry.describe(item.purposes, item.details, item.expiryDay);
        hashes[0] = keccak256(bytes(uses));
        hashes[1] = keccak256(bytes(data));
        hashes[2] = bytes32(bytes28(Details.unwrap(item.details) << 32));
        hashes[3] = keccak256(bytes(until));
    }

    function _typed(bytes32 message) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("MedFed ConsentRegistry"),
                keccak256("1"),
                block.chainid,
                address(registry)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, message));
    }
}

/// @dev A consent is active only if granted, unexpired and unrevoked, now and in the past.
contract ConsentInvariantsTest is Rig {
    IConsentRegistry internal registry;
    ConsentHandler internal handler;

    function setUp() external {
        vm.warp(1_800_000_000);
        OpenDatasets owners = new OpenDatasets();
        address consortium = deployed("Consortium", abi.encode(address(this)));
        registry = IConsentRegistry(deployed("ConsentRegistry", abi.encode(consortium, address(owners))));
        handler = new ConsentHandler(registry);
        for (uint256 dataset = 1; dataset <= handler.DATASETS(); ++dataset) {
            owners.give(DatasetId.wrap(uint32(dataset)), handler.OWNER());
        }
        _target(address(handler), _moves());
    }

    function _moves() private pure returns (bytes4[] memory moves) {
        moves = new bytes4[](12);
        moves[0] = ConsentHandler.wait.selector;
        moves[1] = ConsentHandler.grant.selector;
        moves[2] = ConsentHandler.narrow.selector;
        moves[3] = ConsentHandler.revoke.selector;
        moves[4] = ConsentHandler.revokeFor.selector;
        moves[5] = ConsentHandler.revokeAll.selector;
        moves[6] = ConsentHandler.sign.selector;
        moves[7] = ConsentHandler.post.selector;
        moves[8] = ConsentHandler.signRevocation.selector;
        moves[9] = ConsentHandler.signRevokeAll.selector;
        moves[10] = ConsentHandler.postRevocation.selector;
        moves[11] = ConsentHandler.postRevokeAll.selector;
    }

    /// @dev INV-17: the registry's answer for this second is the ghost's, for every patient, dataset and kind of research.
    function invariant_INV9_activeOnlyIfGrantedUnexpiredUnrevoked() external view {
        for (uint256 patient = 0; patient < handler.PATIENTS(); ++patient) {
            for (uint32 dataset = 1; dataset <= handler.DATASETS(); ++dataset) {
                for (uint256 kind = 0; kind < 4; ++kind) {
                    uint32 request = uint32(1 << kind);
                    bool active = registry.isActive(
                        handler.account(patient), DatasetId.wrap(dataset), request, uint32(block.timestamp)
                    );
                    vm.assertTrue(active == handler.expected(patient, dataset, request), "isActive");
                }
            }
        }
    }

    /// @dev INV-18: what was true when a second ended stays true, whatever was done since.
    function invariant_INV10_thePastStaysAsItWas() external view {
        for (uint256 i = 0; i < handler.sampleCount(); ++i) {
            (uint256 patient, uint32 dataset, uint32 request, uint32 t, bool active) = handler.samples(i);
            if (t >= block.timestamp) continue;
            bool was = registry.wasActive(
                handler.account(patient),
                DatasetId.wrap(dataset),
                request,
                t,
                handler.wordsOf(patient, dataset),
                handler.detailsOf(patient, dataset),
                handler.revokeAllsOf(patient)
            );
            vm.assertTrue(was == active, "wasActive");
        }
    }

    /// @dev INV-19: no signature counts twice, none undoes a later decision, no narrowing revives what ended.
    function invariant_INV11_signaturesCountOnceAndInOrder() external view {
        vm.assertEq(handler.replayed(), 0);
        vm.assertEq(handler.undone(), 0);
    }
}
