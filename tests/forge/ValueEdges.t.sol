// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IClaims} from "../../contracts/interfaces/IClaims.sol";
import {IDatasetRegistry} from "../../contracts/interfaces/IDatasetRegistry.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {IStudies} from "../../contracts/interfaces/IStudies.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {Aggregate, AggregateId} from "../../contracts/types/Aggregate.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {RoundId} from "../../contracts/types/RoundId.sol";
import {SeatId} from "../../contracts/types/SeatId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Update} from "../../contracts/types/Update.sol";
import {Vector} from "../../contracts/types/Vector.sol";
import {Rig, bound, deployed, vm} from "./Rig.sol";
import {Stage} from "./Stage.sol";
import {Vectors} from "./Vectors.sol";

/// @dev The vault alone, with the test in the place of all that it trusts: an entry moves exactly what it says, or reverts. What uses the vault
/// never asks for more than there is, so the campaign cannot show it.
contract VaultEntriesTest is Stage, Rig {
    StudyId private constant STUDY = StudyId.wrap(1);
    address private constant OWNER = address(0xA1);
    IStakeVault private _vault;
    FeeToken private _token;

    function setUp() external {
        address me = address(this);
        address manager = deployed("AccessManager", abi.encode(me));
        _vault = IStakeVault(deployed("StakeVault", abi.encode(manager, me, me, me, me, me, me, 2000)));
        _token = new FeeToken(0);
        _token.mint(me, 1e6);
        _token.approve(address(_vault), 1e6);
        _vault.allowToken(address(_token), true);
    }

    /// @dev The vault asks who speaks for an account.
    function adminOf(address who) external pure returns (address) {
        return who;
    }

    function testFuzz_entriesTakeNoMoreThanThereIs(uint256 put, uint256 locked, uint256 excess) external {
        (put, excess) = (bound(put, 2, 1000), bound(excess, 1, type(uint128).max - 1000));
        locked = bound(locked, 1, put - 1);
        _vault.deposit(address(_token), put, OWNER);
        _vault.lock(OWNER, address(_token), locked, false);

        vm.expectPartialRevert(IStakeVault.FreeBalanceTooSmall.selector);
        _vault.lock(OWNER, address(_token), put - locked + excess, false);
        vm.expectPartialRevert(IStakeVault.LockedBalanceTooSmall.selector);
        _vault.unlock(OWNER, address(_token), locked + excess, false);
        vm.expectPartialRevert(IStakeVault.AllowanceTooSmall.selector);
        _vault.lock(OWNER, address(_token), 1, true);
        _expectRefusedSlash(locked + excess);
        vm.prank(OWNER);
        vm.expectPartialRevert(IStakeVault.FreeBalanceTooSmall.selector);
        _vault.withdraw(OWNER, address(_token), put - locked + excess, OWNER);

        _requireBalance(put - locked, locked);
    }

    function testFuzz_potsAndFeesPayNoMoreThanTheyHave(uint256 put, uint256 excess) external {
        (put, excess) = (bound(put, 1, 1000), bound(excess, 1, 1000));
        _vault.fund(STUDY, address(_token), put, address(this));
        _vault.collect(address(_token), put, address(this));

        vm.expectPartialRevert(IStakeVault.PotTooSmall.selector);
        _vault.pay(STUDY, OWNER, put + excess);
        vm.expectRevert();
        _vault.disburse(address(_token), OWNER, put + excess);

        _requireBalance(0, 0);
    }

    /// @dev Of what is slashed, every unit is the challenger's, the pot's, or burnt, and that is half at least.
    function testFuzz_aSlashIsSharedOutInFull(uint256 put, uint256 part, uint256 kept) external {
        put = bound(put, 1, 1000);
        part = bound(part, 1, put);
        kept = bound(kept, 0, part / 2);
        _vault.fund(STUDY, address(_token), 1, address(this));
        _vault.deposit(address(_token), put, OWNER);
        _vault.lock(OWNER, address(_token), put, false);

        _slash(part, kept);

        uint256 won = _vault.balanceOf(CHALLENGER, address(_token)).free;
        vm.assertLe(won, part * 2000 / 10_000, "a challenger has too much");
        vm.assertGe(2 * _vault.burntOf(address(_token)), part, "less than half is burnt");
        vm.assertEq(won + (_vault.potOf(STUDY).amount - 1) + _vault.burntOf(address(_token)), part);
        _requireBalance(0, put - part);
    }

    function testFuzz_noMoreThanHalfOfASlashIsKept(uint256 part, uint256 excess) external {
        (part, excess) = (bound(part, 2, 1000), bound(excess, 1, 1000));
        _vault.fund(STUDY, address(_token), 1, address(this));
        _vault.deposit(address(_token), part, OWNER);
        _vault.lock(OWNER, address(_token), part, false);

        vm.expectRevert();
        _slash(part, part / 2 + excess);

        _requireBalance(0, part);
    }

    function _expectRefusedSlash(uint256 amount) private {
        vm.expectPartialRevert(IStakeVault.LockedBalanceTooSmall.selector);
        _slash(amount, 0);
    }

    function _slash(uint256 amount, uint256 kept) private {
        (address[] memory accounts, uint256[] memory amounts) = (new address[](1), new uint256[](1));
        (accounts[0], amounts[0]) = (OWNER, amount);
        _vault.slash(STUDY, address(_token), accounts, amounts, kept, CHALLENGER);
    }

    function _requireBalance(uint256 free, uint256 locked) private view {
        IStakeVault.Balance memory b = _vault.balanceOf(OWNER, address(_token));
        vm.assertEq(b.free, free);
        vm.assertEq(b.locked, locked);
    }
}

/// @dev A round that is contested as often as it can be with 24 hospitals: 263 claims. Each bond comes back.
contract LongContestTest is Stage, Rig {
    using Vectors for Vectors.Content;

    StudyId private constant STUDY = StudyId.wrap(1);
    RoundId private constant ROUND = RoundId.wrap(1);
    uint256 private constant MEMBERS = 24;
    uint256 private constant ATTEMPTS = 16; // the most of one set
    uint32 private constant WEIGHT = 10;
    uint256 private constant STAKE = 50;
    uint256 private constant BOND = 2;

    function setUp() external {
        vm.warp(1_800_000_000);
        _now = 1_800_000_000;
        _build();
        for (uint256 i = HOSPITALS; i < MEMBERS; ++i) {
            consortium.admit(hospital(i), operator(i), "key", "about", _pledge(i));
            vm.prank(operator(i));
            datasets.register(
                IDatasetRegistry.DatasetInfo(
                    "r", "s", "q", 100, 1, 0, 0, IDatasetRegistry.Basis.Consent, address(0)
                )
            );
        }
        vm.prank(SPONSOR);
        studies.create(_terms());
        for (uint256 i = 0; i < MEMBERS; ++i) {
            vm.prank(SPONSOR);
            vault.deposit(address(tokens[0]), 1000, hospital(i));
            vm.prank(hospital(i));
            vault.setAllowance(hospital(i), address(tokens[0]), 1000);
            vm.prank(operator(i));
            rounds.enrol(STUDY, DatasetId.wrap(uint32(i + 1)), "spec", uint96(STAKE), 0);
        }
        rounds.advance(STUDY);
    }

    function test_everyClaimOfALongContestIsSettled() external {
        for (uint256 i = 0; i < MEMBERS; ++i) {
            Update memory update = _update(i); // its hashes are calls, too
            vm.prank(operator(i));
            rounds.submitUpdate(STUDY, ROUND, SeatId.wrap(uint8(i)), update);
        }
        vm.warp(_now + PHASE / 2);
        uint256 made;
        for (uint256 left = MEMBERS; left >= 2; --left) {
            for (uint256 i = 0; i < left && i < ATTEMPTS; ++i) {
                _claimAndObject(i, left, made++);
            }
            if (left > 2) _strike(left - 1);
        }
        vm.assertGe(made, 256, "too few claims");
        vm.assertEq(claims.getContest(STUDY, ROUND).count, made);
        vm.warp(_now + 2 * PHASE);
        rounds.advance(STUDY);
        for (uint256 number = 0; number < made; ++number) {
            Aggregate memory any;
            claims.settle(STUDY, ROUND, uint16(number), any, any);
        }
        for (uint256 i = 0; i < MEMBERS; ++i) {
            uint256 stake = i < 2 ? STAKE : 0; // of the others a proof took it
            vm.assertEq(
                vault.balanceOf(hospital(i), address(tokens[0])).locked, stake, "a bond did not come back"
            );
        }
    }

    /// @dev Seat `author` claims something over the first `left` seats, the next one objects.
    function _claimAndObject(uint256 author, uint256 left, uint256 number) private {
        Aggregate memory a = Aggregate(
            "sum", bytes32(number), "model", SeatSet.wrap(uint64((1 << left) - 1)), uint32(left) * WEIGHT
        );
        vm.prank(operator(author));
        claims.submitAggregate(STUDY, ROUND, SeatId.wrap(uint8(author)), a);
        vm.prank(operator((author + 1) % left));
        claims.object(STUDY, ROUND, uint16(number));
    }

    function _strike(uint256 seat) private {
        proofs.challengeUpdate(
            STUDY,
            ROUND,
            SeatId.wrap(uint8(seat)),
            _update(seat),
            AggregateId.wrap(0),
            0,
            _content(seat).opening(0)
        );
    }

    /// @dev With a header that names nobody.
    function _content(uint256 seat) private view returns (Vectors.Content memory) {
        return Vectors.Content(address(rounds), 1, 1, address(uint160(seat)), new bytes32[](1));
    }

    function _update(uint256 seat) private view returns (Update memory) {
        return Update("cid", _content(seat).root(), "cohort", "root", WEIGHT);
    }

    function _terms() private view returns (IStudies.StudyTerms memory t) {
        (t.spec, t.token, t.rule, t.purposes) = ("spec", address(tokens[0]), sumRule, 2);
        (t.rewardPerRound, t.stake, t.bond, t.maxAttempts) =
        (100, uint96(STAKE), uint96(BOND), uint8(ATTEMPTS));
        (t.minHospitals, t.maxHospitals, t.rounds, t.maxVoids) = (2, uint8(MEMBERS), 1, 0);
        (t.cohortStep, t.maxWeight, t.enrolDeadline) = (1, 90, uint32(_now + PHASE));
        (t.trainingSeconds, t.aggregatingSeconds, t.disputeSeconds) = (PHASE, PHASE, DISPUTE);
        t.claimSeconds = CLAIM;
        t.training = new Vector[](1);
        t.training[0] = Vector(4, 10, true);
    }
}
