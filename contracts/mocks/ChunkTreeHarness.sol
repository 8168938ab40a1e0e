// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ChunkTree} from "../libraries/ChunkTree.sol";

/// @dev Makes the library callable.
contract ChunkTreeHarness {
    function verify(
        bytes32 root,
        bytes calldata chunk,
        uint256 index,
        bytes32[] calldata proof,
        uint256 chunkCount
    ) external pure returns (bool) {
        return ChunkTree.verify(root, chunk, index, proof, chunkCount);
    }
}
