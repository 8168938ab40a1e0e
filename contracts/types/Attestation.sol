// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What a submitter signs to stand for a result, as EIP-712 hashes it: `FederatedRounds` and its tests share these.

bytes32 constant DOMAIN_TYPEHASH =
    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
bytes32 constant DOMAIN_NAME_HASH = keccak256("MedFed FederatedRounds");
bytes32 constant DOMAIN_VERSION_HASH = keccak256("1");
bytes32 constant ATTESTATION_TYPEHASH =
    keccak256("Attestation(uint64 study,uint16 round,bytes32 aggregateHash)");
