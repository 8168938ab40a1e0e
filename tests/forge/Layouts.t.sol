// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {VECTOR_LIMIT, Vector, VectorList, chunksOf, vectorAt} from "../../contracts/types/Vector.sol";
import {Rig, bound, vm} from "./Rig.sol";

/// @dev What an update consists of: against the vectors of the Python twin, and what is stored of it against what was written.
contract LayoutsTest is Rig {
    VectorList private _list;
    string private _json;

    function setUp() external {
        _json = vm.readFile("tests/vectors/layouts.json");
    }

    /// @dev Stores vectors; called from outside, as they come in calldata.
    function write(Vector[] calldata vectors) external {
        _list.write(vectors);
    }

    function test_layoutsOfTheTwin() external view {
        uint256 count;
        for (; vm.keyExistsJson(_json, _at(count, "chunks")); ++count) {
            Vector[] memory vectors = _vectors(count);
            vm.assertEq(chunksOf(vectors), vm.parseJsonUint(_json, _at(count, "chunks")), "chunks");
            uint256[] memory numbers = vm.parseJsonUintArray(_json, _at(count, "numbers"));
            uint256[] memory firsts = vm.parseJsonUintArray(_json, _at(count, "firsts"));
            for (uint256 index; index < numbers.length; ++index) {
                (Vector memory found, uint256 first) = vectorAt(vectors, index);
                vm.assertEq(first, firsts[index], "first word");
                if (numbers[index] == 0) vm.assertEq(found.words, 0, "a leaf of no vector");
                else _assertSame(found, vectors[numbers[index] - 1]);
            }
        }
        vm.assertGe(count, 5, "too few vectors");
    }

    /// @dev Whatever is written is read again.
    function testFuzz_whatIsWrittenIsRead(bytes32 seed, uint256 count) external {
        Vector[] memory vectors = new Vector[](bound(count, 0, VECTOR_LIMIT));
        for (uint256 i; i < vectors.length; ++i) {
            uint256 drawn = uint256(keccak256(abi.encode(seed, i)));
            vectors[i] = Vector(uint32(drawn), uint32(drawn >> 32), drawn >> 64 & 1 == 1);
        }

        this.write(vectors);

        Vector[] memory found = _list.read();
        vm.assertEq(found.length, vectors.length, "count");
        for (uint256 i; i < found.length; ++i) {
            _assertSame(found[i], vectors[i]);
        }
        vm.assertEq(_list.chunkCount(), chunksOf(vectors), "chunks");
    }

    function _assertSame(Vector memory found, Vector memory wanted) private pure {
        vm.assertEq(found.words, wanted.words, "words");
        vm.assertEq(found.steps, wanted.steps, "steps");
        vm.assertEq(found.weighted, wanted.weighted, "weighted");
    }

    function _vectors(uint256 place) private view returns (Vector[] memory vectors) {
        uint256 count;
        while (vm.keyExistsJson(_json, _of(place, count, "words"))) ++count;
        vectors = new Vector[](count);
        for (uint256 i; i < count; ++i) {
            vectors[i] = Vector(
                uint32(vm.parseJsonUint(_json, _of(place, i, "words"))),
                uint32(vm.parseJsonUint(_json, _of(place, i, "steps"))),
                vm.parseJsonBool(_json, _of(place, i, "weighted"))
            );
        }
    }

    function _of(uint256 place, uint256 number, string memory name) private pure returns (string memory) {
        return string.concat(_at(place, "vectors"), "[", vm.toString(number), "].", name);
    }

    function _at(uint256 place, string memory name) private pure returns (string memory) {
        return string.concat(".layouts[", vm.toString(place), "].", name);
    }
}
