// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {StudyId} from "../types/StudyId.sol";

/// @title The only contract that holds value
/// @notice Stakes, study pots and pay, in ERC-20 tokens that the consortium allows. Everything leaves by the same way: the
/// owner asks for an exit, waits, and withdraws. While it waits it can still be slashed.
/// @dev At all times, for each token: its balance of the vault >= sum of free, locked and exiting balances + sum of pots.
/// Four contracts are trusted to move what is inside, each with what it is for: the rounds contract (stakes, pots), the disputes contract
/// (bonds, slashing), the rewards contract (pay) and the model market (licence fees).
///
/// Assumes of an allowed token, for the consortium to check:
/// - balances change by transfers alone; one that rebases downwards makes the vault owe more than it has;
/// - a transfer takes from the vault what it says and no more; a fee taken from what arrives is fine;
/// - fewer than 2^96 smallest units will ever exist; otherwise a credit can overflow, which reverts.
interface IStakeVault {
    /// @notice What an account has of one token, beside what is on its way out. One storage word.
    struct Balance {
        uint128 free; // to use or take out, smallest units
        uint128 locked; // stake in studies, smallest units
    }

    /// @notice What an account takes out of one token. One storage word.
    struct Exit {
        uint128 amount; // on its way out, slashable until withdrawn, smallest units
        uint40 availableAt; // Unix seconds
    }

    /// @notice What a study has for rewards. One storage word.
    struct Pot {
        address token; // what the study pays in
        uint96 amount; // not paid out yet, smallest units
    }

    /// @notice `token` may be deposited from now on, or no longer.
    event TokenAllowed(address indexed token, bool allowed);

    /// @notice `from` brought `amount` into the free balance of `account`: what arrived, not what was sent.
    event Deposited(address indexed token, address indexed account, address indexed from, uint256 amount);

    /// @notice `amount` joined what `account` takes out, all of which can be withdrawn from `availableAt` on.
    event ExitRequested(address indexed token, address indexed account, uint256 amount, uint256 availableAt);

    /// @notice `amount`, all that was on its way out, is free again.
    event ExitCancelled(address indexed token, address indexed account, uint256 amount);

    /// @notice `amount`, all that was on its way out, was sent to `to`.
    event Withdrawn(address indexed token, address indexed account, address indexed to, uint256 amount);

    /// @notice `amount` of free tokens became stake.
    event Locked(address indexed token, address indexed account, uint256 amount);

    /// @notice `amount` of stake became free.
    event Unlocked(address indexed token, address indexed account, uint256 amount);

    /// @notice `amount` was taken from `account` into the study's pot.
    event Slashed(StudyId indexed study, address indexed token, address indexed account, uint256 amount);

    /// @notice `from` brought a study's rewards.
    event Funded(StudyId indexed study, address indexed token, address indexed from, uint256 amount);

    /// @notice `amount` went from the study's pot into the free balance of `account`: pay, or a sponsor's refund.
    event Paid(StudyId indexed study, address indexed account, uint256 amount);

    /// @notice `from` brought licence fees for the model market to share out: what arrived.
    event Collected(address indexed token, address indexed from, uint256 amount);

    /// @notice `amount` of licence fees went into the free balance of `account`.
    event Disbursed(address indexed token, address indexed account, uint256 amount);

    /// @notice The consortium does not allow `token`.
    error TokenNotAllowed(address token);

    /// @notice There is nothing to do for an amount of zero.
    error AmountZero();

    /// @notice Tokens for `receiver`, the zero account or the vault itself, would be lost.
    error ReceiverRefused(address receiver);

    /// @notice `account` has `free` of `token` to use, and `needed` is more.
    error FreeBalanceTooSmall(address account, address token, uint256 free, uint256 needed);

    /// @notice Nothing of `token` is on its way out for `account`.
    error NothingToWithdraw(address account, address token);

    /// @notice The exit delay has not passed: it is `now_`, and withdrawals open at `availableAt`.
    error ExitNotAvailable(uint256 availableAt, uint256 now_);

    /// @notice Rewards must arrive in full: `received` is less than `needed`. A token with a fee funds no study.
    error FundedShort(uint256 received, uint256 needed);

    /// @notice A study is funded once.
    error AlreadyFunded(StudyId study);

    /// @notice The study's pot is in `potToken`, not in `token`.
    error PotTokenDiffers(StudyId study, address potToken, address token);

    /// @notice The study's pot has `amount`, and `needed` is more.
    error PotTooSmall(StudyId study, uint256 amount, uint256 needed);

    /// @notice Nobody's tokens are held for longer than `limit` seconds.
    error ExitDelayOutOfRange(uint256 delay, uint256 limit);

    /// @notice Allows a token for deposits and studies, or no longer. Only for the consortium role. What is inside can always leave.
    function allowToken(address token, bool allowed) external;

    /// @notice Stops what brings tokens in: deposits, the funding of studies, licence fees. Only for the pauser role. Never stops an exit, a
    /// withdrawal, or what is done for running studies.
    function pause() external;

    /// @notice Takes deposits again. Only for the pauser role.
    function unpause() external;

    /// @notice Puts tokens of the caller, who has approved the vault for them, into `account`'s free balance; credits what
    /// arrives.
    function deposit(address token, uint256 amount, address account) external;

    /// @notice Like `deposit`, with an ERC-2612 permission of the caller.
    /// @dev A permission that fails is passed over: somebody may have handed it in before, to make this call fail. Then the
    /// allowance is there; if it is not, the transfer fails.
    function depositWithPermit(
        address token,
        uint256 amount,
        address account,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Starts the exit delay for free tokens. A second request adds to the first and starts the delay anew.
    function requestExit(address token, uint256 amount) external;

    /// @notice Puts what is exiting back into the free balance.
    function cancelExit(address token) external;

    /// @notice Sends all that the caller took out to `to`, once the exit delay has passed.
    function withdraw(address token, address to) external;

    /// @notice Called by the rounds or the disputes contract: free to locked.
    function lock(address account, address token, uint256 amount) external;

    /// @notice Called by the rounds or the disputes contract: locked to free, at most what is locked.
    function unlock(address account, address token, uint256 amount) external;

    /// @notice Called by the disputes contract: takes up to `amount` from locked, then exiting, then free tokens into the study's pot.
    /// @return taken What there was to take.
    function slash(address account, address token, uint256 amount, StudyId study)
        external
        returns (uint256 taken);

    /// @notice Called by the rounds contract: draws a study's rewards from its sponsor, who has approved the vault for them,
    /// into its pot. Once per study.
    function fund(StudyId study, address token, uint256 amount, address from) external;

    /// @notice Called by the rounds, the disputes or the rewards contract: from the study's pot into an account's free balance.
    function pay(StudyId study, address account, uint256 amount) external;

    /// @notice Called by the model market: draws licence fees from a buyer, who has approved the vault for them, into the market's free
    /// balance.
    /// @return received What arrived.
    function collect(address token, uint256 amount, address from) external returns (uint256 received);

    /// @notice Called by the model market: from its free balance into an account's.
    function disburse(address token, address account, uint256 amount) external;

    /// @notice An account's free and locked tokens.
    function balanceOf(address account, address token) external view returns (Balance memory);

    /// @notice An account's tokens on their way out.
    function exitOf(address account, address token) external view returns (Exit memory);

    /// @notice What a study has not paid out yet.
    function potOf(StudyId study) external view returns (Pot memory);

    /// @notice Whether the consortium allows `token`.
    function isAllowed(address token) external view returns (bool);

    /// @notice Seconds between an exit request and the withdrawal.
    function exitDelay() external view returns (uint256);
}
