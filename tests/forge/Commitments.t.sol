// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ATTESTATION_TYPEHASH, FederatedRounds} from "../../contracts/FederatedRounds.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Rig, vm} from "./Rig.sol";

/// @dev Aggregate hashes, attestation digests and vector headers against those of the Python twin. Commitments to updates
/// are private to the contract; the tests of the chain in the process read them from its storage.
contract CommitmentsTest is Rig {
    FederatedRounds private _rounds;
    string private _json;

    function setUp() external {
        // The attestation is made for the chain and the address of the first contract.
        vm.chainId(31_337);
        bytes memory given = abi.encode(address(this), 0, 0, address(this), 0, 0, 0, 0);
        _rounds = FederatedRounds(vm.deployCode("FederatedRounds.sol:FederatedRounds", given));
        _json = vm.readFile("tests/vectors/commitments.json");
    }

    /// @dev All that a new `FederatedRounds` asks of its vault.
    function exitDelay() external pure returns (uint256) {
        return 1 days;
    }

    function test_aggregateHashes() external view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at("aggregates", count, "hash")); ++count) {
            IFederatedRounds.Aggregate memory aggregate = IFederatedRounds.Aggregate(
                _word("aggregates", count, "cid"),
                _word("aggregates", count, "root"),
                _word("aggregates", count, "model"),
                uint64(_uint("aggregates", count, "included")),
                uint32(_uint("aggregates", count, "weight"))
            );
            bytes32 found = _rounds.hashAggregate(
                StudyId.wrap(uint64(_uint("aggregates", count, "study"))),
                uint16(_uint("aggregates", count, "round")),
                aggregate
            );
            vm.assertEq(found, _word("aggregates", count, "hash"));
        }
        vm.assertGe(count, 3, "too few vectors");
    }

    /// @dev A header is the encoding of five words and zeros up to a chunk.
    function test_headers() external view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at("headers", count, "chunk")); ++count) {
            bytes memory words = abi.encode(
                _uint("headers", count, "chain_id"),
                vm.parseJsonAddress(_json, _at("headers", count, "contract")),
                _uint("headers", count, "study"),
                _uint("headers", count, "round"),
                vm.parseJsonAddress(_json, _at("headers", count, "hospital"))
            );
            bytes memory chunk = vm.parseJsonBytes(_json, _at("headers", count, "chunk"));
            vm.assertEq(bytes.concat(words, new bytes(512 - 160)), chunk);
        }
        vm.assertGe(count, 3, "too few vectors");
    }

    /// @dev The domain is what the contract itself says (EIP-5267).
    function test_attestationDigest() external view {
        string memory json = vm.readFile("tests/vectors/typed_consent.json");
        vm.assertEq(vm.parseJsonAddress(json, ".contract"), address(_rounds));
        (, string memory name, string memory version, uint256 chainId, address verifying,,) =
            _rounds.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                verifying
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                ATTESTATION_TYPEHASH,
                vm.parseJsonUint(json, ".attestation.study"),
                vm.parseJsonUint(json, ".attestation.round"),
                vm.parseJsonBytes32(json, ".attestation.aggregate_hash")
            )
        );
        vm.assertEq(
            keccak256(abi.encodePacked(hex"1901", domain, message)),
            vm.parseJsonBytes32(json, ".attestation.digest")
        );
    }

    function _at(string memory list, uint256 place, string memory name) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(place), "].", name);
    }

    function _word(string memory list, uint256 place, string memory name) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, _at(list, place, name));
    }

    function _uint(string memory list, uint256 place, string memory name) private view returns (uint256) {
        return vm.parseJsonUint(_json, _at(list, place, name));
    }
}
