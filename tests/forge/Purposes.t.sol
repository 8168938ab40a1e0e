// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Purposes} from "../../contracts/libraries/Purposes.sol";
import {Rig, vm} from "./Rig.sol";

/// @dev The library against the vectors of its Python twin, and properties over all bits.
contract PurposesTest is Rig {
    uint32 private constant CONSENTABLE = Purposes.DEFINED ^ Purposes.MDS;

    function test_vectors() external view {
        string memory json = vm.readFile("tests/vectors/purposes.json");
        uint256[] memory values = vm.parseJsonUintArray(json, ".values");
        uint256[] memory permitted = vm.parseJsonUintArray(json, ".permits");
        uint256[] memory narrowed = vm.parseJsonUintArray(json, ".narrows");
        uint256[] memory served = vm.parseJsonUintArray(json, ".permits_study");
        for (uint256 i = 0; i < values.length; ++i) {
            for (uint256 j = 0; j < values.length; ++j) {
                uint32 left = uint32(values[i]);
                uint32 right = uint32(values[j]);
                vm.assertTrue(Purposes.permits(left, right) == (permitted[i] >> j & 1 == 1), "permits");
                vm.assertTrue(Purposes.narrows(left, right) == (narrowed[i] >> j & 1 == 1), "narrows");
                vm.assertTrue(_serves(left, right) == (served[i] >> j & 1 == 1), "study");
            }
        }
    }

    /// @dev A study of another disease, with all but IS confirmed.
    function _serves(uint32 uses, uint32 requested) private pure returns (bool) {
        return Purposes.permitsStudy(uses, 1, Purposes.met(requested, Purposes.PARAMETERISED ^ 1 << 30), 2);
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
        from &= CONSENTABLE;
        to &= CONSENTABLE;
        if (Purposes.narrows(from, to) && Purposes.permits(to, requested)) {
            vm.assertTrue(Purposes.permits(from, requested), "narrower permits more");
        }
    }

    /// @dev Taking a permission away or adding a condition is narrowing.
    function testFuzz_fewerPermissionsAndMoreConditionsNarrow(uint32 from, uint32 taken, uint32 added)
        external
        pure
    {
        from &= CONSENTABLE;
        uint32 kinds = from & Purposes.PERMISSIONS & ~taken;
        uint32 to = kinds | (from | added) & (Purposes.DENIALS | Purposes.CONDITIONS);
        vm.assertTrue(Purposes.narrows(from, to), "a narrowing was refused");
    }

    function testFuzz_undefinedBitsPermitNothing(uint32 consented, uint32 requested, uint32 stray)
        external
        pure
    {
        stray &= ~Purposes.DEFINED;
        if (stray == 0) return;
        if (stray != Purposes.DETAILS) {
            vm.assertFalse(Purposes.permits(consented | stray, requested), "undefined consent");
        }
        vm.assertFalse(Purposes.permits(consented, requested | stray), "undefined request");
    }

    function testFuzz_diseaseSpecificResearchNeedsTheDisease(uint32 uses, uint24 disease, uint24 requested)
        external
        pure
    {
        uses &= Purposes.PERMISSIONS;
        bool permitted = Purposes.permitsStudy(uses, disease, Purposes.DS, requested);
        bool any = uses & (Purposes.NRES | Purposes.GRU | Purposes.HMB) != 0;
        bool own = uses & Purposes.DS != 0 && disease == requested && disease != 0;
        vm.assertTrue(permitted == (any || own), "disease");
    }

    /// @dev What nobody confirmed is not met, whatever a sponsor writes.
    function testFuzz_parameterisedConditionsNeedAConfirmation(
        uint32 uses,
        uint32 requested,
        uint32 confirmed
    ) external pure {
        uint32 unconfirmed = uses & Purposes.PARAMETERISED & ~confirmed;
        if (unconfirmed == 0) return;
        vm.assertFalse(Purposes.permits(uses, Purposes.met(requested, confirmed)), "unconfirmed");
    }

    function testFuzz_aByteHoldsWhatIsConfirmed(uint32 purposes) external pure {
        uint32 kept = Purposes.fromByte(Purposes.toByte(purposes));
        vm.assertEq(kept, purposes & Purposes.PARAMETERISED);
    }

    /// @dev More confirmed never permits less, and more named never harms.
    function testFuzz_confirmingPermitsMore(uint32 uses, uint32 requested, uint32 confirmed, uint32 more)
        external
        pure
    {
        if (!Purposes.permits(uses, Purposes.met(requested, confirmed))) return;
        vm.assertTrue(Purposes.permits(uses, Purposes.met(requested, confirmed | more)), "confirmed more");
    }
}
