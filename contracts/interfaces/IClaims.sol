// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Aggregate, AggregateId} from "../types/Aggregate.sol";
import {RoundId} from "../types/RoundId.sol";
import {SeatId} from "../types/SeatId.sol";
import {SeatSet} from "../types/SeatSet.sol";
import {StudyId} from "../types/StudyId.sol";

/// @title What ends a round without a quorum, and who was absent
/// @notice An aggregator may claim, against a bond, that an aggregate of all submitted updates is right. The claim becomes the round's
/// result when its window closes and nobody objected. Who is absent from a round is warned or slashed.
/// @dev Holds no funds: bonds are locked in `IStakeVault`. A round's contest begins anew when an update leaves its set: attempts over the old set
/// lapse unharmed, and all submitters may claim and object once more.
interface IClaims {
    enum AttemptState {
        None,
        Pending, // becomes final when its window closes without an objection
        Objected, // can only be confirmed by a quorum
        Accepted, // made its round final
        Refuted, // proved wrong; its bond awaits being shared out
        Settled // its bond was returned, or slashed and shared out
    }

    /// @notice An aggregator's claim. Two words, and a third for a stranger's objection.
    struct Attempt {
        AggregateId aggregateHash;
        AttemptState state; // second word
        SeatId seat; // its author
        uint8 era; // how many updates had left the round's set before; it has lapsed when more have now
        uint40 madeAt; // Unix seconds
        uint24 claimSeconds; // its window
        address challenger; // who proved it wrong
        address objector; // third word: a stranger whose bond is locked; zero for a submitter's free objection
    }

    /// @notice What is contested in one round. One word.
    struct Contest {
        uint16 count; // attempts so far; they are numbered from 0
        uint8 used; // of the study's `maxAttempts`, since the set changed last
        uint8 era; // how many updates have left the set
        uint32 heldUntil; // Unix seconds; the round is not void before
        SeatSet authors; // that made an attempt, since the set changed last
        SeatSet objectors; // submitters that objected, since the set changed last
        SeatSet lacking; // submitters that said whose bytes they lack
    }

    /// @notice `seat` claims, with its bond, that this is the round's result.
    event AttemptMade(
        StudyId indexed study,
        RoundId indexed round,
        SeatId indexed seat,
        uint16 attempt,
        AggregateId aggregateHash,
        Aggregate aggregate
    );

    /// @notice The time path is closed for this attempt. `bond` is 0 for a submitter's free objection.
    event Objected(
        StudyId indexed study, RoundId indexed round, uint16 attempt, address objector, uint256 bond
    );

    /// @notice `seat` cannot attest, as nobody serves it the bytes of `missing`.
    event BytesLacking(StudyId indexed study, RoundId indexed round, SeatId indexed seat, SeatSet missing);

    /// @notice The window closed without objection: the attempt is the round's result.
    event AttemptAccepted(StudyId indexed study, RoundId indexed round, uint16 attempt);

    /// @notice The attempt was proved wrong: its bond is lost, and its author is barred from this round on.
    event AttemptRefuted(StudyId indexed study, RoundId indexed round, uint16 attempt, address challenger);

    /// @notice The attempt is over: what was slashed of its author's and of its objector's bond. The rest is free again.
    event AttemptSettled(
        StudyId indexed study, RoundId indexed round, uint16 attempt, uint256 fromAuthor, uint256 fromObjector
    );

    error NothingToRecord(StudyId study, RoundId round);
    error RecordingClosed(StudyId study, uint256 closedAt);
    error QuorumOnly(StudyId study);
    error AttemptsExhausted(StudyId study, RoundId round, uint8 limit);
    error AttemptPending(StudyId study, RoundId round, uint16 attempt);
    error AlreadyAttempted(StudyId study, RoundId round, SeatId seat);
    /// @notice A claim or an update of this seat was proved wrong.
    error AuthorBarred(StudyId study, SeatId seat);
    error NotTheLeader(StudyId study, RoundId round, SeatId leader, uint256 openToAllAt);
    error SetIncomplete(SeatSet included, SeatSet submitted);
    /// @notice No attempt is pending, or not this one.
    error NoAttemptPending(StudyId study, RoundId round);
    error AttemptUnknown(StudyId study, RoundId round, uint16 attempt);
    error AttemptOver(StudyId study, RoundId round, uint16 attempt);
    error AttemptDiffers(StudyId study, RoundId round, AggregateId aggregateHash);
    error ClaimWindowOpen(StudyId study, RoundId round, uint256 until);
    error ClaimWindowClosed(StudyId study, RoundId round, uint256 closedAt);
    error BondLocked(StudyId study, RoundId round, uint256 until);
    /// @notice Silence ends a round only where two thirds of the submitters, `heard`, were free to object to the claim, or attested to it.
    error TooFewHeard(StudyId study, RoundId round, SeatSet heard, SeatSet submitted);
    error AlreadyLacking(StudyId study, RoundId round, SeatId seat);
    /// @notice A seat lacks the bytes of others that submitted.
    error LackingNotSubmitted(SeatSet missing, SeatSet submitted);

    /// @notice A bonded claim over the complete set of a round's submitters, by the operator of one of them. At first only the
    /// leader may make it: the submitter at (round + attempts) modulo the number of those that may; after half of the Aggregating phase
    /// any of them. One attempt at a time, one per hospital.
    function submitAggregate(StudyId study, RoundId round, SeatId seat, Aggregate calldata aggregate) external;

    /// @notice Closes the time path of the pending attempt, until its window closes. It is named, so that nobody objects to another one than
    /// they looked at. A submitter's operator, while its hospital is active,
    /// objects once in a round for free; everybody else locks the study's bond, which is lost if the same vector becomes final, or if the round ends
    /// void and nobody proved the claim wrong. Leaves `claimSeconds` more to attest; the next attempt may follow at once.
    function object(StudyId study, RoundId round, uint16 attempt) external;

    /// @notice A submitter that cannot attest says whose bytes nobody serves it; it is not absent should the round end void.
    function lack(StudyId study, RoundId round, SeatId seat, SeatSet missing) external;

    /// @notice Makes the pending attempt the round's result, once its window has closed. Anyone may call.
    /// @dev The author counts as the one attester: it is paid as one, and slashed as one if the aggregate is proved wrong.
    function finalise(StudyId study, RoundId round, Aggregate calldata aggregate) external;

    /// @notice Ends an attempt and frees its bonds. At once where it was proved wrong (its bond is slashed), its round is void or its
    /// set has changed; else when the claims of the round unlock. Then its author is slashed if the result over the same set has another root, and
    /// its objector (if not a submitter) if it has the same; nobody is where the result was undone. Anyone may call.
    /// @param claimed What the attempt claimed.
    /// @param result The round's result; not read unless it is needed.
    function settle(
        StudyId study,
        RoundId round,
        uint16 attempt,
        Aggregate calldata claimed,
        Aggregate calldata result
    ) external;

    /// @notice Records who was absent from a round whose Training has closed: who was silent, and, where it ended void although enough had
    /// submitted, the submitters that neither attested, objected, claimed nor said whose bytes they lack. A hospital that was suspended in
    /// the round is not absent, and nobody is where nobody submitted. Anyone may call, until stakes may be released.
    function recordAbsences(StudyId study, RoundId round) external;

    /// @notice Called by the proofs contract: an aggregate was proved wrong. Every attempt over the present set that names it loses its bond.
    /// @return refuted How many these are.
    function refute(StudyId study, RoundId round, AggregateId aggregateHash, address challenger)
        external
        returns (uint256 refuted);

    /// @notice Called by the proofs contract: the set of an open round changed. What was claimed and objected over the old one counts no more.
    function beginAnew(StudyId study, RoundId round) external;

    /// @notice The seats whose absence from a round was recorded.
    function absencesRecorded(StudyId study, RoundId round) external view returns (SeatSet seats);

    /// @notice What is contested in a round; all zero when nothing is.
    function getContest(StudyId study, RoundId round) external view returns (Contest memory);

    /// @notice One attempt; `AttemptState.None` when there is none of this number.
    function getAttempt(StudyId study, RoundId round, uint16 attempt) external view returns (Attempt memory);

    /// @notice Until when the round is not void although Aggregating is over; 0 when nothing holds it.
    /// @dev Each attempt holds it for at most twice `claimSeconds`, and each update that leaves the set for `claimSeconds`.
    function heldUntil(StudyId study, RoundId round) external view returns (uint256);

    /// @notice The seat whose turn it is to make the next attempt, before all may; 64 when nobody may. Where it is barred, nobody waits for it.
    function leaderOf(StudyId study, RoundId round) external view returns (SeatId seat);
}
