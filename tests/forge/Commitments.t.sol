// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Aggregate, AggregateId} from "../../contracts/types/Aggregate.sol";
import {
    ATTESTATION_TYPEHASH,
    DOMAIN_NAME_HASH,
    DOMAIN_TYPEHASH,
    DOMAIN_VERSION_HASH
} from "../../contracts/types/Attestation.sol";
import {RoundId} from "../../contracts/types/RoundId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Update} from "../../contracts/types/Update.sol";
import {Rig, vm} from "./Rig.sol";

/// @dev Commitments to updates, aggregate hashes, attestation digests and vector headers against those of the Python twin.
contract CommitmentsTest is Rig {
    string private _json;

    function setUp() external {
        _json = vm.readFile("tests/vectors/commitments.json");
    }

    function test_updateCommitments() external view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at("updates", count, "commitment")); ++count) {
            Update memory update = Update(
                _word("updates", count, "cid"),
                _word("updates", count, "update_root"),
                _word("updates", count, "cohort_cid"),
                _word("updates", count, "cohort_root"),
                uint32(_uint("updates", count, "weight"))
            );
            vm.assertEq(update.commitment(), _word("updates", count, "commitment"));
        }
        vm.assertGe(count, 3, "too few vectors");
    }

    function test_aggregateHashes() external view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at("aggregates", count, "hash")); ++count) {
            Aggregate memory aggregate = Aggregate(
                _word("aggregates", count, "cid"),
                _word("aggregates", count, "root"),
                _word("aggregates", count, "model"),
                SeatSet.wrap(uint64(_uint("aggregates", count, "included"))),
                uint32(_uint("aggregates", count, "weight"))
            );
            AggregateId found = aggregate.hash(
                StudyId.wrap(uint64(_uint("aggregates", count, "study"))),
                RoundId.wrap(uint16(_uint("aggregates", count, "round")))
            );
            vm.assertEq(AggregateId.unwrap(found), _word("aggregates", count, "hash"));
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

    /// @dev That the contract takes such a signature is shown by the campaign of value.
    function test_attestationDigest() external view {
        string memory json = vm.readFile("tests/vectors/typed_consent.json");
        uint256 chainId = 31_337;
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                DOMAIN_NAME_HASH,
                DOMAIN_VERSION_HASH,
                chainId,
                vm.parseJsonAddress(json, ".contract")
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
