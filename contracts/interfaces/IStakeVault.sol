// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {StudyId} from "../types/StudyId.sol";

/// @title The only contract that holds value
/// @notice Stakes, study pots and pay, in ERC-20 tokens that the consortium allows. Everything leaves by the same way: the
/// owner asks for an exit, waits, and withdraws. While it waits it can still be slashed.
/// @dev Warning: tokens that rebase downwards break solvency and must not be allowed.
interface IStakeVault {
    struct Balance {
        uint128 free; // to use or take out
        uint128 locked; // stake in studies
    }

    struct Exit {
        uint128 amount; // on its way out
        uint40 availableAt; // Unix seconds
    }

    struct Pot {
        address token; // what the study pays in
        uint96 amount; // not paid out yet
    }

    event TokenAllowed(address indexed token, bool allowed);
    event Deposited(address indexed token, address indexed account, address indexed from, uint256 amount);
    event ExitRequested(address indexed token, address indexed account, uint256 amount, uint256 availableAt);
    event ExitCancelled(address indexed token, address indexed account, uint256 amount);
    event Withdrawn(address indexed token, address indexed account, address indexed to, uint256 amount);
    event Locked(address indexed token, address indexed account, uint256 amount);
    event Unlocked(address indexed token, address indexed account, uint256 amount);
    event Slashed(StudyId indexed study, address indexed token, address indexed account, uint256 amount);
    event Funded(StudyId indexed study, address indexed token, address indexed from, uint256 amount);
    event Paid(StudyId indexed study, address indexed account, uint256 amount);

    error TokenNotAllowed(address token);
    error AmountZero();
    error FreeBalanceTooSmall(address account, address token, uint256 free, uint256 needed);
    error NothingToWithdraw(address account, address token);
    error ExitNotAvailable(uint256 availableAt, uint256 now_);
    error FundedShort(uint256 received, uint256 needed);
    error PotTooSmall(StudyId study, uint256 amount, uint256 needed);
    error OnlyRounds(address caller);
    error ExitDelayOutOfRange(uint256 delay, uint256 limit);

    /// @notice Allows a token for deposits and studies, or no longer. Only for the consortium role. What is inside can always leave.
    function allowToken(address token, bool allowed) external;

    /// @notice Stops deposits. Only for the pauser role. Never stops an exit or a withdrawal.
    function pause() external;

    /// @notice Takes deposits again. Only for the pauser role.
    function unpause() external;

    /// @notice Puts tokens into `account`'s free balance; credits what arrives.
    function deposit(address token, uint256 amount, address account) external;

    /// @notice Like `deposit`, with an ERC-2612 permission of the caller.
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

    /// @notice Sends the caller's exited tokens to `to`.
    function withdraw(address token, address to) external;

    /// @notice Called by the rounds contract: free to locked.
    function lock(address account, address token, uint256 amount) external;

    /// @notice Called by the rounds contract: locked to free, at most what is locked.
    function unlock(address account, address token, uint256 amount) external;

    /// @notice Called by the rounds contract: takes up to `amount` from locked, then exiting, then free tokens into the study's pot.
    function slash(address account, address token, uint256 amount, StudyId study)
        external
        returns (uint256 taken);

    /// @notice Called by the rounds contract: draws a study's rewards from its sponsor into its pot.
    function fund(StudyId study, address token, uint256 amount, address from) external;

    /// @notice Called by the rounds contract: from the study's pot into an account's free balance.
    function pay(StudyId study, address account, uint256 amount) external;

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
