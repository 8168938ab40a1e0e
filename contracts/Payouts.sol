// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IPayouts} from "./interfaces/IPayouts.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IStudies} from "./interfaces/IStudies.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Aggregate, AggregateId} from "./types/Aggregate.sol";
import {Clock} from "./types/Clock.sol";
import {RoundId} from "./types/RoundId.sol";
import {SeatId} from "./types/SeatId.sol";
import {NO_SEATS, SeatSet} from "./types/SeatSet.sol";
import {StudyId} from "./types/StudyId.sol";
import {Update} from "./types/Update.sol";

/// @dev Added to a score, so that scores compare as unsigned numbers.
int256 constant BIAS = 1 << 15;

/// @title Payouts
contract Payouts is IPayouts {
    // Immutables

    IConsortium public immutable CONSORTIUM;
    IFederatedRounds public immutable ROUNDS;
    IStudies public immutable STUDIES;
    IStakeVault public immutable VAULT;

    // Storage

    mapping(StudyId study => mapping(RoundId round => Review)) private _reviews;
    mapping(StudyId study => mapping(RoundId round => mapping(SeatId seat => bytes32 hash))) private
        _committed;
    mapping(StudyId study => mapping(RoundId round => mapping(SeatId seat => int16[]))) private _revealed;
    mapping(StudyId study => mapping(RoundId round => uint16[64])) private _scores;
    mapping(bytes32 leaf => mapping(SeatId seat => bool)) private _paid;

    // Constructor

    constructor(IConsortium consortium, IFederatedRounds rounds, IStudies studies, IStakeVault vault) {
        CONSORTIUM = consortium;
        ROUNDS = rounds;
        STUDIES = studies;
        VAULT = vault;
    }

    // Hospitals

    /// @inheritdoc IPayouts
    function claim(StudyId study, SeatId seat, Earned[] calldata earned) external {
        require(earned.length != 0, NothingToClaim(study, RoundId.wrap(0), seat));
        uint256 total;
        address hospital;
        for (uint256 i = 0; i < earned.length; ++i) {
            uint256 amount;
            (hospital, amount) = _claim(study, seat, earned[i]);
            total += amount;
        }

        VAULT.pay(study, hospital, total);
    }

    // Reviews

    /// @inheritdoc IPayouts
    function commitReview(StudyId study, RoundId round, SeatId seat, AggregateId result, bytes32 hash)
        external
    {
        (, uint256 half,) = _requireReviewer(study, round, seat, result);
        require(block.timestamp < half, ReviewClosed(study, round, half));
        Review storage review = _reviews[study][round];
        require(!review.committed.has(seat), AlreadyCommitted(study, round, seat));

        review.committed = review.committed.add(seat);
        _committed[study][round][seat] = hash;

        emit ReviewCommitted(study, round, seat, hash);
    }

    /// @inheritdoc IPayouts
    function revealReview(
        StudyId study,
        RoundId round,
        SeatId seat,
        AggregateId result,
        int16[] calldata scores,
        bytes32 salt
    ) external {
        (IFederatedRounds.Earning memory e, uint256 half, uint256 until) =
            _requireReviewer(study, round, seat, result);
        require(block.timestamp >= half, ReviewNotOpen(study, round, half));
        require(block.timestamp < until, ReviewClosed(study, round, until));
        Review storage review = _reviews[study][round];
        require(!review.revealed.has(seat), AlreadyRevealed(study, round, seat));
        uint256 expected = e.submitted.count();
        require(scores.length == expected, ScoreCount(scores.length, expected));
        require(
            _committed[study][round][seat]
                == keccak256(abi.encode(study, round, seat, e.hospital, scores, salt)),
            ReviewMismatch(study, round, seat)
        );

        review.revealed = review.revealed.add(seat);
        _revealed[study][round][seat] = scores;

        emit ReviewRevealed(study, round, seat, scores);
    }

    /// @inheritdoc IPayouts
    function tally(StudyId study, RoundId round, AggregateId result) external {
        _requireReviewed(study);
        IFederatedRounds.Earning memory e = _requireResult(study, round, SeatId.wrap(0), result);
        require(block.timestamp >= e.unlockedAt, ReviewNotOpen(study, round, e.unlockedAt));
        Review storage review = _reviews[study][round];
        require(!review.tallied, AlreadyTallied(study, round));

        review.tallied = true;
        uint16[] memory scores = new uint16[](e.submitted.count());
        uint256 total;
        if (_enough(review.revealed, e.submitted)) {
            review.counted = true;
            SeatSet struck = ROUNDS.getAbsence(study, round).struck;
            (scores, total) = _medians(study, round, e.submitted, review.revealed, e.included - struck);
            // The cast is safe: at most 64 scores of 15 bits.
            review.total = uint48(total);
        }

        emit ReviewsTallied(study, round, scores, total);
    }

    // Patients

    /// @inheritdoc IPayouts
    function claimPatient(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update calldata update,
        PatientLeaf calldata leaf
    ) external {
        (bytes32 digest, uint256 part, uint256 whole) =
            _patientShareOf(study, round, seat, aggregate, update, msg.sender, leaf);
        require(!_paid[digest][seat], LeafClaimed(study, round, digest));
        // Rounded down leaf by leaf, and no leaf is paid twice: all leaves of the seat together never get more than its part.
        uint256 amount = STUDIES.poolsOf(study).patients * part / whole;
        require(amount != 0, NothingToClaim(study, round, seat));

        _paid[digest][seat] = true;

        emit PatientPaid(study, round, seat, msg.sender, amount);

        VAULT.pay(study, msg.sender, amount);
    }

    // Views

    /// @inheritdoc IPayouts
    function scoresOf(StudyId study, RoundId round, SeatId seat)
        external
        view
        returns (uint256 score, uint256 total, SeatSet revealers)
    {
        return _scoresOf(study, round, seat);
    }

    /// @inheritdoc IPayouts
    function shareOf(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update calldata update
    ) external view returns (uint256 score, uint256 total) {
        IFederatedRounds.Earning memory e = _requireIncluded(study, round, seat, aggregate, update);
        require(!e.barred, PayVoid(study, round, seat));
        (score, total,) = _partOf(study, round, seat, e, update.weight, STUDIES.poolsOf(study).scoreMode);
    }

    /// @inheritdoc IPayouts
    function patientShareOf(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update calldata update,
        address patient,
        PatientLeaf calldata leaf
    ) external view returns (bytes32 digest, uint256 part, uint256 whole) {
        return _patientShareOf(study, round, seat, aggregate, update, patient, leaf);
    }

    /// @inheritdoc IPayouts
    function getReview(StudyId study, RoundId round) external view returns (Review memory) {
        return _reviews[study][round];
    }

    // Internal: pay

    function _claim(StudyId study, SeatId seat, Earned calldata earned)
        private
        returns (address hospital, uint256 amount)
    {
        RoundId round = earned.round;
        IFederatedRounds.Earning memory e =
            ROUNDS.pay(study, round, seat, earned.aggregate.hash(study, round));
        _addKeptAway(study, round, e);
        require(block.timestamp >= e.unlockedAt, ClaimLocked(study, round, e.unlockedAt));
        _requireOwnUpdate(study, round, seat, e, earned.update);
        require(!e.barred, PayVoid(study, round, seat));

        amount = e.outcome == IFederatedRounds.Outcome.Void
            ? _compensationOf(study, round, seat, e, earned.update.weight)
            : _payOf(study, round, seat, e, earned.update.weight);
        require(amount != 0, NothingToClaim(study, round, seat));

        emit Claimed(study, round, seat, e.hospital, amount);

        return (e.hospital, amount);
    }

    /// @dev Rounded down once, in the vault's favour: both parts are brought over one denominator.
    function _payOf(
        StudyId study,
        RoundId round,
        SeatId seat,
        IFederatedRounds.Earning memory e,
        uint256 weight
    ) private view returns (uint256) {
        IStudies.Pools memory pools = STUDIES.poolsOf(study);
        (uint256 score, uint256 total, SeatSet revealers) =
            _partOf(study, round, seat, e, weight, pools.scoreMode);
        if (!e.included.has(seat)) score = 0;
        bool shares = revealers.isEmpty() ? e.attested : revealers.has(seat);
        // slither-disable-next-line divide-before-multiply (the pool is whole units; what it loses stays with the updates' share)
        uint256 share = shares ? pools.attesters * total : 0;
        return (pools.updates * score * e.due + share) / (total * e.due);
    }

    /// @dev A submitter's part of what is for the updates, were its own in the result, and who revealed reviews that count.
    function _partOf(
        StudyId study,
        RoundId round,
        SeatId seat,
        IFederatedRounds.Earning memory e,
        uint256 weight,
        IStudies.ScoreMode mode
    ) private view returns (uint256 score, uint256 total, SeatSet revealers) {
        if (mode == IStudies.ScoreMode.Equal) return (1, e.due, NO_SEATS);
        (score, total) = (weight, e.totalWeight);
        if (mode != IStudies.ScoreMode.Reviewed) return (score, total, NO_SEATS);
        uint256 own;
        uint256 all;
        (own, all, revealers) = _scoresOf(study, round, seat);
        // What the left-out updates weigh is nobody's, whatever the reviews say.
        if (all != 0) (score, total) = (own * e.weight, all * total);
    }

    /// @dev Hospitals that were suspended while the round trained count as if they had submitted all they could: nobody has more because
    /// somebody was kept away.
    function _addKeptAway(StudyId study, RoundId round, IFederatedRounds.Earning memory e) private view {
        if (e.absent.isEmpty()) return;
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        IFederatedRounds.Round memory r = ROUNDS.getRound(study, round);
        IFederatedRounds.Absence memory absence = ROUNDS.getAbsence(study, round);
        uint256 trained = Clock.trainingEnd(r.openedAt, r.closedAt, s.trainingSeconds);
        // A proof may have ended the study before.
        uint256 until = Math.min(trained, e.unlockedAt - s.disputeSeconds);
        // Who said by itself that it does not take part was not kept away, whatever came after.
        SeatId[] memory list = (e.absent - (absence.abstained - absence.keptAway)).toArray();
        for (uint256 i = 0; i < list.length; ++i) {
            IFederatedRounds.Seat memory holder = ROUNDS.getSeat(study, list[i]);
            // A seat that was proved wrong, or that has too few records for a step, could have submitted nothing.
            if (!holder.barredFrom.isNone() && !(round < holder.barredFrom)) continue;
            uint256 most = Math.min(holder.records, s.maxWeight);
            if (most < s.cohortStep || !CONSORTIUM.wasSuspended(holder.hospital, r.openedAt, until)) {
                continue;
            }
            ++e.due;
            // The cast is safe: all weights together are below 2^31.
            e.totalWeight += uint32(most - most % s.cohortStep);
        }
    }

    /// @dev A cohort's part is shared by all its leaves. One that has fewer of them than its weight claims patients it does not have:
    /// their parts are nobody's.
    function _patientShareOf(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update calldata update,
        address patient,
        PatientLeaf calldata leaf
    ) private view returns (bytes32 digest, uint256 part, uint256 whole) {
        IFederatedRounds.Earning memory e = _requireIncluded(study, round, seat, aggregate, update);
        digest = Leaves.leafOf(study, round, leaf.dataset, patient, leaf.salt);
        require(
            Leaves.isAt(update.cohortRoot, digest, leaf.index, leaf.count, leaf.proof),
            NotInCohort(study, round, seat, patient)
        );
        return (digest, update.weight, Math.max(leaf.count, update.weight) * e.totalWeight);
    }

    /// @dev What a void round pays to one that stayed in its set.
    function _compensationOf(
        StudyId study,
        RoundId round,
        SeatId seat,
        IFederatedRounds.Earning memory e,
        uint256 weight
    ) private view returns (uint256) {
        uint256 pool = STUDIES.compensationOf(study, round);
        if (pool == 0 || !e.submitted.has(seat)) return 0;
        return STUDIES.poolsOf(study).scoreMode == IStudies.ScoreMode.Equal
            ? pool / e.due
            : pool * weight / e.totalWeight;
    }

    // Internal: checks

    function _requireReviewed(StudyId study) private view {
        require(STUDIES.poolsOf(study).scoreMode == IStudies.ScoreMode.Reviewed, NotReviewed(study));
    }

    /// @dev That the aggregate became the round's result.
    function _requireResult(StudyId study, RoundId round, SeatId seat, AggregateId result)
        private
        view
        returns (IFederatedRounds.Earning memory e)
    {
        e = ROUNDS.earningOf(study, round, seat, result);
        _addKeptAway(study, round, e);
        require(e.outcome != IFederatedRounds.Outcome.Void, IFederatedRounds.NotFinal(study, round, result));
    }

    /// @dev Whether the caller may review, and when: commitments until `half`, reveals from then `until` claims unlock.
    function _requireReviewer(StudyId study, RoundId round, SeatId seat, AggregateId result)
        private
        view
        returns (IFederatedRounds.Earning memory e, uint256 half, uint256 until)
    {
        _requireReviewed(study);
        e = _requireResult(study, round, seat, result);
        // Suspended or not: it was active when it submitted, and a consortium is not to choose who judges.
        // slither-disable-next-line unused-return (the rest is not asked for)
        (bool operator,) = CONSORTIUM.isOperator(e.hospital, msg.sender);
        require(operator, IFederatedRounds.NotTheSeatsOperator(study, seat, msg.sender));
        require(e.submitted.has(seat), IFederatedRounds.NotASubmitter(study, round, seat));
        uint256 window = ROUNDS.getStudy(study).disputeSeconds;
        half = Clock.attestationEnd(e.unlockedAt - window, window);
        return (e, half, e.unlockedAt);
    }

    function _requireOwnUpdate(
        StudyId study,
        RoundId round,
        SeatId seat,
        IFederatedRounds.Earning memory e,
        Update calldata update
    ) private pure {
        require(e.commitment == update.commitment(), IFederatedRounds.UpdateMismatch(study, round, seat));
    }

    /// @dev That the seat's update is part of a final round whose claims are unlocked, was not proved wrong, and is this one.
    function _requireIncluded(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update calldata update
    ) private view returns (IFederatedRounds.Earning memory e) {
        e = _requireResult(study, round, seat, aggregate.hash(study, round));
        require(block.timestamp >= e.unlockedAt, ClaimLocked(study, round, e.unlockedAt));
        require(e.included.has(seat), NothingToClaim(study, round, seat));
        _requireOwnUpdate(study, round, seat, e, update);
    }

    // Internal: scores

    function _scoresOf(StudyId study, RoundId round, SeatId seat)
        private
        view
        returns (uint256 score, uint256 total, SeatSet revealers)
    {
        Review memory review = _reviews[study][round];
        require(review.tallied || review.revealed.isEmpty(), NotTallied(study, round));
        if (!review.counted) return (0, 0, NO_SEATS);
        return (_scores[study][round][SeatId.unwrap(seat)], review.total, review.revealed);
    }

    /// @dev Whether at least half of the submitters revealed, and anybody did.
    function _enough(SeatSet revealed, SeatSet submitted) private pure returns (bool) {
        return !revealed.isEmpty() && revealed.count() * 2 >= submitted.count();
    }

    /// @dev The score of each submitted seat, stored by seat and returned in their order, and the sum.
    function _medians(StudyId study, RoundId round, SeatSet submitted, SeatSet revealed, SeatSet earning)
        private
        returns (uint16[] memory scores, uint256 total)
    {
        (int16[][] memory reviews, uint256[] memory reviewers) = _reviewsOf(study, round, submitted, revealed);
        uint16[64] memory bySeat;
        SeatId[] memory seats = submitted.toArray();
        scores = new uint16[](seats.length);
        for (uint256 i = 0; i < seats.length; ++i) {
            if (!earning.has(seats[i])) continue;
            scores[i] = _median(reviews, reviewers, i);
            bySeat[SeatId.unwrap(seats[i])] = scores[i];
            total += scores[i];
        }
        _scores[study][round] = bySeat;
    }

    /// @dev What was revealed, and each reviewer's position among the submitted seats.
    function _reviewsOf(StudyId study, RoundId round, SeatSet submitted, SeatSet revealed)
        private
        view
        returns (int16[][] memory reviews, uint256[] memory reviewers)
    {
        reviews = new int16[][](revealed.count());
        reviewers = new uint256[](reviews.length);
        SeatId[] memory seats = submitted.toArray();
        uint256 found;
        for (uint256 i = 0; i < seats.length; ++i) {
            if (!revealed.has(seats[i])) continue;
            reviews[found] = _revealed[study][round][seats[i]];
            reviewers[found++] = i;
        }
    }

    /// @dev The median of what others say of the update at `position`, at least 0; of an even number the mean of the middle two, rounded down.
    function _median(int16[][] memory reviews, uint256[] memory reviewers, uint256 position)
        private
        pure
        returns (uint16)
    {
        uint256[] memory values = new uint256[](reviews.length);
        uint256 count;
        for (uint256 i = 0; i < reviews.length; ++i) {
            // The cast is safe: a 16-bit number and 2^15 are not negative together.
            if (reviewers[i] != position) values[count++] = uint256(int256(reviews[i][position]) + BIAS);
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
}
