// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IClaims} from "./interfaces/IClaims.sol";
import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IProofs} from "./interfaces/IProofs.sol";
import {IStudies} from "./interfaces/IStudies.sol";
import {CHUNK_BYTES, ChunkTree} from "./libraries/ChunkTree.sol";
import {Aggregate, AggregateId} from "./types/Aggregate.sol";
import {RoundId} from "./types/RoundId.sol";
import {SeatId} from "./types/SeatId.sol";
import {SeatSet} from "./types/SeatSet.sol";
import {StudyId} from "./types/StudyId.sol";
import {Update} from "./types/Update.sol";
import {Vector, chunksOf, vectorAt} from "./types/Vector.sol";

/// @dev Words of 32 bytes: of a chunk, and of what an opened update has before it, its root and the hash of the rest.
uint256 constant CHUNK_LENGTH = CHUNK_BYTES / 32;
uint256 constant COMMITMENT_LENGTH = 2;
/// @dev One more than the largest size of a word in two's complement.
uint256 constant WORD_RANGE = 1 << 31;

/// @title Proofs
contract Proofs is IProofs {
    // Immutables

    IFederatedRounds public immutable ROUNDS;
    IStudies public immutable STUDIES;
    IClaims public immutable CLAIMS;

    // Constructor

    constructor(IFederatedRounds rounds, IStudies studies, IClaims claims) {
        ROUNDS = rounds;
        STUDIES = studies;
        CLAIMS = claims;
    }

    // Challenges

    /// @inheritdoc IProofs
    function challengeChunk(
        StudyId study,
        RoundId round,
        Aggregate calldata aggregate,
        uint32 index,
        bytes32[] calldata openings
    ) external {
        uint256 chunks = chunksOf(_vectorsOf(study, round));
        bool right = index != 0 && index < chunks
            ? _isChunkRight(study, round, aggregate, index, chunks, openings)
            : _isFrameRight(study, round, aggregate.root, index, chunks, openings);
        require(!right, ChallengeUnfounded(study, round, index));

        _refute(study, round, aggregate.hash(study, round), index);
    }

    /// @inheritdoc IProofs
    function challengeUpdate(
        StudyId study,
        RoundId round,
        SeatId seat,
        Update calldata update,
        AggregateId result,
        uint32 index,
        bytes32[] calldata opening
    ) external {
        require(
            ROUNDS.updateOf(study, round, seat) == update.commitment(),
            IFederatedRounds.UpdateMismatch(study, round, seat)
        );
        require(
            !_isUpdateRight(study, round, seat, update, index, opening),
            ChallengeUnfounded(study, round, index)
        );

        emit UpdateRefuted(study, round, msg.sender, seat, index);

        (bool open, bool short, SeatSet attesters) = ROUNDS.strike(study, round, seat, update.weight, result);
        if (open) CLAIMS.beginAnew(study, round);
        STUDIES.slashAuthor(study, round, seat, short, msg.sender);
        if (!attesters.isEmpty()) STUDIES.slashCareless(study, round, attesters);
    }

    // Internal: judging chunks

    /// @dev Whether a chunk of an aggregate is what the rule makes of the same chunks of the included updates.
    function _isChunkRight(
        StudyId study,
        RoundId round,
        Aggregate calldata aggregate,
        uint256 index,
        uint256 chunkCount,
        bytes32[] calldata openings
    ) private view returns (bool) {
        uint256 size = CHUNK_LENGTH + ChunkTree.depth(chunkCount);
        bytes32[] memory commitments = ROUNDS.updatesOf(study, round, aggregate.included);
        bytes[] memory chunks = new bytes[](commitments.length);
        uint256 expected = chunks.length * (COMMITMENT_LENGTH + size) + size;
        require(openings.length == expected, OpeningLength(openings.length, expected));

        for (uint256 i = 0; i < chunks.length; ++i) {
            bytes32[] calldata opening = openings[COMMITMENT_LENGTH:COMMITMENT_LENGTH + size];
            require(
                commitments[i] == keccak256(abi.encode(openings[0], openings[1])),
                UpdateNotOpened(study, round, aggregate.included.at(i))
            );
            chunks[i] = _proved(openings[0], index, opening);
            openings = openings[COMMITMENT_LENGTH + size:];
        }
        return STUDIES.ruleOf(study).checkChunk(chunks, _proved(aggregate.root, index, openings));
    }

    /// @dev Whether what stands before and behind the words of an aggregate is right: its header, and zeros.
    function _isFrameRight(
        StudyId study,
        RoundId round,
        bytes32 root,
        uint256 index,
        uint256 chunkCount,
        bytes32[] calldata opening
    ) private view returns (bool) {
        bytes memory chunk = _opened(root, index, chunkCount, opening);
        return keccak256(chunk)
            == (index == 0 ? _headerHash(study, round, address(0)) : keccak256(new bytes(CHUNK_BYTES)));
    }

    function _isUpdateRight(
        StudyId study,
        RoundId round,
        SeatId seat,
        Update calldata update,
        uint256 index,
        bytes32[] calldata opening
    ) private view returns (bool) {
        Vector[] memory vectors = _vectorsOf(study, round);
        bytes memory chunk = _opened(update.updateRoot, index, chunksOf(vectors), opening);
        if (index == 0) {
            address hospital = ROUNDS.getSeat(study, seat).hospital;
            return keccak256(chunk) == _headerHash(study, round, hospital);
        }
        (Vector memory vector, uint256 first) = vectorAt(vectors, index);
        return
            _isInRange(
                chunk, first, vector.words, uint256(vector.weighted ? update.weight : 1) * vector.steps
            );
    }

    /// @dev The chunk that is opened at `index` of a vector of so many chunks.
    function _opened(bytes32 root, uint256 index, uint256 chunkCount, bytes32[] calldata opening)
        private
        pure
        returns (bytes memory chunk)
    {
        ChunkTree.requireIndex(index, chunkCount);
        uint256 size = CHUNK_LENGTH + ChunkTree.depth(chunkCount);
        require(opening.length == size, OpeningLength(opening.length, size));
        return _proved(root, index, opening);
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

    /// @dev Whether no word is larger than `limit`, and those from number `words` of the vector on are zero.
    function _isInRange(bytes memory chunk, uint256 first, uint256 words, uint256 limit)
        private
        pure
        returns (bool)
    {
        for (uint256 i = 0; i < CHUNK_BYTES; i += 4) {
            uint256 word = uint256(uint8(chunk[i])) << 24 | uint256(uint8(chunk[i + 1])) << 16
                | uint256(uint8(chunk[i + 2])) << 8 | uint8(chunk[i + 3]);
            uint256 size = word < WORD_RANGE ? word : 2 * WORD_RANGE - word;
            if (size > (first + i / 4 < words ? limit : 0)) return false;
        }
        return true;
    }

    /// @dev Hash of the chunk before the words of a hospital's update, or of an aggregate, which names no hospital.
    function _headerHash(StudyId study, RoundId round, address hospital) private view returns (bytes32) {
        bytes memory fields = abi.encode(block.chainid, address(ROUNDS), study, round, hospital);
        return keccak256(bytes.concat(fields, new bytes(CHUNK_BYTES - fields.length)));
    }

    // Internal: what follows

    function _refute(StudyId study, RoundId round, AggregateId aggregateHash, uint32 index) private {
        emit AggregateRefuted(study, round, msg.sender, aggregateHash, index);

        uint256 refuted = CLAIMS.refute(study, round, aggregateHash, msg.sender);
        // slither-disable-next-line incorrect-equality (zero is no end)
        if (ROUNDS.getBallot(study, round, aggregateHash).finalAt == 0) {
            require(refuted != 0, NothingAtStake(study, round, aggregateHash));
        } else {
            STUDIES.slashLiars(study, round, ROUNDS.refute(study, round, aggregateHash), msg.sender);
        }
    }

    // Internal: facts

    function _vectorsOf(StudyId study, RoundId round) private view returns (Vector[] memory) {
        // slither-disable-next-line incorrect-equality (a number of rounds)
        return STUDIES.vectorsOf(study, ROUNDS.getRound(study, round).finalsBefore == 0);
    }
}
