// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederatedRounds} from "../interfaces/IFederatedRounds.sol";
import {RoundId} from "./RoundId.sol";

/// @dev Longest time to enrol, Training or Aggregating phase, window of a claim, dispute window.
uint256 constant PHASE_LIMIT = 90 days;
/// @dev Longest time from a study's first round to its end, if everybody uses up every phase: no stake is locked for longer than
/// this, the enrolment and one dispute window.
uint256 constant STUDY_LIMIT = 5 * 365 days;

/// @title When phases end
/// @notice All times are Unix seconds, all lengths seconds. The Python twin is `medfed.protocol.phase`.
library Clock {
    /// @notice The phase of a round now.
    function phaseOf(
        IFederatedRounds.Outcome outcome,
        uint256 openedAt,
        uint256 closedAt,
        uint256 trainingSeconds
    ) internal view returns (IFederatedRounds.Phase) {
        // Phases from Final on stand in the order of outcomes.
        if (outcome != IFederatedRounds.Outcome.Open) {
            return IFederatedRounds.Phase(uint8(IFederatedRounds.Phase.Aggregating) + uint8(outcome));
        }
        if (openedAt == 0) return IFederatedRounds.Phase.None;
        bool training = block.timestamp < trainingEnd(openedAt, closedAt, trainingSeconds);
        return training ? IFederatedRounds.Phase.Training : IFederatedRounds.Phase.Aggregating;
    }

    /// @notice When Training of a round closed, or will at the latest.
    /// @param closedAt When everybody had acted; 0 if they have not.
    function trainingEnd(uint256 openedAt, uint256 closedAt, uint256 trainingSeconds)
        internal
        pure
        returns (uint256)
    {
        return closedAt != 0 ? closedAt : openedAt + trainingSeconds;
    }

    /// @notice From when on an open round may be voided: at the end of Training when too few submitted, else after Aggregating,
    /// which claims may prolong.
    function voidableAt(uint256 trainingEnd_, uint256 aggregatingSeconds, bool enough, uint256 heldUntil)
        internal
        pure
        returns (uint256)
    {
        if (!enough) return trainingEnd_;
        uint256 end = trainingEnd_ + aggregatingSeconds;
        return end < heldUntil ? heldUntil : end;
    }

    /// @notice When attesting to a final result ends: whoever attests has half of the window, at least, to answer for it.
    function attestationEnd(uint256 finalAt, uint256 disputeSeconds) internal pure returns (uint256) {
        return finalAt + disputeSeconds / 2;
    }

    /// @notice When a round that ended at `endedAt` can no longer be disputed: its claims unlock.
    function unlockedAt(uint256 endedAt, uint256 disputeSeconds) internal pure returns (uint256) {
        return endedAt + disputeSeconds;
    }

    /// @notice When absences of an ended study are no longer recorded, and stakes and the rest of the pot are given back. Where a
    /// round was opened there is time to record, or a silent hospital could void, abort and release at one stroke. 0 while it has not ended.
    function settledAt(uint256 endedAt, RoundId newest, uint256 disputeSeconds)
        internal
        pure
        returns (uint256)
    {
        return endedAt == 0 || newest.isNone() ? endedAt : endedAt + disputeSeconds;
    }

    /// @notice The longest that a round of a study lasts if everybody uses up every phase.
    /// @param leavers How many updates may leave the set before too few remain.
    function longestRound(
        uint256 trainingSeconds,
        uint256 aggregatingSeconds,
        uint256 claimSeconds,
        uint256 maxAttempts,
        uint256 leavers
    ) internal pure returns (uint256) {
        uint256 held = maxAttempts == 0 ? 0 : (leavers + 1) * maxAttempts * 2 * claimSeconds;
        return trainingSeconds + aggregatingSeconds + held + leavers * claimSeconds;
    }
}
