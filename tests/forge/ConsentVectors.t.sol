// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {Purposes} from "../../contracts/libraries/Purposes.sol";
import {OpenDatasets} from "../../contracts/mocks/OpenDatasets.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {Details} from "../../contracts/types/Details.sol";
import {Rig, deployed, vm} from "./Rig.sol";

/// @dev The registry against what the Python twin says: messages, words, answers.
contract ConsentVectorsTest is Rig {
    IConsentRegistry internal registry;
    OpenDatasets internal owners;
    address internal constant PATIENT = address(bytes20(hex"1111111111111111111111111111111111111111"));
    address internal constant OWNER = address(bytes20(hex"2222222222222222222222222222222222222222"));

    IConsentRegistry.Word[] internal words;
    Details[] internal details;
    IConsentRegistry.RevokeAllWord[] internal revokeAlls;

    function setUp() external {
        // The messages are made for chain and address of the first contract, so both stand before it.
        vm.chainId(31_337);
        registry = IConsentRegistry(deployed("ConsentRegistry", abi.encode(_next(3), _next(2))));
        owners = new OpenDatasets();
        vm.assertEq(address(owners), _next(2));
        vm.assertEq(deployed("Consortium", abi.encode(address(this))), _next(3));
    }

    /// @dev The address of this contract's deployment with this nonce, below 128.
    function _next(uint8 nonce) private view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", address(this), nonce)))));
    }

    /// @dev Four patients: one grants, one narrows, one revokes, one revokes all, each by the twin's signature.
    function test_signaturesOfTheTwinCount() external {
        string memory json = vm.readFile("tests/vectors/typed_consent.json");
        vm.assertEq(vm.parseJsonAddress(json, ".contract"), address(registry));
        vm.assertEq(vm.parseJsonUint(json, ".chain_id"), block.chainid);
        uint256 time = vm.parseJsonUint(json, ".now");

        vm.warp(time - 9);
        for (uint256 i = 1; i < 4; ++i) {
            vm.prank(_patient(json, i));
            registry.grant(DatasetId.wrap(7), 1, type(uint16).max, Details.wrap(0));
        }

        vm.warp(time);
        registry.grantBySig(_grantOf(json, 0));
        registry.narrowBySig(_grantOf(json, 1));
        registry.revokeBySig(
            IConsentRegistry.SignedRevocation(
                _patient(json, 2), DatasetId.wrap(7), uint32(time), _signature(json, 2)
            )
        );
        registry.revokeAllBySig(
            IConsentRegistry.SignedRevokeAll(_patient(json, 3), uint32(time), _signature(json, 3))
        );

        for (uint256 i = 0; i < 2; ++i) {
            vm.assertEq(registry.wordOf(_patient(json, i), DatasetId.wrap(7)).signedAt, time);
        }
        vm.assertEq(registry.wordOf(_patient(json, 2), DatasetId.wrap(7)).purposes, 0);
        vm.assertEq(registry.revokeAllOf(_patient(json, 3)).signedAt, time);
    }

    /// @dev One history with every kind of change: the same words, and the same answer for every second around them.
    function test_historyOfTheTwin() external {
        string memory json = vm.readFile("tests/vectors/consent.json");
        _replay(json);
        _readWords(json);

        _assertEq(registry.wordOf(PATIENT, DatasetId.wrap(7)), words[0]);
        vm.assertEq(registry.revokeAllOf(PATIENT).postedAt, revokeAlls[0].postedAt);
        vm.assertEq(bytes32(registry.revokeAllOf(PATIENT).history), bytes32(revokeAlls[0].history));

        uint256[] memory times = vm.parseJsonUintArray(json, ".queries.t");
        uint256[] memory requests = vm.parseJsonUintArray(json, ".queries.purposes");
        uint256[] memory answers = vm.parseJsonUintArray(json, ".queries.active");
        vm.warp(times[times.length - 1] + 1);
        for (uint256 i = 0; i < times.length; ++i) {
            bool active = registry.wasActive(
                PATIENT, DatasetId.wrap(7), uint32(requests[i]), uint32(times[i]), words, details, revokeAlls
            );
            vm.assertTrue(active == (answers[i] == 1), "wasActive");
        }
    }

    function _replay(string memory json) private {
        uint256[] memory kinds = vm.parseJsonUintArray(json, ".events.kind");
        uint256[] memory purposes = vm.parseJsonUintArray(json, ".events.purposes");
        uint256[] memory expiries = vm.parseJsonUintArray(json, ".events.expiry_day");
        uint256[] memory times = vm.parseJsonUintArray(json, ".events.at");
        uint256[] memory byOwner = vm.parseJsonUintArray(json, ".events.by_owner");
        owners.give(DatasetId.wrap(7), OWNER);
        for (uint256 i = 0; i < kinds.length; ++i) {
            vm.warp(times[i]);
            vm.prank(byOwner[i] == 1 ? OWNER : PATIENT);
            if (byOwner[i] == 1) {
                registry.revokeFor(PATIENT, DatasetId.wrap(7));
            } else if (kinds[i] == 0) {
                registry.grant(
                    DatasetId.wrap(7),
                    uint32(purposes[i]),
                    uint16(expiries[i]),
                    _detailsOf(json, ".events", i)
                );
            } else if (kinds[i] == 1) {
                registry.narrow(
                    DatasetId.wrap(7),
                    uint32(purposes[i]),
                    uint16(expiries[i]),
                    _detailsOf(json, ".events", i)
                );
            } else if (kinds[i] == 2) {
                registry.revoke(DatasetId.wrap(7));
            } else {
                registry.revokeAll();
            }
        }
    }

    function _readWords(string memory json) private {
        uint256[] memory purposes = vm.parseJsonUintArray(json, ".words.purposes");
        uint256[] memory posted = vm.parseJsonUintArray(json, ".words.posted_at");
        uint256[] memory signed = vm.parseJsonUintArray(json, ".words.signed_at");
        uint256[] memory expiries = vm.parseJsonUintArray(json, ".words.expiry_day");
        bytes32[] memory histories = vm.parseJsonBytes32Array(json, ".words.history");
        for (uint256 i = 0; i < purposes.length; ++i) {
            words.push(
                IConsentRegistry.Word(
                    uint32(purposes[i]),
                    uint32(posted[i]),
                    uint32(signed[i]),
                    uint16(expiries[i]),
                    bytes18(histories[i])
                )
            );
        }
        for (uint256 i = 0; i < purposes.length; ++i) {
            if (purposes[i] & Purposes.DETAILS != 0) details.push(_detailsOf(json, ".words", i));
        }
        posted = vm.parseJsonUintArray(json, ".revoke_alls.posted_at");
        signed = vm.parseJsonUintArray(json, ".revoke_alls.signed_at");
        bytes32[] memory links = vm.parseJsonBytes32Array(json, ".revoke_alls.history");
        for (uint256 i = 0; i < posted.length; ++i) {
            revokeAlls.push(
                IConsentRegistry.RevokeAllWord(uint32(posted[i]), uint32(signed[i]), bytes24(links[i]))
            );
        }
    }

    function _grantOf(string memory json, uint256 i)
        private
        pure
        returns (IConsentRegistry.SignedGrant memory)
    {
        uint32 time = uint32(vm.parseJsonUint(json, ".now"));
        return IConsentRegistry.SignedGrant(
            _patient(json, i),
            DatasetId.wrap(7),
            uint32(vm.parseJsonUintArray(json, ".purposes")[i]),
            uint16(vm.parseJsonUintArray(json, ".expiry_days")[i]),
            _detailsOf(json, "", i),
            time,
            time + 60,
            _signature(json, i)
        );
    }

    function _detailsOf(string memory json, string memory place, uint256 i) private pure returns (Details) {
        return Details.wrap(vm.parseJsonBytes32Array(json, string.concat(place, ".details"))[i]);
    }

    function _patient(string memory json, uint256 i) private pure returns (address) {
        return vm.parseJsonAddress(json, string.concat(".patients[", vm.toString(i), "]"));
    }

    function _signature(string memory json, uint256 i) private pure returns (bytes memory) {
        return vm.parseJsonBytesArray(json, ".signatures")[i];
    }

    function _assertEq(IConsentRegistry.Word memory found, IConsentRegistry.Word memory wanted) private pure {
        vm.assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(wanted)), "word");
    }
}
