// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Purposes} from "../../contracts/libraries/Purposes.sol";
import {Rig, vm} from "./Rig.sol";

/// @dev The library against the vectors of its Python twin, and properties over all bits.
contract PurposesTest is Rig {
    function test_vectors() external view {
        string memory json = vm.readFile("tests/vectors/purposes.json");
        uint256[] memory values = vm.parseJsonUintArray(json, ".values");
        uint256[] memory permitted = vm.parseJsonUintArray(json, ".permits");
        uint256[] memory narrowed = vm.parseJsonUintArray(json, ".narrows");
        for (uint256 i = 0; i < values.length; ++i) {
            for (uint256 j = 0; j < values.length; ++j) {
                uint32 left = uint32(values[i]);
                uint32 right = uint32(values[j]);
                vm.assertTrue(Purposes.permits(left, right) == (permitted[i] >> j & 1 == 1), "permits");
                vm.assertTrue(Purposes.narrows(left, right) == (narrowed[i] >> j & 1 == 1), "narrows");
            }
        }
    }

    function test_everyCodeIsDefinedAndNoOtherBit() external view {
        uint256[] memory bits = vm.parseJsonUintArray(vm.readFile("tests/vectors/purposes.json"), ".bits");
        uint256 defined = 0;
        for (uint256 i = 0; i < bits.length; ++i) {
            defined |= bits[i];
        }
        vm.assertEq(defined, Purposes.DEFINED);
    }

    /// @dev Whoever may narrow to something permits it already: for every request at all.
    function testFuzz_narrowingPermitsNothingNew(uint32 from, uint32 to, uint32 requested) external pure {
        from &= Purposes.DEFINED;
        to &= Purposes.DEFINED;
        if (Purposes.narrows(from, to) && Purposes.permits(to, requested)) {
            vm.assertTrue(Purposes.permits(from, requested), "narrower permits more");
        }
    }

    /// @dev Taking a permission away or adding a condition is narrowing.
    function testFuzz_fewerPermissionsAndMoreConditionsNarrow(uint32 from, uint32 taken, uint32 added)
        external
        pure
    {
        from &= Purposes.DEFINED;
        uint32 kinds = from & Purposes.PERMISSIONS & ~taken;
        uint32 to = kinds | (from | added) & Purposes.MODIFIERS;
        vm.assertTrue(Purposes.narrows(from, to), "a narrowing was refused");
    }

    function testFuzz_undefinedBitsPermitNothing(uint32 consented, uint32 requested, uint32 stray)
        external
        pure
    {
        stray &= ~Purposes.DEFINED;
        if (stray == 0) return;
        vm.assertFalse(Purposes.permits(consented | stray, requested), "undefined consent");
        vm.assertFalse(Purposes.permits(consented, requested | stray), "undefined request");
    }

    function testFuzz_diseaseSpecificResearchNeedsTheDisease(uint32 uses, uint24 disease, uint24 requested)
        external
        pure
    {
        uses &= Purposes.PERMISSIONS;
        bool permitted = Purposes.permitsStudy(uses, disease, Purposes.DS, requested);
        bool covered = uses & (Purposes.GRU | Purposes.HMB | Purposes.DS) != 0;
        vm.assertTrue(permitted == (covered && disease == requested && disease != 0), "disease");
    }
}
