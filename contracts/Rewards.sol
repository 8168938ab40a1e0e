// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IRewards} from "./interfaces/IRewards.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {Seats} from "./libraries/Seats.sol";
import {DatasetId} from "./types/DatasetId.sol";
import {StudyId} from "./types/StudyId.sol";

/// @dev Shares are in 1/10,000.
uint256 constant BPS = 10_000;
/// @dev Nobody's pay goes back to the sponsor sooner after a study.
uint256 constant SWEEP_DELAY_LEAST = 180 days;
/// @dev Added to a score, so that scores compare as unsigned numbers.
int256 constant BIAS = 1 << 15;

/// @title Rewards
contract Rewards is IRewards {
    using Seats for uint64;

    // Immutables

    IFederatedRounds public immutable ROUNDS;
    IConsortium public immutable CONSORTIUM;
    IStakeVault public immutable VAULT;
    /// @notice Seconds between the end of a study's last claims and its sweep.
    uint256 public immutable SWEEP_DELAY;

    // Storage

    mapping(StudyId study => mapping(uint16 round => Review)) private _reviews;
    mapping(StudyId study => mapping(uint16 round => mapping(uint8 seat => bytes32 hash))) private _committed;
    mapping(StudyId study => mapping(uint16 round => mapping(uint8 seat => int16[]))) private _revealed;
    mapping(StudyId study => mapping(uint16 round => uint16[64])) private _scores;
    mapping(bytes32 leaf => bool) private _paid;
    mapping(StudyId study => mapping(uint16 round => mapping(uint8 seat => uint256 amount))) private _spent;

    // Constructor

    constructor(IFederatedRounds rounds, IConsortium consortium, IStakeVault vault, uint256 sweepDelay) {
        require(sweepDelay >= SWEEP_DELAY_LEAST, SweepDelayOutOfRange(sweepDelay, SWEEP_DELAY_LEAST));
        ROUNDS = rounds;
        CONSORTIUM = consortium;
        VAULT = vault;
        SWEEP_DELAY = sweepDelay;
    }

    // Reviews

    /// @inheritdoc IRewards
    function commitReview(StudyId study, uint16 round, uint8 seat, bytes32 finalHash, bytes32 hash) external {
        (uint256 half,) = _requireReviewer(study, round, seat, finalHash);
        require(block.timestamp < half, ReviewClosed(study, round, half));
        Review storage review = _reviews[study][round];
        require(!review.committed.has(seat), AlreadyCommitted(study, round, seat));

        review.committed |= Seats.bit(seat);
        _committed[study][round][seat] = hash;

        emit ReviewCommitted(study, round, seat, hash);
    }

    /// @inheritdoc IRewards
    function revealReview(
        StudyId study,
        uint16 round,
        uint8 seat,
        bytes32 finalHash,
        int16[] calldata scores,
        bytes32 salt
    ) external {
        (uint256 half, uint256 until) = _requireReviewer(study, round, seat, finalHash);
        require(block.timestamp >= half, ReviewNotOpen(study, round, half));
        require(block.timestamp < until, ReviewClosed(study, round, until));
        Review storage review = _reviews[study][round];
        require(!review.revealed.has(seat), AlreadyRevealed(study, round, seat));
        uint256 expected = ROUNDS.getRound(study, round).submitted.count();
        require(scores.length == expected, ScoreCount(scores.length, expected));
        address hospital = ROUNDS.getSeat(study, seat).hospital;
        require(
            _committed[study][round][seat]
                == keccak256(abi.encode(study, round, seat, hospital, scores, salt)),
            ReviewMismatch(study, round, seat)
        );

        review.revealed |= Seats.bit(seat);
        _revealed[study][round][seat] = scores;

        emit ReviewRevealed(study, round, seat, scores);
    }

    /// @inheritdoc IRewards
    function tally(StudyId study, uint16 round, bytes32 finalHash) external {
        IFederatedRounds.Study memory s = _requireReviewed(study);
        IFederatedRounds.Ballot memory ballot = _requireFinal(study, round, finalHash);
        uint256 until = uint256(ballot.finalAt) + s.disputeSeconds;
        require(block.timestamp >= until, ReviewNotOpen(study, round, until));
        Review storage review = _reviews[study][round];
        require(!review.tallied, AlreadyTallied(study, round));
        uint64 submitted = ROUNDS.getRound(study, round).submitted;

        review.tallied = true;
        uint16[] memory scores = new uint16[](submitted.count());
        uint256 total;
        if (_enough(review.revealed, submitted)) {
            review.counted = true;
            uint64 earning = ballot.included & ~ROUNDS.getAbsence(study, round).struck;
            (scores, total) = _medians(study, round, submitted, review.revealed, earning);
            // The cast is safe: at most 64 scores of 15 bits.
            review.total = uint48(total);
        }

        emit ReviewsTallied(study, round, scores, total);
    }

    // Patients

    /// @inheritdoc IRewards
    function claimPatient(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update calldata update,
        PatientLeaf calldata leaf
    ) external {
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        (bytes32 digest, uint256 part, uint256 whole) =
            patientShareOf(study, round, seat, aggregate, update, msg.sender, leaf);
        require(!_paid[digest], LeafClaimed(study, round, digest));
        uint256 pool = (uint256(s.rewardPerRound) + ROUNDS.carriedInto(study, round)) * s.patientBps / BPS;
        // slither-disable-next-line divide-before-multiply (the pool is whole units; what it loses stays in the vault)
        uint256 amount = pool * part / whole;
        require(amount != 0, IFederatedRounds.NothingToClaim(study, round, seat));
        // Only the attesters have counted the leaves of a cohort; more than its weight allows are not paid from what is others'.
        uint256 spent = _spent[study][round][seat] + amount;
        // slither-disable-next-line divide-before-multiply (the pool is whole units; what it loses stays in the vault)
        uint256 most = pool * part * (uint256(update.weight) + s.cohortStep) / whole;
        require(spent <= most, CohortSpent(study, round, seat));

        _paid[digest] = true;
        _spent[study][round][seat] = spent;

        emit PatientPaid(study, round, seat, msg.sender, amount);

        VAULT.pay(study, msg.sender, amount);
    }

    // What nobody claims

    /// @inheritdoc IRewards
    function sweep(StudyId study) external {
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        require(
            s.state == IFederatedRounds.State.Completed || s.state == IFederatedRounds.State.Aborted,
            IFederatedRounds.NotEnded(study, s.state)
        );
        uint256 until = uint256(s.endedAt) + s.disputeSeconds + SWEEP_DELAY;
        require(block.timestamp >= until, SweepLocked(study, until));
        uint256 amount = VAULT.potOf(study).amount;
        require(amount != 0, NothingToSweep(study));

        emit Swept(study, s.sponsor, amount);

        VAULT.pay(study, s.sponsor, amount);
    }

    // Views

    /// @inheritdoc IRewards
    function scoresOf(StudyId study, uint16 round, uint8 seat)
        external
        view
        returns (uint256 score, uint256 total, uint64 revealers)
    {
        return _scoresOf(study, round, seat);
    }

    /// @inheritdoc IRewards
    function shareOf(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update calldata update
    ) external view returns (uint256 score, uint256 total) {
        IFederatedRounds.Round memory r = _requireEarned(study, round, seat, aggregate, update);
        IFederatedRounds.ScoreMode mode = ROUNDS.getStudy(study).scoreMode;
        if (mode == IFederatedRounds.ScoreMode.Equal) return (1, r.submitted.count());
        if (mode == IFederatedRounds.ScoreMode.Reviewed) {
            (score, total,) = _scoresOf(study, round, seat);
            if (total != 0) return (score, total);
        }
        return (update.weight, r.totalWeight);
    }

    /// @inheritdoc IRewards
    function patientShareOf(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update calldata update,
        address patient,
        PatientLeaf calldata leaf
    ) public view returns (bytes32 digest, uint256 part, uint256 whole) {
        IFederatedRounds.Round memory r = _requireEarned(study, round, seat, aggregate, update);
        digest = keccak256(abi.encode(study, round, leaf.dataset, patient, leaf.salt));
        require(
            MerkleProof.verifyCalldata(leaf.proof, update.cohortRoot, digest),
            NotInCohort(study, round, seat, patient)
        );
        // A cohort has fewer patients than its weight and one step, so that all of them together never get more than the seat's part.
        uint256 most = uint256(update.weight) + ROUNDS.getStudy(study).cohortStep;
        return (digest, update.weight, most * r.totalWeight);
    }

    /// @inheritdoc IRewards
    function getReview(StudyId study, uint16 round) external view returns (Review memory) {
        return _reviews[study][round];
    }

    // Internal: checks

    function _requireReviewed(StudyId study) private view returns (IFederatedRounds.Study memory s) {
        s = ROUNDS.getStudy(study);
        require(s.scoreMode == IFederatedRounds.ScoreMode.Reviewed, NotReviewed(study));
    }

    function _requireFinal(StudyId study, uint16 round, bytes32 finalHash)
        private
        view
        returns (IFederatedRounds.Ballot memory ballot)
    {
        ballot = ROUNDS.getBallot(study, round, finalHash);
        require(ballot.finalAt != 0, IFederatedRounds.NotFinal(study, round, finalHash));
    }

    /// @dev Whether the caller may review, and when: commitments until `half`, reveals from then `until` claims unlock.
    function _requireReviewer(StudyId study, uint16 round, uint8 seat, bytes32 finalHash)
        private
        view
        returns (uint256 half, uint256 until)
    {
        IFederatedRounds.Study memory s = _requireReviewed(study);
        uint256 finalAt = _requireFinal(study, round, finalHash).finalAt;
        (bool operator, bool active) = CONSORTIUM.isOperator(ROUNDS.getSeat(study, seat).hospital, msg.sender);
        require(operator, IFederatedRounds.NotTheSeatsOperator(study, seat, msg.sender));
        require(active, IFederatedRounds.HospitalSuspended(study, seat));
        require(
            ROUNDS.getRound(study, round).submitted.has(seat),
            IFederatedRounds.NotASubmitter(study, round, seat)
        );
        return (finalAt + s.disputeSeconds / 2, finalAt + s.disputeSeconds);
    }

    /// @dev That the seat's update is part of a final round whose claims are unlocked, was not proved wrong, and is this one.
    function _requireEarned(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update calldata update
    ) private view returns (IFederatedRounds.Round memory r) {
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        require(s.voidFrom == 0 || round < s.voidFrom, IFederatedRounds.PayVoid(study, round, s.voidFrom));
        bytes32 finalHash = ROUNDS.hashAggregate(study, round, aggregate);
        IFederatedRounds.Ballot memory ballot = _requireFinal(study, round, finalHash);
        uint256 until = uint256(ballot.finalAt) + s.disputeSeconds;
        require(block.timestamp >= until, IFederatedRounds.ClaimLocked(study, round, until));
        uint64 struck = ROUNDS.getAbsence(study, round).struck;
        require((ballot.included & ~struck).has(seat), IFederatedRounds.NothingToClaim(study, round, seat));
        require(
            ROUNDS.updateOf(study, round, seat) == _commitment(update),
            IFederatedRounds.UpdateMismatch(study, round, seat)
        );
        return ROUNDS.getRound(study, round);
    }

    // Internal: scores

    function _scoresOf(StudyId study, uint16 round, uint8 seat)
        private
        view
        returns (uint256 score, uint256 total, uint64 revealers)
    {
        Review memory review = _reviews[study][round];
        require(review.tallied || review.revealed == 0, NotTallied(study, round));
        if (!review.counted) return (0, 0, 0);
        return (_scores[study][round][seat], review.total, review.revealed);
    }

    /// @dev Whether at least half of the submitters revealed, and anybody did.
    function _enough(uint64 revealed, uint64 submitted) private pure returns (bool) {
        return revealed != 0 && revealed.count() * 2 >= submitted.count();
    }

    /// @dev The score of each submitted seat, stored by seat and returned in their order, and the sum.
    function _medians(StudyId study, uint16 round, uint64 submitted, uint64 revealed, uint64 earning)
        private
        returns (uint16[] memory scores, uint256 total)
    {
        (int16[][] memory reviews, uint256[] memory reviewers) = _reviewsOf(study, round, submitted, revealed);
        uint16[64] memory bySeat;
        scores = new uint16[](submitted.count());
        uint256 place;
        for (uint8 seat = 0; seat < Seats.LIMIT; ++seat) {
            if (!submitted.has(seat)) continue;
            if (earning.has(seat)) {
                scores[place] = _median(reviews, reviewers, place);
                bySeat[seat] = scores[place];
                total += scores[place];
            }
            ++place;
        }
        _scores[study][round] = bySeat;
    }

    /// @dev What was revealed, and each reviewer's place among the submitted seats.
    function _reviewsOf(StudyId study, uint16 round, uint64 submitted, uint64 revealed)
        private
        view
        returns (int16[][] memory reviews, uint256[] memory reviewers)
    {
        reviews = new int16[][](revealed.count());
        reviewers = new uint256[](reviews.length);
        uint256 place;
        uint256 found;
        for (uint8 seat = 0; seat < Seats.LIMIT; ++seat) {
            if (!submitted.has(seat)) continue;
            if (revealed.has(seat)) {
                reviews[found] = _revealed[study][round][seat];
                reviewers[found++] = place;
            }
            ++place;
        }
    }

    /// @dev The median of what others say of the update at `place`, at least 0; of an even number the mean of the middle two, rounded down.
    function _median(int16[][] memory reviews, uint256[] memory reviewers, uint256 place)
        private
        pure
        returns (uint16)
    {
        uint256[] memory values = new uint256[](reviews.length);
        uint256 count;
        for (uint256 i = 0; i < reviews.length; ++i) {
            // The cast is safe: a 16-bit number and 2^15 are not negative together.
            if (reviewers[i] != place) values[count++] = uint256(int256(reviews[i][place]) + BIAS);
        }
        if (count == 0) return 0;
        uint256 low = _ranked(values, count, (count - 1) / 2);
        uint256 high = _upTo(values, count, low) > count / 2 ? low : _above(values, count, low);
        int256 median = int256((low + high) / 2) - BIAS;
        // The cast is safe: a median of 16-bit numbers that is not negative.
        return median <= 0 ? 0 : uint16(uint256(median));
    }

    /// @dev The one of the first `count` values that comes after `rank` others in their order. Halving the range where it can be takes as
    /// many steps whatever the values are; the cost of sorting would be up to the reviewers, and could be more than a transaction may use.
    function _ranked(uint256[] memory values, uint256 count, uint256 rank)
        private
        pure
        returns (uint256 low)
    {
        uint256 high = type(uint16).max;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_upTo(values, count, middle) > rank) high = middle;
            else low = middle + 1;
        }
    }

    /// @dev How many of the first `count` values are not above `limit`. A tally of 64 updates comes here 1,088 times.
    function _upTo(uint256[] memory values, uint256 count, uint256 limit)
        private
        pure
        returns (uint256 found)
    {
        assembly ("memory-safe") {
            let at := add(values, 0x20)
            let end := add(at, shl(5, count))
            for {} lt(at, end) { at := add(at, 0x20) } { found := add(found, iszero(gt(mload(at), limit))) }
        }
    }

    /// @dev The least of the first `count` values above `limit`.
    function _above(uint256[] memory values, uint256 count, uint256 limit)
        private
        pure
        returns (uint256 found)
    {
        found = type(uint16).max;
        for (uint256 i = 0; i < count; ++i) {
            if (values[i] > limit && values[i] < found) found = values[i];
        }
    }

    function _commitment(IFederatedRounds.Update calldata update) private pure returns (bytes32) {
        bytes32 rest = keccak256(abi.encode(update.cid, update.cohortCid, update.cohortRoot, update.weight));
        return keccak256(abi.encode(update.updateRoot, rest));
    }
}
