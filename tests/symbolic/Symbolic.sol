// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {StakeVault} from "../../contracts/StakeVault.sol";
import {Studies} from "../../contracts/Studies.sol";
import {IAggregationRule} from "../../contracts/interfaces/IAggregationRule.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IDatasetRegistry} from "../../contracts/interfaces/IDatasetRegistry.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {IStudies} from "../../contracts/interfaces/IStudies.sol";
import {RoundId} from "../../contracts/types/RoundId.sol";
import {SeatId} from "../../contracts/types/SeatId.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {Vector} from "../../contracts/types/Vector.sol";

interface Assume {
    function assume(bool condition) external pure;
    function prank(address sender) external;
}

Assume constant vm = Assume(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @dev The least that a token is: balances that move.
contract Token {
    mapping(address account => uint256) public balanceOf;

    function mint(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// @dev INV-1: whatever is there, no entry of the vault makes or loses a token. The check stands for the authority, the consortium and
/// the five contracts that the vault trusts; amounts are below 2^64.
contract VaultSymbolic {
    address private constant OWNER = address(0xA1);
    address private constant OTHER = address(0xB1);
    address private constant GUEST = address(0x6E57);
    StudyId private constant STUDY = StudyId.wrap(1);
    StakeVault private _vault;
    Token private _token;

    function setUp() public {
        address me = address(this);
        _token = new Token();
        _vault = new StakeVault(me, IConsortium(me), me, me, me, me, me, 2000);
        _vault.allowToken(address(_token), true);
    }

    function canCall(address, address, bytes4) external pure returns (bool, uint32) {
        return (true, 0);
    }

    function adminOf(address account) external pure returns (address) {
        return account == OWNER ? OTHER : account;
    }

    function check_lock(uint64 free, uint64 amount) external {
        _fill(free, 0, 1, 1);
        _vault.lock(OTHER, address(_token), amount, false);
        assert(amount <= free);
        _requireWhole();
    }

    function check_unlock(uint64 free, uint64 locked, uint64 amount) external {
        _fill(free, locked, 1, 1);
        _vault.unlock(OTHER, address(_token), amount, false);
        _requireWhole();
    }

    function check_slash(uint64 locked, uint64 amount, uint64 kept) external {
        _fill(1, locked, 1, 1);
        vm.assume(kept <= amount / 2);
        (address[] memory accounts, uint256[] memory amounts) = (new address[](1), new uint256[](1));
        (accounts[0], amounts[0]) = (OTHER, amount);
        _vault.slash(STUDY, address(_token), accounts, amounts, kept, OWNER);
        assert(amount <= locked);
        assert(_vault.balanceOf(OWNER, address(_token)).free * 10_000 <= uint256(amount) * 2000);
        assert(2 * _vault.burntOf(address(_token)) >= amount);
        _requireWhole();
    }

    function check_pay(uint64 pot, uint64 amount) external {
        _fill(1, 1, pot, 1);
        _vault.pay(STUDY, OWNER, amount);
        assert(amount <= pot);
        _requireWhole();
    }

    function check_disburse(uint64 fees, uint64 amount) external {
        _fill(1, 1, 1, fees);
        _vault.disburse(address(_token), OWNER, amount);
        assert(amount <= fees);
        _requireWhole();
    }

    function check_depositAndWithdraw(uint64 put, uint64 amount) external {
        _fill(1, 1, 1, 1);
        vm.assume(put != 0);
        _token.mint(address(this), put);
        _vault.deposit(address(_token), put, GUEST);
        // No deposit is for a trusted contract, as this one is.
        vm.prank(GUEST);
        _vault.withdraw(GUEST, address(_token), amount, OTHER);
        assert(amount <= put);
        _requireWhole();
    }

    function _fill(uint256 free, uint256 locked, uint256 pot, uint256 fees) private {
        vm.assume(free + locked != 0 && pot != 0 && fees != 0);
        _token.mint(address(this), free + locked + pot + fees + 1);
        _vault.deposit(address(_token), free + locked, OTHER);
        _vault.lock(OTHER, address(_token), locked, false);
        _vault.fund(STUDY, address(_token), pot, address(this));
        _vault.collect(address(_token), fees, address(this));
    }

    function _requireWhole() private view {
        address token = address(_token);
        uint256 owed = _vault.potOf(STUDY).amount + _vault.feesHeld(token) + _vault.burntOf(token);
        owed += _has(OWNER) + _has(OTHER) + _has(GUEST) + _has(address(this));
        assert(_token.balanceOf(address(_vault)) == owed);
    }

    function _has(address account) private view returns (uint256) {
        IStakeVault.Balance memory b = _vault.balanceOf(account, address(_token));
        return uint256(b.free) + b.locked;
    }
}

/// @dev INV-5: whatever a seat is slashed for, and in whatever order, no more than its stake is taken, and the vault is told exactly that. The check
/// stands for all that the contract of studies calls; stakes are below 2^64.
contract StudiesSymbolic {
    StudyId private constant STUDY = StudyId.wrap(1);
    RoundId private constant FIRST = RoundId.wrap(1);
    RoundId private constant SECOND = RoundId.wrap(2);
    SeatSet private constant SEAT = SeatSet.wrap(1);
    Studies private _studies;
    uint96 private _stake;
    uint256 private _told;
    uint256 private _kept;

    function setUp() public {
        address me = address(this);
        _studies =
            new Studies(IFederatedRounds(me), me, me, IStakeVault(me), IDatasetRegistry(me), 10, 10, 3000);
        _studies.create(_terms());
    }

    function check_absentCarelessLost(uint64 stake, bool first, bool twice) external {
        _stake = stake;
        _studies.slashAbsent(STUDY, first ? FIRST : SECOND, SEAT);
        if (twice) _studies.slashAbsent(STUDY, SECOND, SEAT);
        _studies.slashCareless(STUDY, FIRST, SEAT);
        _requireTaken();
        _studies.slashLiars(STUDY, FIRST, SEAT, address(1));
        _requireTaken();
        assert(_told == stake);
    }

    function check_manyParts(uint64 stake, bool last) external {
        _stake = stake;
        for (uint256 i = 0; i < 4; ++i) {
            _studies.slashAbsent(STUDY, FIRST, SEAT);
            _requireTaken();
        }
        _studies.slashAuthor(STUDY, FIRST, SeatId.wrap(0), last, address(1));
        _requireTaken();
        assert(2 * _kept <= stake);
    }

    function check_lostOnce(uint64 stake, bool short) external {
        _stake = stake;
        _studies.slashAuthor(STUDY, FIRST, SeatId.wrap(0), short, address(1));
        _studies.slashLiars(STUDY, FIRST, SEAT, address(1));
        _studies.slashCareless(STUDY, FIRST, SEAT);
        _requireTaken();
        assert(_told == stake);
    }

    // What the contract of studies calls

    function stakeOf(StudyId) external view returns (address token, uint96 stake) {
        return (address(1), _stake);
    }

    function hospitalsOf(StudyId, SeatSet) external pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(2);
    }

    function slash(StudyId, address, address[] calldata, uint256[] calldata amounts, uint256 kept, address)
        external
    {
        _told += amounts[0];
        _kept += kept;
        assert(2 * kept <= amounts[0]);
    }

    function open(StudyId, IFederatedRounds.RoundTerms calldata, IFederatedRounds.Enrolment calldata)
        external {}

    function fund(StudyId, address, uint256, address) external {}

    function weighted() external pure returns (bool) {
        return true;
    }

    function perChunk() external pure returns (bool) {
        return true;
    }

    function _requireTaken() private view {
        uint256 taken = _studies.takenOf(STUDY, SeatId.wrap(0));
        assert(taken == _told && taken <= _stake);
    }

    function _terms() private view returns (IStudies.StudyTerms memory t) {
        (t.spec, t.token, t.rule, t.purposes) = ("spec", address(1), IAggregationRule(address(this)), 2);
        (t.rewardPerRound, t.stake, t.enrolDeadline) = (1000, 100, uint32(block.timestamp + 100));
        (t.minHospitals, t.maxHospitals, t.rounds, t.maxVoids) = (2, 4, 1, 1);
        (t.cohortStep, t.maxWeight) = (1, 90);
        (t.trainingSeconds, t.aggregatingSeconds, t.disputeSeconds, t.claimSeconds) = (100, 100, 100, 100);
        t.training = new Vector[](1);
        t.training[0] = Vector(4, 10, true);
    }
}
