// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DatasetId} from "../types/DatasetId.sol";
import {RoundId} from "../types/RoundId.sol";
import {StudyId} from "../types/StudyId.sol";
import {ChunkTree} from "./ChunkTree.sol";

/// @title The leaves of a cohort, and the tree over them
/// @notice A binary SHA-256 tree over 32-byte leaves by position, padded with zero leaves to the next power of two. The root that a
/// hospital commits to is a hash over the count of the leaves and the tree's root, so that every path has one length: no leaf hides a
/// subtree, and who opens a leaf knows how many there are.
library Leaves {
    bytes32 internal constant LEAF_TAG = "medfed cohort leaf";
    bytes32 internal constant ROOT_TAG = "medfed cohort root";

    /// @notice What stands for a patient: sha256(abi.encode(tag, study, round, dataset, patient, salt)).
    function leafOf(StudyId study, RoundId round, DatasetId dataset, address patient, bytes32 salt)
        internal
        pure
        returns (bytes32)
    {
        return sha256(abi.encode(LEAF_TAG, study, round, dataset, patient, salt));
    }

    /// @notice Whether `leaf` stands at `index` of the `count` leaves with this root.
    /// @param proof The sibling nodes, from the leaf up.
    function isAt(bytes32 root, bytes32 leaf, uint32 index, uint32 count, bytes32[] calldata proof)
        internal
        pure
        returns (bool)
    {
        if (index >= count || proof.length != ChunkTree.depth(count)) return false;
        return sha256(abi.encode(ROOT_TAG, count, ChunkTree.climb(leaf, index, proof))) == root;
    }
}
