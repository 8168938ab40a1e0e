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

import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {StudyId} from "./types/StudyId.sol";

/// @dev The longest exit delay in seconds: nobody's tokens are held for longer.
uint256 constant EXIT_DELAY_LIMIT = 90 days;

/// @title StakeVault
contract StakeVault is IStakeVault, AccessManaged, Pausable, ReentrancyGuard, Guarded {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    // Immutables

    /// @notice The rounds contract.
    address public immutable ROUNDS;
    /// @notice The disputes contract.
    address public immutable DISPUTES;
    /// @notice The rewards contract.
    address public immutable REWARDS;
    /// @notice The model market.
    address public immutable MARKET;
    /// @inheritdoc IStakeVault
    uint256 public immutable exitDelay;

    // Storage

    /// @inheritdoc IStakeVault
    mapping(address token => bool) public isAllowed;

    mapping(address account => mapping(address token => Balance)) private _balances;
    mapping(address account => mapping(address token => Exit)) private _exits;
    mapping(StudyId study => Pot) private _pots;

    // Constructor

    constructor(
        address authority,
        address rounds,
        address disputes,
        address rewards,
        address market,
        uint256 delay
    ) AccessManaged(authority) {
        require(delay <= EXIT_DELAY_LIMIT, ExitDelayOutOfRange(delay, EXIT_DELAY_LIMIT));
        ROUNDS = rounds;
        DISPUTES = disputes;
        REWARDS = rewards;
        MARKET = market;
        exitDelay = delay;
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
    function requestExit(address token, uint256 amount) external {
        require(amount != 0, AmountZero());

        Balance storage balance = _balances[msg.sender][token];
        require(balance.free >= amount, FreeBalanceTooSmall(msg.sender, token, balance.free, amount));

        // The casts are safe: the amount is at most a uint128.
        balance.free -= uint128(amount);
        Exit storage leaving = _exits[msg.sender][token];
        uint256 availableAt = block.timestamp + exitDelay;
        leaving.amount += uint128(amount);
        leaving.availableAt = availableAt.toUint40();

        emit ExitRequested(token, msg.sender, amount, availableAt);
    }

    /// @inheritdoc IStakeVault
    function cancelExit(address token) external {
        uint128 amount = _exits[msg.sender][token].amount;
        require(amount != 0, NothingToWithdraw(msg.sender, token));

        delete _exits[msg.sender][token];
        _balances[msg.sender][token].free += amount;

        emit ExitCancelled(token, msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function withdraw(address token, address to) external nonReentrant {
        _requireReceiver(to);
        Exit memory leaving = _exits[msg.sender][token];
        require(leaving.amount != 0, NothingToWithdraw(msg.sender, token));
        require(
            block.timestamp >= leaving.availableAt, ExitNotAvailable(leaving.availableAt, block.timestamp)
        );

        delete _exits[msg.sender][token];

        emit Withdrawn(token, msg.sender, to, leaving.amount);

        IERC20(token).safeTransfer(to, leaving.amount);
    }

    // Functions of the contracts that are trusted

    /// @inheritdoc IStakeVault
    function lock(address account, address token, uint256 amount)
        external
        only(msg.sender == ROUNDS || msg.sender == DISPUTES)
    {
        Balance memory balance = _balances[account][token];
        require(balance.free >= amount, FreeBalanceTooSmall(account, token, balance.free, amount));

        // The casts are safe: the amount is at most a uint128.
        _balances[account][token] =
            Balance({free: balance.free - uint128(amount), locked: balance.locked + uint128(amount)});

        emit Locked(token, account, amount);
    }

    /// @inheritdoc IStakeVault
    function unlock(address account, address token, uint256 amount)
        external
        only(msg.sender == ROUNDS || msg.sender == DISPUTES)
    {
        Balance storage balance = _balances[account][token];
        // Less may be locked than was once: a slash takes from it. The cast is safe, the minimum is at most a uint128.
        uint128 given = uint128(Math.min(amount, balance.locked));

        balance.locked -= given;
        balance.free += given;

        emit Unlocked(token, account, given);
    }

    /// @inheritdoc IStakeVault
    function slash(address account, address token, uint256 amount, StudyId study)
        external
        only(msg.sender == DISPUTES)
        returns (uint256 taken)
    {
        Balance storage balance = _balances[account][token];
        Exit storage leaving = _exits[account][token];
        Pot storage pot = _pots[study];
        require(pot.token == token, PotTokenDiffers(study, pot.token, token));

        // The casts are safe: each minimum is at most a uint128.
        uint128 locked = uint128(Math.min(amount, balance.locked));
        uint128 exiting = uint128(Math.min(amount - locked, leaving.amount));
        uint128 free = uint128(Math.min(amount - locked - exiting, balance.free));
        balance.locked -= locked;
        leaving.amount -= exiting;
        balance.free -= free;
        taken = uint256(locked) + exiting + free;
        pot.amount += taken.toUint96();

        emit Slashed(study, token, account, taken);
    }

    /// @inheritdoc IStakeVault
    function fund(StudyId study, address token, uint256 amount, address from)
        external
        only(msg.sender == ROUNDS)
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
        only(msg.sender == ROUNDS || msg.sender == DISPUTES || msg.sender == REWARDS)
    {
        Pot storage pot = _pots[study];
        require(pot.amount >= amount, PotTooSmall(study, pot.amount, amount));

        // The casts are safe: the amount is at most a uint96.
        pot.amount -= uint96(amount);
        _balances[account][pot.token].free += uint128(amount);

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
        _balances[MARKET][token].free += received.toUint128();

        emit Collected(token, from, received);
    }

    /// @inheritdoc IStakeVault
    function disburse(address token, address account, uint256 amount) external only(msg.sender == MARKET) {
        Balance storage balance = _balances[MARKET][token];
        require(balance.free >= amount, FreeBalanceTooSmall(MARKET, token, balance.free, amount));

        // The casts are safe: the amount is at most a uint128.
        balance.free -= uint128(amount);
        _balances[account][token].free += uint128(amount);

        emit Disbursed(token, account, amount);
    }

    // Views

    /// @inheritdoc IStakeVault
    function balanceOf(address account, address token) external view returns (Balance memory) {
        return _balances[account][token];
    }

    /// @inheritdoc IStakeVault
    function exitOf(address account, address token) external view returns (Exit memory) {
        return _exits[account][token];
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

    function _requireAllowed(address token) private view {
        require(isAllowed[token], TokenNotAllowed(token));
    }

    function _requireReceiver(address receiver) private view {
        require(receiver != address(0) && receiver != address(this), ReceiverRefused(receiver));
    }
}
