// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IConsortium} from "./interfaces/IConsortium.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {CHUNK_BYTES, CHUNK_WORDS, ChunkTree} from "./libraries/ChunkTree.sol";
import {Guarded} from "./libraries/Guarded.sol";
import {Seats} from "./libraries/Seats.sol";
import {BPS} from "./types/Bps.sol";
import {StudyId} from "./types/StudyId.sol";

/// @dev The most that a challenger may get of what is slashed.
uint256 constant CHALLENGER_BPS_LIMIT = 5_000;
/// @dev The most attempts in a round: one challenge reads them all.
uint256 constant ATTEMPT_LIMIT = 16;
/// @dev A sum of words, and one of weights, stays below 2^31 in size.
uint256 constant SUM_LIMIT = 1 << 31;
/// @dev A hospital is slashed from its second miss on, and from the third time that its update is left out.
uint256 constant SLASHED_FROM_MISS = 2;
uint256 constant SLASHED_FROM_LEFT_OUT = 3;
/// @dev Words of 32 bytes: of a chunk, and of what an opened update has before it, its root and the hash of the rest.
uint256 constant CHUNK_LENGTH = CHUNK_BYTES / 32;
uint256 constant COMMITMENT_LENGTH = 2;
/// @dev Stands for a chunk's index where a weight is wrong.
uint32 constant WEIGHT = type(uint32).max;

/// @title Disputes
contract Disputes is IDisputes, Guarded {
    using Seats for uint64;

    // Immutables

    IConsortium public immutable CONSORTIUM;
    IFederatedRounds public immutable ROUNDS;
    IStakeVault public immutable VAULT;
    /// @notice The share of a stake that one absence costs, in 1/10,000.
    uint256 public immutable SLASH_BPS;
    /// @notice The challenger's share of what a proof slashes, in 1/10,000.
    uint256 public immutable CHALLENGER_BPS;

    // Storage

    /// @inheritdoc IDisputes
    mapping(StudyId study => mapping(uint16 round => uint64 seats)) public absencesRecorded;

    mapping(StudyId study => DisputeTerms) private _terms;
    mapping(StudyId study => mapping(uint8 seat => Record)) private _records;
    mapping(StudyId study => mapping(uint16 round => Contest)) private _contests;
    mapping(StudyId study => mapping(uint16 round => mapping(uint8 attempt => Attempt))) private _attempts;

    // Constructor

    constructor(
        IConsortium consortium,
        IFederatedRounds rounds,
        IStakeVault vault,
        uint256 slashBps,
        uint256 challengerBps
    ) {
        require(slashBps <= BPS, IFederatedRounds.ShareOutOfRange(slashBps, BPS));
        require(
            challengerBps <= CHALLENGER_BPS_LIMIT,
            IFederatedRounds.ShareOutOfRange(challengerBps, CHALLENGER_BPS_LIMIT)
        );
        CONSORTIUM = consortium;
        ROUNDS = rounds;
        VAULT = vault;
        SLASH_BPS = slashBps;
        CHALLENGER_BPS = challengerBps;
    }

    // Functions of the rounds contract

    /// @inheritdoc IDisputes
    function agree(StudyId study, IFederatedRounds.StudyTerms calldata t)
        external
        only(msg.sender == address(ROUNDS))
    {
        bool weighted = t.rule.weighted();
        uint256 weights = uint256(t.maxHospitals) * t.maxWeight;
        uint256 sum = (weighted ? weights : t.maxHospitals) * t.steps;
        require(t.words != 0 && t.steps != 0, VectorEmpty(t.words, t.steps));
        require(
            weights < SUM_LIMIT && sum < SUM_LIMIT,
            IFederatedRounds.SumCouldWrap(t.maxHospitals, t.maxWeight, t.steps)
        );
        require(t.maxAttempts <= ATTEMPT_LIMIT, AttemptsOutOfRange(t.maxAttempts, ATTEMPT_LIMIT));
        require(t.maxAttempts == 0 || t.bond != 0, BondZero());
        require(t.maxAttempts == 0 || t.rule.perChunk(), RuleNotPerChunk(t.rule));

        _terms[study] = DisputeTerms({
            words: t.words,
            steps: t.steps,
            trainingSeconds: t.trainingSeconds,
            aggregatingSeconds: t.aggregatingSeconds,
            claimSeconds: t.claimSeconds,
            disputeSeconds: t.disputeSeconds,
            minHospitals: t.minHospitals,
            maxAttempts: t.maxAttempts,
            weighted: weighted,
            barred: 0,
            rule: t.rule,
            bond: t.bond,
            token: t.token,
            stake: t.stake
        });
    }

    // Ending a round by time

    /// @inheritdoc IDisputes
    function submitAggregate(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Aggregate calldata aggregate
    ) external {
        DisputeTerms storage t = _terms[study];
        Contest storage c = _contests[study][round];
        address hospital = _requireOperator(study, seat);
        require(t.maxAttempts != 0, QuorumOnly(study));
        IFederatedRounds.Round memory r = _requireAggregating(study, round);
        require(c.used < t.maxAttempts, AttemptsExhausted(study, round, t.maxAttempts));
        _requireNonePending(study, round, c);
        _requireAuthor(study, round, seat, r);
        _requireComplete(t, r, aggregate);

        uint8 number = c.count;
        bytes32 aggregateHash = _hash(study, round, aggregate);
        c.count = number + 1;
        c.used += 1;
        c.authors |= Seats.bit(seat);
        c.heldUntil = uint40(block.timestamp + 2 * uint256(t.claimSeconds));
        _attempts[study][round][number] = Attempt({
            aggregateHash: aggregateHash,
            state: AttemptState.Pending,
            seat: seat,
            era: c.era,
            madeAt: uint40(block.timestamp),
            challenger: address(0),
            objector: address(0)
        });

        emit AttemptMade(study, round, seat, number, aggregateHash, aggregate);

        VAULT.lock(hospital, t.token, t.bond);
    }

    /// @inheritdoc IDisputes
    function object(StudyId study, uint16 round) external {
        DisputeTerms storage t = _terms[study];
        Contest storage c = _contests[study][round];
        (uint8 number, Attempt storage a) = _requirePending(study, round, c);
        uint256 closes = uint256(a.madeAt) + t.claimSeconds;
        require(block.timestamp < closes, ClaimWindowClosed(study, round, closes));
        uint64 seat = _freeObjector(study, c, _requireAggregating(study, round));
        bool free = seat != 0;

        a.state = AttemptState.Objected;
        c.heldUntil = uint40(block.timestamp + t.claimSeconds);
        if (free) c.objectors |= seat;
        else a.objector = msg.sender;

        emit Objected(study, round, number, msg.sender, free ? 0 : t.bond);

        if (!free) VAULT.lock(msg.sender, t.token, t.bond);
    }

    /// @inheritdoc IDisputes
    function finalise(StudyId study, uint16 round, IFederatedRounds.Aggregate calldata aggregate) external {
        (uint8 number, Attempt storage a) = _requirePending(study, round, _contests[study][round]);
        // slither-disable-next-line unused-return (only whether it is)
        _requireAggregating(study, round);
        bytes32 aggregateHash = _hash(study, round, aggregate);
        uint256 closes = uint256(a.madeAt) + _terms[study].claimSeconds;
        require(a.aggregateHash == aggregateHash, AttemptDiffers(study, round, aggregateHash));
        require(block.timestamp >= closes, ClaimWindowOpen(study, round, closes));

        a.state = AttemptState.Accepted;

        emit AttemptAccepted(study, round, number);

        ROUNDS.finaliseByTime(study, round, a.seat, aggregate);
    }

    /// @inheritdoc IDisputes
    function settle(StudyId study, uint16 round, uint8 attempt, bytes32 finalHash) external {
        Attempt storage a = _attempts[study][round][attempt];
        AttemptState state = a.state;
        require(state != AttemptState.None, AttemptUnknown(study, round, attempt));
        require(state != AttemptState.Settled, AttemptOver(study, round, attempt));
        (bool byAuthor, bool byObjector) =
            state == AttemptState.Refuted ? (true, false) : _liesOf(study, round, a, finalHash);

        a.state = AttemptState.Settled;
        uint256 fromAuthor = _settleBond(study, _hospitalOf(study, a.seat), byAuthor);
        uint256 fromObjector = _settleBond(study, a.objector, byObjector);

        emit AttemptSettled(study, round, attempt, fromAuthor, fromObjector);

        _share(study, fromAuthor + fromObjector, a.challenger);
    }

    // Challenges

    /// @inheritdoc IDisputes
    function challengeChunk(
        StudyId study,
        uint16 round,
        IFederatedRounds.Aggregate calldata aggregate,
        uint32 index,
        bytes32[] calldata openings
    ) external {
        bool right = index == 0
            ? _isHeaderRight(study, round, aggregate.root, openings)
            : _isChunkRight(study, round, aggregate, index, openings);
        require(!right, ChallengeUnfounded(study, round, index));

        _refute(study, round, aggregate, index);
    }

    /// @inheritdoc IDisputes
    function challengeWeight(
        StudyId study,
        uint16 round,
        IFederatedRounds.Aggregate calldata aggregate,
        IFederatedRounds.Update[] calldata updates
    ) external {
        uint256 count = aggregate.included.count();
        require(updates.length == count, UpdateCount(updates.length, count));
        uint256 weight;
        for (uint256 i = 0; i < count; ++i) {
            _requireUpdate(study, round, aggregate.included.at(i), updates[i]);
            weight += updates[i].weight;
        }
        require(weight != aggregate.weight, ChallengeUnfounded(study, round, WEIGHT));

        _refute(study, round, aggregate, WEIGHT);
    }

    /// @inheritdoc IDisputes
    function challengeUpdate(
        StudyId study,
        uint16 round,
        uint8 seat,
        IFederatedRounds.Update calldata update,
        uint32 index,
        bytes32[] calldata opening
    ) external {
        _requireUpdate(study, round, seat, update);
        DisputeTerms memory t = _terms[study];
        uint256 size = _openingLength(t.words, index);
        require(opening.length == size, OpeningLength(opening.length, size));
        bytes memory chunk = _proved(update.updateRoot, index, opening);
        address hospital = _hospitalOf(study, seat);
        uint256 limit = uint256(t.weighted ? update.weight : 1) * t.steps;
        bool right = index == 0
            ? keccak256(chunk) == _headerHash(study, round, hospital)
            : _isInRange(chunk, (index - 1) * CHUNK_WORDS, t.words, limit);
        require(!right, ChallengeUnfounded(study, round, index));

        emit UpdateRefuted(study, round, msg.sender, seat, index);

        (bool open, bool slashable) = ROUNDS.strikeUpdate(study, round, seat, update.weight);
        if (open) _beginAnew(_contests[study][round], t.claimSeconds);
        if (slashable) {
            _share(study, VAULT.slash(hospital, t.token, _leftOf(study, seat), study), msg.sender);
        }
    }

    // Absences

    /// @inheritdoc IDisputes
    function recordAbsences(StudyId study, uint16 round, IFederatedRounds.Aggregate calldata aggregate)
        external
    {
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        IFederatedRounds.Round memory r = ROUNDS.getRound(study, round);
        IFederatedRounds.Phase now_ = ROUNDS.phase(study, round);
        require(_hasTrained(round, s, r), IFederatedRounds.WrongPhase(study, round, now_));
        uint256 until = _settledAt(s);
        require(s.endedAt == 0 || block.timestamp < until, RecordingClosed(study, until));
        bool isFinal = ROUNDS.getBallot(study, round, _hash(study, round, aggregate)).finalAt != 0;
        IFederatedRounds.Absence memory absence = ROUNDS.getAbsence(study, round);
        uint64 silent = Seats.first(s.members) & ~(r.submitted | absence.abstained);
        uint64 leftOut = isFinal ? r.submitted & ~aggregate.included : 0;
        // A struck seat may not submit any more, and has lost its stake.
        uint64 found = (silent | leftOut) & ~(s.struck | absencesRecorded[study][round]);
        require(found != 0, NothingToRecord(study, round));

        absencesRecorded[study][round] |= found;
        for (uint8 seat = 0; seat < s.members; ++seat) {
            if (found.has(seat)) _recordAbsence(study, round, seat, silent.has(seat));
        }
    }

    // Views

    /// @inheritdoc IDisputes
    function getTerms(StudyId study) external view returns (DisputeTerms memory) {
        return _terms[study];
    }

    /// @inheritdoc IDisputes
    function slashedOf(StudyId study, uint8 seat) external view returns (uint96) {
        return ROUNDS.getStudy(study).struck.has(seat) ? _terms[study].stake : _records[study][seat].slashed;
    }

    /// @inheritdoc IDisputes
    function recordOf(StudyId study, uint8 seat) external view returns (Record memory) {
        return _records[study][seat];
    }

    /// @inheritdoc IDisputes
    function getContest(StudyId study, uint16 round) external view returns (Contest memory) {
        return _contests[study][round];
    }

    /// @inheritdoc IDisputes
    function getAttempt(StudyId study, uint16 round, uint8 attempt) external view returns (Attempt memory) {
        return _attempts[study][round][attempt];
    }

    /// @inheritdoc IDisputes
    function barred(StudyId study) external view returns (uint64 seats) {
        return _terms[study].barred;
    }

    /// @inheritdoc IDisputes
    function heldUntil(StudyId study, uint16 round) external view returns (uint256) {
        return _contests[study][round].heldUntil;
    }

    /// @inheritdoc IDisputes
    function leaderOf(StudyId study, uint16 round) external view returns (uint8 seat) {
        return
            _leader(
                round, _contests[study][round].used, _authors(study, round, ROUNDS.getRound(study, round))
            );
    }

    // Internal: checks

    function _requireOperator(StudyId study, uint8 seat) private view returns (address hospital) {
        hospital = _hospitalOf(study, seat);
        (bool operator, bool active) = CONSORTIUM.isOperator(hospital, msg.sender);
        require(operator, IFederatedRounds.NotTheSeatsOperator(study, seat, msg.sender));
        require(active, IFederatedRounds.HospitalSuspended(study, seat));
    }

    function _requireAggregating(StudyId study, uint16 round)
        private
        view
        returns (IFederatedRounds.Round memory r)
    {
        IFederatedRounds.Phase now_ = ROUNDS.phase(study, round);
        require(now_ == IFederatedRounds.Phase.Aggregating, IFederatedRounds.WrongPhase(study, round, now_));
        return ROUNDS.getRound(study, round);
    }

    function _requireNonePending(StudyId study, uint16 round, Contest storage c) private view {
        uint8 count = c.count;
        if (count == 0) return;
        Attempt storage last = _attempts[study][round][count - 1];
        require(
            last.state != AttemptState.Pending || last.era != c.era, AttemptPending(study, round, count - 1)
        );
    }

    function _requirePending(StudyId study, uint16 round, Contest storage c)
        private
        view
        returns (uint8 number, Attempt storage a)
    {
        uint8 count = c.count;
        number = count == 0 ? 0 : count - 1;
        a = _attempts[study][round][number];
        require(a.state == AttemptState.Pending && a.era == c.era, NoAttemptPending(study, round));
    }

    /// @dev Whose turn it is, and whether it still matters.
    function _requireAuthor(StudyId study, uint16 round, uint8 seat, IFederatedRounds.Round memory r)
        private
        view
    {
        Contest storage c = _contests[study][round];
        require(r.submitted.has(seat), IFederatedRounds.NotASubmitter(study, round, seat));
        require(!c.authors.has(seat), AlreadyAttempted(study, round, seat));
        require(!_terms[study].barred.has(seat), SeatBarred(study, seat));
        uint256 openToAllAt = _trainingEnd(study, r) + _terms[study].aggregatingSeconds / 2;
        uint8 leader = _leader(round, c.used, _authors(study, round, r));
        // slither-disable-next-line incorrect-equality (a number of a seat, no amount)
        require(
            seat == leader || block.timestamp >= openToAllAt, NotTheLeader(study, round, leader, openToAllAt)
        );
    }

    function _requireComplete(
        DisputeTerms storage t,
        IFederatedRounds.Round memory r,
        IFederatedRounds.Aggregate calldata aggregate
    ) private view {
        uint256 count = r.submitted.count();
        uint256 least = t.minHospitals;
        require(aggregate.included == r.submitted, SetIncomplete(aggregate.included, r.submitted));
        require(count >= least, IFederatedRounds.TooFewIncluded(count, least));
        require(
            aggregate.weight == r.totalWeight,
            IFederatedRounds.WrongTotalWeight(aggregate.weight, r.totalWeight)
        );
    }

    function _requireUpdate(StudyId study, uint16 round, uint8 seat, IFederatedRounds.Update calldata update)
        private
        view
    {
        bytes32 rest = keccak256(abi.encode(update.cid, update.cohortCid, update.cohortRoot, update.weight));
        require(
            ROUNDS.updateOf(study, round, seat) == keccak256(abi.encode(update.updateRoot, rest)),
            IFederatedRounds.UpdateMismatch(study, round, seat)
        );
    }

    // Internal: judging chunks

    function _isHeaderRight(StudyId study, uint16 round, bytes32 root, bytes32[] calldata opening)
        private
        view
        returns (bool)
    {
        uint256 size = _openingLength(_terms[study].words, 0);
        require(opening.length == size, OpeningLength(opening.length, size));
        bytes memory chunk = _proved(root, 0, opening);
        return keccak256(chunk) == _headerHash(study, round, address(0));
    }

    function _isChunkRight(
        StudyId study,
        uint16 round,
        IFederatedRounds.Aggregate calldata aggregate,
        uint256 index,
        bytes32[] calldata openings
    ) private view returns (bool) {
        uint256 size = _openingLength(_terms[study].words, index);
        uint64 included = aggregate.included;
        bytes[] memory chunks = new bytes[](included.count());
        uint256 expected = chunks.length * (COMMITMENT_LENGTH + size) + size;
        require(openings.length == expected, OpeningLength(openings.length, expected));

        uint256 next;
        for (uint8 seat = 0; next < chunks.length; ++seat) {
            if (!included.has(seat)) continue;
            bytes32[] calldata opening = openings[COMMITMENT_LENGTH:COMMITMENT_LENGTH + size];
            require(
                ROUNDS.updateOf(study, round, seat) == keccak256(abi.encode(openings[0], openings[1])),
                UpdateNotOpened(study, round, seat)
            );
            chunks[next++] = _proved(openings[0], index, opening);
            openings = openings[COMMITMENT_LENGTH + size:];
        }
        return _terms[study].rule.checkChunk(chunks, _proved(aggregate.root, index, openings));
    }

    /// @dev The chunk of an opening, which must stand at `index` below `root`.
    function _proved(bytes32 root, uint256 index, bytes32[] calldata opening)
        private
        pure
        returns (bytes memory chunk)
    {
        chunk = abi.encodePacked(opening[:CHUNK_LENGTH]);
        require(ChunkTree.rootOf(chunk, index, opening[CHUNK_LENGTH:]) == root, ChunkNotProved(root, index));
    }

    /// @dev How many words of 32 bytes open the chunk at `index` of a vector of so many words; there must be one.
    function _openingLength(uint256 words, uint256 index) private pure returns (uint256) {
        uint256 chunkCount = 1 + Math.ceilDiv(words, CHUNK_WORDS);
        ChunkTree.requireIndex(index, chunkCount);
        return CHUNK_LENGTH + ChunkTree.depth(chunkCount);
    }

    /// @dev Whether no word is larger than `limit`, and those from number `words` on are zero.
    function _isInRange(bytes memory chunk, uint256 first, uint256 words, uint256 limit)
        private
        pure
        returns (bool)
    {
        for (uint256 i = 0; i < CHUNK_BYTES; i += 4) {
            uint256 word = uint256(uint8(chunk[i])) << 24 | uint256(uint8(chunk[i + 1])) << 16
                | uint256(uint8(chunk[i + 2])) << 8 | uint8(chunk[i + 3]);
            uint256 size = word < SUM_LIMIT ? word : 2 * SUM_LIMIT - word;
            if (size > (first + i / 4 < words ? limit : 0)) return false;
        }
        return true;
    }

    /// @dev Hash of the chunk before the words of a hospital's update, or of an aggregate, which names no hospital.
    function _headerHash(StudyId study, uint16 round, address hospital) private view returns (bytes32) {
        bytes memory fields = abi.encode(block.chainid, address(ROUNDS), study, round, hospital);
        return keccak256(bytes.concat(fields, new bytes(CHUNK_BYTES - fields.length)));
    }

    // Internal: what follows from a proof

    function _refute(StudyId study, uint16 round, IFederatedRounds.Aggregate calldata aggregate, uint32 index)
        private
    {
        bytes32 aggregateHash = _hash(study, round, aggregate);

        emit AggregateRefuted(study, round, msg.sender, aggregateHash, index);

        uint256 refuted = _refuteAttempts(study, round, aggregateHash);
        if (ROUNDS.getBallot(study, round, aggregateHash).finalAt == 0) {
            require(refuted != 0, NothingAtStake(study, round, aggregateHash));
        } else {
            uint64 seats = ROUNDS.refute(study, round, aggregateHash);
            _share(study, _slashSeats(study, seats), msg.sender);
        }
    }

    /// @dev Every attempt with this hash over the present set whose bond is still locked.
    function _refuteAttempts(StudyId study, uint16 round, bytes32 aggregateHash)
        private
        returns (uint256 refuted)
    {
        Contest storage c = _contests[study][round];
        (uint8 count, uint8 era) = (c.count, c.era);
        for (uint8 number = 0; number < count; ++number) {
            Attempt storage a = _attempts[study][round][number];
            AttemptState state = a.state;
            bool over = state == AttemptState.Refuted || state == AttemptState.Settled;
            if (over || a.era != era || a.aggregateHash != aggregateHash) continue;

            ++refuted;
            (a.state, a.challenger) = (AttemptState.Refuted, msg.sender);
            DisputeTerms storage t = _terms[study];
            t.barred |= Seats.bit(a.seat);
            if (state == AttemptState.Pending) {
                c.heldUntil = uint40(Math.min(c.heldUntil, block.timestamp + t.claimSeconds));
            }

            emit AttemptRefuted(study, round, number, msg.sender);
        }
    }

    function _slashSeats(StudyId study, uint64 seats) private returns (uint256 taken) {
        address token = _terms[study].token;
        for (uint8 seat = 0; seat < Seats.LIMIT; ++seat) {
            if (!seats.has(seat)) continue;
            taken += VAULT.slash(_hospitalOf(study, seat), token, _leftOf(study, seat), study);
        }
    }

    /// @dev Of what was slashed by a proof, the challenger has a share; the rest is the study's.
    function _share(StudyId study, uint256 taken, address challenger) private {
        if (taken == 0) return;
        uint256 reward = challenger == address(0) ? 0 : taken * CHALLENGER_BPS / BPS;
        if (reward != 0) {
            emit ChallengerPaid(study, challenger, reward);

            VAULT.pay(study, challenger, reward);
        }
        ROUNDS.forfeit(study, taken - reward);
    }

    /// @dev Slashes or frees the bond of an account; the zero account has none.
    function _settleBond(StudyId study, address account, bool slashed) private returns (uint256 taken) {
        if (account == address(0)) return 0;
        (address token, uint256 bond) = (_terms[study].token, _terms[study].bond);
        if (slashed) return VAULT.slash(account, token, bond, study);
        VAULT.unlock(account, token, bond);
    }

    /// @dev The set of an open round changed: what was claimed and objected over the old one counts no more.
    function _beginAnew(Contest storage c, uint256 claimSeconds) private {
        c.era += 1;
        (c.used, c.authors, c.objectors) = (0, 0, 0);
        c.heldUntil = uint40(Math.max(c.heldUntil, block.timestamp + claimSeconds));
    }

    function _recordAbsence(StudyId study, uint16 round, uint8 seat, bool silent) private {
        Record storage record = _records[study][seat];
        bool slashed;
        if (silent) {
            uint8 misses = _saturatingIncrement(record.misses);
            record.misses = misses;
            slashed = misses >= SLASHED_FROM_MISS || round == 1;
        } else {
            uint8 leftOut = _saturatingIncrement(record.leftOut);
            record.leftOut = leftOut;
            slashed = leftOut >= SLASHED_FROM_LEFT_OUT;
        }
        if (!slashed) {
            emit AbsenceWarned(study, round, seat);
            return;
        }

        uint256 amount = Math.min(uint256(_terms[study].stake) * SLASH_BPS / BPS, _leftOf(study, seat));
        // The cast is safe: the amount is at most the stake.
        record.slashed += uint96(amount);
        uint256 taken = VAULT.slash(_hospitalOf(study, seat), _terms[study].token, amount, study);

        emit AbsenceSlashed(study, round, seat, taken);

        ROUNDS.forfeit(study, taken);
    }

    // Internal: facts

    /// @dev Who lied, as far as the end of the round tells: with the same set, only one aggregate is right.
    function _liesOf(StudyId study, uint16 round, Attempt storage a, bytes32 finalHash)
        private
        view
        returns (bool byAuthor, bool byObjector)
    {
        if (a.era != _contests[study][round].era) return (false, false);
        IFederatedRounds.Round memory r = ROUNDS.getRound(study, round);
        if (r.outcome == IFederatedRounds.Outcome.Void) return (false, false);
        IFederatedRounds.Ballot memory ballot = ROUNDS.getBallot(study, round, finalHash);
        require(ballot.finalAt != 0, IFederatedRounds.NotFinal(study, round, finalHash));
        uint256 until = uint256(ballot.finalAt) + _terms[study].disputeSeconds;
        require(block.timestamp >= until, BondLocked(study, round, until));
        uint16 voidFrom = ROUNDS.getStudy(study).voidFrom;
        if (voidFrom != 0 && round >= voidFrom) return (false, false);
        byObjector = finalHash == a.aggregateHash;
        byAuthor = !byObjector && ballot.included == r.submitted;
    }

    /// @dev The bit of the caller's seat if it is a submitter's operator that has not objected yet; 0 for everybody else.
    function _freeObjector(StudyId study, Contest storage c, IFederatedRounds.Round memory r)
        private
        view
        returns (uint64)
    {
        address hospital = CONSORTIUM.hospitalOf(msg.sender);
        (bool enrolled, uint8 seat) = ROUNDS.seatOf(study, hospital);
        return enrolled ? Seats.bit(seat) & r.submitted & ~c.objectors : 0;
    }

    /// @dev The seats that may make the next attempt.
    function _authors(StudyId study, uint16 round, IFederatedRounds.Round memory r)
        private
        view
        returns (uint64)
    {
        return r.submitted & ~(_contests[study][round].authors | _terms[study].barred);
    }

    function _leader(uint256 round, uint256 attempts, uint64 authors) private pure returns (uint8) {
        // slither-disable-next-line weak-prng (whose turn it is; nothing is drawn)
        return authors.at((round + attempts) % authors.count());
    }

    /// @dev When Training of a round closed, or will at the latest.
    function _trainingEnd(StudyId study, IFederatedRounds.Round memory r) private view returns (uint256) {
        return r.closedAt != 0 ? r.closedAt : uint256(r.openedAt) + _terms[study].trainingSeconds;
    }

    /// @dev Whether Training ran to its end. In the last round of a study that was aborted by a proof it may not have.
    function _hasTrained(uint16 round, IFederatedRounds.Study memory s, IFederatedRounds.Round memory r)
        private
        view
        returns (bool)
    {
        uint256 end = s.endedAt != 0 && s.round == round ? s.endedAt : block.timestamp;
        return r.openedAt != 0 && (r.closedAt != 0 || end >= uint256(r.openedAt) + s.trainingSeconds);
    }

    /// @dev When absences of an ended study are no longer recorded, because its stakes may be released.
    function _settledAt(IFederatedRounds.Study memory s) private pure returns (uint256) {
        return uint256(s.endedAt) + (s.round == 0 ? 0 : s.disputeSeconds);
    }

    /// @dev What absences left of the stake of a seat that no proof has struck.
    function _leftOf(StudyId study, uint8 seat) private view returns (uint256) {
        return _terms[study].stake - _records[study][seat].slashed;
    }

    function _hospitalOf(StudyId study, uint8 seat) private view returns (address) {
        return ROUNDS.getSeat(study, seat).hospital;
    }

    function _hash(StudyId study, uint16 round, IFederatedRounds.Aggregate calldata aggregate)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(study, round, aggregate));
    }

    function _saturatingIncrement(uint8 count) private pure returns (uint8) {
        return count == type(uint8).max ? count : count + 1;
    }
}
