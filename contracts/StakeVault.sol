// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {BPS} from "./types/Bps.sol";
import {StudyId} from "./types/StudyId.sol";

/// @dev The most that a challenger may get of what is slashed, in 1/10,000: no more than the culprit loses for good.
uint256 constant CHALLENGER_BPS_LIMIT = 5_000;

/// @title StakeVault
contract StakeVault is IStakeVault, AccessManaged, Pausable, ReentrancyGuard, Guarded {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    // Immutables

    /// @notice Says who speaks for a hospital.
    IConsortium public immutable CONSORTIUM;
    /// @notice The rounds contract.
    address public immutable ROUNDS;
    /// @notice The studies contract.
    address public immutable STUDIES;
    /// @notice The claims contract.
    address public immutable CLAIMS;
    /// @notice The payouts contract.
    address public immutable PAYOUTS;
    /// @notice The model market.
    address public immutable MARKET;
    /// @notice The challenger's share of what is slashed, in 1/10,000.
    uint256 public immutable CHALLENGER_BPS;

    // Storage

    /// @inheritdoc IStakeVault
    mapping(address token => bool) public isAllowed;

    mapping(address account => mapping(address token => Balance)) private _balances;
    mapping(address account => mapping(address token => Allowance)) private _allowances;
    mapping(StudyId study => Pot) private _pots;

    /// @inheritdoc IStakeVault
    mapping(address token => uint256) public burntOf;

    /// @inheritdoc IStakeVault
    mapping(address token => uint256) public feesHeld;

    /// @inheritdoc IStakeVault
    mapping(address account => bool) public delegates;

    // Constructor

    constructor(
        address authority,
        IConsortium consortium,
        address rounds,
        address studies,
        address claims,
        address payouts,
        address market,
        uint256 challengerBps
    ) AccessManaged(authority) {
        require(
            challengerBps <= CHALLENGER_BPS_LIMIT,
            ChallengerShareOutOfRange(challengerBps, CHALLENGER_BPS_LIMIT)
        );
        CONSORTIUM = consortium;
        ROUNDS = rounds;
        STUDIES = studies;
        CLAIMS = claims;
        PAYOUTS = payouts;
        MARKET = market;
        CHALLENGER_BPS = challengerBps;
    }

    // Admin functions

    /// @inheritdoc IStakeVault
    function allowToken(address token, bool allowed) external restricted {
        isAllowed[token] = allowed;

        emit TokenAllowed(token, allowed);
    }

    /// @inheritdoc IStakeVault
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IStakeVault
    function unpause() external restricted {
        _unpause();
    }

    // Account functions

    /// @inheritdoc IStakeVault
    function deposit(address token, uint256 amount, address account) external nonReentrant whenNotPaused {
        _deposit(token, amount, account);
    }

    /// @inheritdoc IStakeVault
    function depositWithPermit(
        address token,
        uint256 amount,
        address account,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenNotPaused {
        _requireAllowed(token);

        // A permission that someone else has handed in already is no failure: the allowance is there.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}

        _deposit(token, amount, account);
    }

    /// @inheritdoc IStakeVault
    function withdraw(address account, address token, uint256 amount, address to) external nonReentrant {
        _requireOwn(account);
        _requireReceiver(to);
        require(amount != 0, AmountZero());

        _takeFree(account, token, amount);

        emit Withdrawn(token, account, to, amount);

        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc IStakeVault
    function setAllowance(address account, address token, uint128 limit) external {
        _requireOwn(account);

        if (!delegates[account]) delegates[account] = true;
        _allowances[account][token].limit = limit;

        emit AllowanceSet(token, account, limit);
    }

    // Functions of the contracts that are trusted

    /// @inheritdoc IStakeVault
    function lock(address account, address token, uint256 amount, bool delegated)
        external
        only(msg.sender == ROUNDS || msg.sender == CLAIMS)
    {
        Balance memory balance = _balances[account][token];
        require(balance.free >= amount, FreeBalanceTooSmall(account, token, balance.free, amount));

        // An account whose admin key was replaced no longer speaks for itself.
        if (delegated) _useAllowance(account, token, amount);
        else require(_speakerOf(account) == account, NotTheAccounts(account, account));
        // The casts are safe: the amount is at most a uint128.
        _balances[account][token] =
            Balance({free: balance.free - uint128(amount), locked: balance.locked + uint128(amount)});

        emit Locked(token, account, amount);
    }

    /// @inheritdoc IStakeVault
    function unlock(address account, address token, uint256 amount, bool delegated)
        external
        only(msg.sender == STUDIES || msg.sender == CLAIMS)
    {
        Balance memory balance = _balances[account][token];
        require(balance.locked >= amount, LockedBalanceTooSmall(account, token, balance.locked, amount));

        // The casts are safe: the amount is at most a uint128. What was locked by others was counted as used.
        if (delegated) _allowances[account][token].used -= uint128(amount);
        _balances[account][token] =
            Balance({free: balance.free + uint128(amount), locked: balance.locked - uint128(amount)});

        emit Unlocked(token, account, amount);
    }

    /// @inheritdoc IStakeVault
    function slash(
        StudyId study,
        address token,
        address[] calldata accounts,
        uint256[] calldata amounts,
        uint256 kept,
        address challenger
    ) external only(msg.sender == STUDIES || msg.sender == CLAIMS) {
        uint256 rest;
        for (uint256 i = 0; i < accounts.length; ++i) {
            _takeLocked(accounts[i], token, amounts[i]);
            rest += amounts[i];

            emit Slashed(study, token, accounts[i], amounts[i]);
        }
        uint256 reward = challenger == address(0) ? 0 : rest * CHALLENGER_BPS / BPS;
        // Both could be friends of whoever is slashed: half is gone for good.
        reward = Math.min(reward, rest / 2 - kept);
        rest -= kept;

        if (kept != 0) _keep(study, token, kept);
        if (reward != 0) {
            _balances[challenger][token].free += reward.toUint128();

            emit ChallengerPaid(study, challenger, reward);
        }
        if (rest != reward) _burn(study, token, rest - reward);
    }

    /// @inheritdoc IStakeVault
    function fund(StudyId study, address token, uint256 amount, address from)
        external
        only(msg.sender == STUDIES)
        nonReentrant
        whenNotPaused
    {
        _requireAllowed(token);
        require(_pots[study].token == address(0), AlreadyFunded(study));

        _pots[study] = Pot({token: token, amount: amount.toUint96()});

        emit Funded(study, token, from, amount);

        uint256 received = _pull(token, amount, from);
        require(received >= amount, FundedShort(received, amount));
    }

    /// @inheritdoc IStakeVault
    function pay(StudyId study, address account, uint256 amount)
        external
        only(msg.sender == STUDIES || msg.sender == PAYOUTS)
    {
        address token = _takeFromPot(study, amount);
        _balances[account][token].free += amount.toUint128();

        emit Paid(study, account, amount);
    }

    /// @inheritdoc IStakeVault
    function collect(address token, uint256 amount, address from)
        external
        only(msg.sender == MARKET)
        nonReentrant
        whenNotPaused
        returns (uint256 received)
    {
        _requireAllowed(token);

        // As with a deposit, only the transfer tells what arrived.
        received = _pull(token, amount, from);
        feesHeld[token] += received;

        emit Collected(token, from, received);
    }

    /// @inheritdoc IStakeVault
    function disburse(address token, address account, uint256 amount) external only(msg.sender == MARKET) {
        feesHeld[token] -= amount;
        _balances[account][token].free += amount.toUint128();

        emit Disbursed(token, account, amount);
    }

    // Views

    /// @inheritdoc IStakeVault
    function balanceOf(address account, address token) external view returns (Balance memory) {
        return _balances[account][token];
    }

    /// @inheritdoc IStakeVault
    function allowanceOf(address account, address token) external view returns (Allowance memory) {
        return _allowances[account][token];
    }

    /// @inheritdoc IStakeVault
    function potOf(StudyId study) external view returns (Pot memory) {
        return _pots[study];
    }

    // Internal

    function _deposit(address token, uint256 amount, address account) private {
        _requireAllowed(token);
        _requireReceiver(account);
        require(amount != 0, AmountZero());

        // The credit follows the transfer because only then is it known what arrived; the guard closes the way back in.
        uint256 received = _pull(token, amount, msg.sender);
        _balances[account][token].free += received.toUint128();

        emit Deposited(token, account, msg.sender, received);
    }

    function _pull(address token, uint256 amount, address from) private returns (uint256 received) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(from, address(this), amount);
        received = IERC20(token).balanceOf(address(this)) - before;
    }

    function _takeFree(address account, address token, uint256 amount) private {
        Balance storage balance = _balances[account][token];
        require(balance.free >= amount, FreeBalanceTooSmall(account, token, balance.free, amount));

        // The cast is safe: the amount is at most a uint128.
        balance.free -= uint128(amount);
    }

    function _takeLocked(address account, address token, uint256 amount) private {
        Balance storage balance = _balances[account][token];
        require(balance.locked >= amount, LockedBalanceTooSmall(account, token, balance.locked, amount));

        // The cast is safe: the amount is at most a uint128.
        balance.locked -= uint128(amount);
    }

    function _useAllowance(address account, address token, uint256 amount) private {
        Allowance memory allowance = _allowances[account][token];
        uint256 used = allowance.used + amount;
        require(
            used <= allowance.limit,
            AllowanceTooSmall(account, token, allowance.limit, allowance.used, amount)
        );

        // The cast is safe: what is used is at most the limit.
        _allowances[account][token].used = uint128(used);
    }

    function _takeFromPot(StudyId study, uint256 amount) private returns (address token) {
        Pot storage pot = _pots[study];
        require(pot.amount >= amount, PotTooSmall(study, pot.amount, amount));

        // The cast is safe: the amount is at most a uint96.
        pot.amount -= uint96(amount);
        return pot.token;
    }

    function _keep(StudyId study, address token, uint256 amount) private {
        Pot storage pot = _pots[study];
        require(pot.token == token, PotTokenDiffers(study, pot.token, token));

        pot.amount += amount.toUint96();

        emit Kept(study, amount);
    }

    function _burn(StudyId study, address token, uint256 amount) private {
        burntOf[token] += amount;

        emit Burnt(study, token, amount);
    }

    function _requireAllowed(address token) private view {
        require(isAllowed[token], TokenNotAllowed(token));
    }

    function _requireOwn(address account) private view {
        require(_speakerOf(account) == msg.sender, NotTheAccounts(account, msg.sender));
    }

    /// @dev The consortium can admit anybody, unasked. It is heard about an account only after this has acted as a hospital here.
    function _speakerOf(address account) private view returns (address) {
        return delegates[account] ? CONSORTIUM.adminOf(account) : account;
    }

    function _requireReceiver(address receiver) private view {
        bool ours = receiver == address(this) || receiver == ROUNDS || receiver == STUDIES
            || receiver == CLAIMS || receiver == PAYOUTS || receiver == MARKET;
        require(receiver != address(0) && !ours, ReceiverRefused(receiver));
    }
}
