// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {StudyId} from "../types/StudyId.sol";

/// @title The only contract that holds value
/// @notice Stakes, study pots and pay, in ERC-20 tokens that the consortium allows. What is free can be withdrawn at once, what is locked
/// can be slashed.
/// @dev At all times, for each token: its balance of the vault >= sum of free and locked balances + sum of pots + licence fees held +
/// what is burnt. Every entry subtracts exactly what it says, or reverts. Five contracts are trusted to move what is inside, each with
/// what it is for: the rounds contract (locks stakes), the studies contract (pots, releases, slashes), the claims contract (bonds), the payouts contract (pay)
/// and the model market (licence fees).
///
/// Assumes of an allowed token, for the consortium to check:
/// - balances change by transfers alone; one that rebases downwards makes the vault owe more than it has;
/// - a transfer takes from the vault what it says and no more; a fee taken from what arrives is fine;
/// - fewer than 2^96 smallest units will ever exist; otherwise a credit can overflow, which reverts.
interface IStakeVault {
    /// @notice What an account has of one token. One storage word.
    struct Balance {
        uint128 free; // to use or take out, smallest units
        uint128 locked; // stakes and bonds, smallest units
    }

    /// @notice What others may lock of an account's free tokens: a hospital's operator, for stakes and bonds. One storage word.
    struct Allowance {
        uint128 limit; // set by the account, smallest units
        uint128 used; // locked by others and not given back; what was slashed of it stays used
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

    /// @notice `amount` was sent to `to`.
    event Withdrawn(address indexed token, address indexed account, address indexed to, uint256 amount);

    /// @notice Others may lock up to `limit` of the account's free tokens from now on.
    event AllowanceSet(address indexed token, address indexed account, uint256 limit);

    /// @notice `amount` of free tokens were locked.
    event Locked(address indexed token, address indexed account, uint256 amount);

    /// @notice `amount` of locked tokens became free.
    event Unlocked(address indexed token, address indexed account, uint256 amount);

    /// @notice `amount` of what `account` had locked is no longer its own.
    event Slashed(StudyId indexed study, address indexed token, address indexed account, uint256 amount);

    /// @notice `challenger` has `amount` of what was slashed.
    event ChallengerPaid(StudyId indexed study, address indexed challenger, uint256 amount);

    /// @notice `amount` of what was slashed joined the study's pot, for the hospitals that it harmed.
    event Kept(StudyId indexed study, uint256 amount);

    /// @notice `amount`, of what was slashed or of the study's pot, is nobody's for good.
    event Burnt(StudyId indexed study, address indexed token, uint256 amount);

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

    /// @notice Tokens for `receiver` would be lost: the zero account, the vault itself, or a contract that it trusts.
    error ReceiverRefused(address receiver);

    /// @notice `caller` is not the account, or, where it ever set an allowance, not the hospital's admin account.
    error NotTheAccounts(address account, address caller);

    /// @notice `account` has `free` of `token` to use, and `needed` is more.
    error FreeBalanceTooSmall(address account, address token, uint256 free, uint256 needed);

    /// @notice `account` has `locked` of `token` locked, and `needed` is more.
    error LockedBalanceTooSmall(address account, address token, uint256 locked, uint256 needed);

    /// @notice Others may lock `limit` of the account's tokens, have locked `used`, and `needed` more is too much.
    error AllowanceTooSmall(address account, address token, uint256 limit, uint256 used, uint256 needed);

    /// @notice Rewards must arrive in full: `received` is less than `needed`. A token with a fee funds no study.
    error FundedShort(uint256 received, uint256 needed);

    /// @notice A study is funded once.
    error AlreadyFunded(StudyId study);

    /// @notice The study's pot is in `potToken`, not in `token`.
    error PotTokenDiffers(StudyId study, address potToken, address token);

    /// @notice The study's pot has `amount`, and `needed` is more.
    error PotTooSmall(StudyId study, uint256 amount, uint256 needed);

    /// @notice A challenger has at most half of what is slashed.
    error ChallengerShareOutOfRange(uint256 bps, uint256 limit);

    /// @notice Allows a token for deposits and studies, or no longer. Only for the consortium role. What is inside can always leave.
    function allowToken(address token, bool allowed) external;

    /// @notice Stops what brings tokens in: deposits, the funding of studies, licence fees. Only for the pauser role. Never stops a
    /// withdrawal, or what is done with tokens that are in.
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

    /// @notice Sends free tokens of an account to `to`; by the account itself, or, for a hospital that ever set an allowance, by its present
    /// admin account.
    function withdraw(address account, address token, uint256 amount, address to) external;

    /// @notice Lets others (the hospital's operator) lock up to `limit` of an account's free tokens, all that is locked now included; by
    /// whom `withdraw` is for. From the first time on the account is a hospital's here: should the consortium replace its admin key, the new one
    /// speaks for it.
    function setAllowance(address account, address token, uint128 limit) external;

    /// @notice Called by the rounds contract for a stake, or the claims contract for a bond: free to locked.
    /// @param delegated Whether somebody else than the account does it, so that its allowance counts.
    function lock(address account, address token, uint256 amount, bool delegated) external;

    /// @notice Called by the studies or the claims contract: locked to free.
    /// @param delegated As when it was locked.
    function unlock(address account, address token, uint256 amount, bool delegated) external;

    /// @notice Called by the studies or the claims contract: takes `amounts` of what `accounts` have locked. `kept` of it joins the study's
    /// pot, the challenger (if any) has `CHALLENGER_BPS` of all as far as the rest goes, and what is left is burnt.
    function slash(
        StudyId study,
        address token,
        address[] calldata accounts,
        uint256[] calldata amounts,
        uint256 kept,
        address challenger
    ) external;

    /// @notice Called by the studies contract: draws a study's rewards from its sponsor, who has approved the vault for them,
    /// into its pot. Once per study.
    function fund(StudyId study, address token, uint256 amount, address from) external;

    /// @notice Called by the studies or the payouts contract: from the study's pot into an account's free balance.
    function pay(StudyId study, address account, uint256 amount) external;

    /// @notice Called by the model market: draws licence fees from a buyer, who has approved the vault for them, and holds them for the
    /// market to share out.
    /// @return received What arrived.
    function collect(address token, uint256 amount, address from) external returns (uint256 received);

    /// @notice Called by the model market: from the fees that are held into an account's free balance.
    function disburse(address token, address account, uint256 amount) external;

    /// @notice An account's free and locked tokens.
    function balanceOf(address account, address token) external view returns (Balance memory);

    /// @notice What others may lock of an account's tokens, and have locked.
    function allowanceOf(address account, address token) external view returns (Allowance memory);

    /// @notice What a study has not paid out yet.
    function potOf(StudyId study) external view returns (Pot memory);

    /// @notice Whether the consortium allows `token`.
    function isAllowed(address token) external view returns (bool);

    /// @notice What is nobody's for good.
    function burntOf(address token) external view returns (uint256);

    /// @notice The licence fees that are held for the model market.
    function feesHeld(address token) external view returns (uint256);

    /// @notice Whether the account ever set an allowance.
    function delegates(address account) external view returns (bool);
}
