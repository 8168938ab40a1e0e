// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Aggregate, AggregateId} from "../../contracts/types/Aggregate.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {Update} from "../../contracts/types/Update.sol";
import {Vector} from "../../contracts/types/Vector.sol";
import {Books} from "./Books.sol";
import {Vectors} from "./Vectors.sol";

/// @dev Makes updates and aggregates, right ones and wrong ones, and judges each leaf of them anew: by the bytes it knows, not by a rule's
/// contract.
abstract contract Judge is Books {
    using Vectors for Vectors.Content;
    using Vectors for bytes32;

    /// @dev What is wrong with a vector. Where there is no padding leaf, a padding word takes its place.
    enum Flaw {
        None,
        Header,
        Word,
        PaddingWord,
        PaddingLeaf
    }

    // What updates consist of

    function _vectors(uint256 kind, bool statistics) internal pure returns (Vector[] memory list) {
        if (statistics) {
            list = new Vector[](1);
            list[0] = Vector(3, 5, true);
        } else if (kind == 2) {
            list = new Vector[](1);
            list[0] = Vector(5, 10, false);
        } else {
            list = new Vector[](2);
            list[0] = Vector(4, 10, true);
            list[1] = Vector(2, 7, false);
        }
    }

    function _vectorsOf(uint256 study, uint256 round) internal view returns (Vector[] memory) {
        return _vectors(_studies[study].kind, _rounds[study][round].statistics);
    }

    function _leavesOf(uint256 study, uint256 round) internal view returns (uint256 leaves) {
        uint256 chunks = _vectorsOf(study, round).length + 1;
        leaves = 1;
        while (leaves < chunks) leaves *= 2;
    }

    // Making

    function _makeUpdate(uint256 study, uint256 round, uint256 seat, Flaw flaw, uint256 seed)
        internal
        view
        returns (Work memory work)
    {
        uint32 weight = STEP * uint32(1 + seed % (MOST / STEP));
        address owner = hospital(_seats[study][seat].who);
        Vectors.Content memory c = Vectors.Content(
            address(rounds), uint64(study), uint16(round), owner, new bytes32[](_leavesOf(study, round) - 1)
        );
        Vector[] memory list = _vectorsOf(study, round);
        for (uint256 i = 0; i < list.length; ++i) {
            c.heads[i] = _draw(list[i], weight, uint256(keccak256(abi.encode(seed, seat, i))));
        }
        _spoil(c, list, flaw, weight, seed);
        bytes32 cohort = _cohortRoot(study, round, seat, weight);
        work = Work(Update(keccak256(abi.encode(seed)), c.root(), "cohort", cohort, weight), c);
    }

    /// @dev Words of any size that is allowed, the largest and the smallest among them.
    function _draw(Vector memory v, uint32 weight, uint256 seed) private pure returns (bytes32 head) {
        int256 most = _bound(v, weight);
        for (uint256 lane = 0; lane < v.words; ++lane) {
            int256 word = int256(seed >> 16 * lane & 0xffff) % (2 * most + 1) - most;
            if (seed >> 240 + lane & 1 == 1) word = word < 0 ? -most : most;
            head = head.put(lane, word);
        }
    }

    function _bound(Vector memory v, uint32 weight) private pure returns (int256) {
        return int256(uint256(v.steps)) * (v.weighted ? int256(uint256(weight)) : int256(1));
    }

    function _spoil(Vectors.Content memory c, Vector[] memory list, Flaw flaw, uint32 weight, uint256 seed)
        private
        pure
    {
        uint256 at = (seed >> 8) % list.length;
        uint256 words = list[at].words;
        if (flaw == Flaw.Header) c.owner = address(uint160(c.owner) + 1);
        if (flaw == Flaw.PaddingLeaf && c.heads.length > list.length) {
            c.heads[c.heads.length - 1] = bytes32(uint256(1));
        } else if (flaw == Flaw.PaddingLeaf || flaw == Flaw.PaddingWord) {
            c.heads[at] = c.heads[at].put(words + (seed >> 16) % (8 - words), 1);
        }
        if (flaw == Flaw.Word) {
            int256 beyond = _bound(list[at], weight) + 1;
            c.heads[at] = c.heads[at].put((seed >> 16) % words, seed >> 32 & 1 == 0 ? beyond : -beyond);
        }
    }

    /// @dev The aggregate of some updates, with a flaw; `variant` changes only what a CID names. Returns its number.
    function _candidate(uint256 study, uint256 round, uint64 included, Flaw flaw, uint256 variant)
        internal
        returns (uint256 number)
    {
        Vectors.Content memory c = Vectors.Content(
            address(rounds), uint64(study), uint16(round), address(0), _rightHeads(study, round, included)
        );
        if (flaw == Flaw.Header) c.owner = address(1);
        if (flaw == Flaw.Word) c.heads[0] = c.heads[0].put(0, c.heads[0].word(0) + 1);
        if (flaw == Flaw.PaddingWord) c.heads[0] = c.heads[0].put(7, c.heads[0].word(7) + 1);
        if (flaw == Flaw.PaddingLeaf) {
            c.heads[c.heads.length - 1] = bytes32(uint256(c.heads[c.heads.length - 1]) ^ 1);
        }
        Aggregate memory a = Aggregate(
            keccak256(abi.encode("sum", variant)),
            c.root(),
            keccak256(abi.encode("model", variant)),
            SeatSet.wrap(included),
            uint32(_weightOf(study, round, included))
        );
        AggregateId id = AggregateId.wrap(keccak256(abi.encode(study, round, a)));
        if (_candidateOf[id] != 0) return _candidateOf[id] - 1;
        number = _candidates.length;
        _candidates.push(Candidate(study, round, id, a, c, false));
        _candidateOf[id] = number + 1;
    }

    function _weightOf(uint256 study, uint256 round, uint64 seats) internal view returns (uint256 weight) {
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (_has(seats, seat)) weight += _works[study][round][seat].update.weight;
        }
    }

    /// @dev The updates of some seats, in their order.
    function _updatesOf(uint256 study, uint256 round, uint64 seats)
        internal
        view
        returns (Update[] memory list)
    {
        list = new Update[](_count(seats));
        uint256 found;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (_has(seats, seat)) list[found++] = _works[study][round][seat].update;
        }
    }

    // Judging

    /// @dev Whether an update's leaf is one that it cannot have.
    function _isUpdateWrong(uint256 study, uint256 round, uint256 seat, uint256 index)
        internal
        view
        returns (bool)
    {
        Work storage w = _works[study][round][seat];
        if (index == 0) return w.content.owner != hospital(_seats[study][seat].who);
        bytes32 head = w.content.heads[index - 1];
        Vector[] memory list = _vectorsOf(study, round);
        if (index > list.length) return head != 0;
        Vector memory v = list[index - 1];
        int256 most = _bound(v, w.update.weight);
        for (uint256 lane = 0; lane < 8; ++lane) {
            int256 word = head.word(lane);
            if (lane >= v.words ? word != 0 : (word > most || word < -most)) return true;
        }
        return false;
    }

    function _isAnyWrong(uint256 study, uint256 round, uint256 seat) internal view returns (bool) {
        for (uint256 index = 0; index < _leavesOf(study, round); ++index) {
            if (_isUpdateWrong(study, round, seat, index)) return true;
        }
        return false;
    }

    /// @dev The submitters of an open round whose updates are wrong.
    function _wrongSeats(uint256 study, uint256 round) internal view returns (uint64 seats) {
        uint64 submitted = _rounds[study][round].submitted;
        for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
            if (_has(submitted, seat) && _isAnyWrong(study, round, seat)) seats |= _bit(seat);
        }
    }

    /// @dev Whether an aggregate's leaf is another than the rule makes of the included updates'.
    function _isAggregateWrong(uint256 candidate, uint256 index) internal view returns (bool) {
        Candidate storage c = _candidates[candidate];
        if (index == 0) return c.content.owner != address(0);
        bytes32[] memory right = _rightHeads(c.study, c.round, SeatSet.unwrap(c.aggregate.included));
        return c.content.heads[index - 1] != right[index - 1];
    }

    function _rightHeads(uint256 study, uint256 round, uint64 included)
        internal
        view
        returns (bytes32[] memory heads)
    {
        heads = new bytes32[](_leavesOf(study, round) - 1);
        uint256 chunks = _vectorsOf(study, round).length;
        for (uint256 i = 0; i < chunks; ++i) {
            bytes32[] memory rows = new bytes32[](_count(included));
            uint256 found;
            for (uint256 seat = 0; seat < _studies[study].members; ++seat) {
                if (_has(included, seat)) rows[found++] = _works[study][round][seat].content.heads[i];
            }
            heads[i] = _studies[study].kind == 2 ? _median(rows) : _sum(rows);
        }
    }

    function _sum(bytes32[] memory rows) private pure returns (bytes32 head) {
        for (uint256 lane = 0; lane < 8; ++lane) {
            int256 sum;
            for (uint256 i = 0; i < rows.length; ++i) {
                sum += rows[i].word(lane);
            }
            head = head.put(lane, sum);
        }
    }

    function _median(bytes32[] memory rows) private pure returns (bytes32 head) {
        for (uint256 lane = 0; lane < 8 && rows.length != 0; ++lane) {
            int256 low = _ranked(rows, lane, (rows.length - 1) / 2);
            int256 both = low + _ranked(rows, lane, rows.length / 2);
            head = head.put(lane, (both - (both < 0 ? both & 1 : int256(0))) / 2);
        }
    }

    /// @dev The word with so many smaller ones, equal ones in their order.
    function _ranked(bytes32[] memory rows, uint256 lane, uint256 rank) private pure returns (int256) {
        for (uint256 i = 0; i < rows.length; ++i) {
            uint256 below;
            int256 mine = rows[i].word(lane);
            for (uint256 j = 0; j < rows.length; ++j) {
                int256 other = rows[j].word(lane);
                if (other < mine || (other == mine && j < i)) ++below;
            }
            if (below == rank) return mine;
        }
        return 0;
    }

    // Cohorts of two patients

    function _leafOf(uint256 study, uint256 round, uint256 seat, uint256 number)
        internal
        view
        returns (bytes32)
    {
        uint256 dataset = _seats[study][seat].who + 1;
        return sha256(
            abi.encode(bytes32("medfed cohort leaf"), study, round, dataset, patient(number), bytes32("salt"))
        );
    }

    /// @dev Two patients come first; the other leaves are zero. Half of the cohorts have a step of fillers more than their weight.
    function _leafCount(uint256 round, uint256 seat, uint256 weight) internal pure returns (uint256) {
        return weight == 0 ? STEP : weight + (round + seat) % 2 * STEP;
    }

    /// @dev What stands beside the path of patient `number`, from the leaf up.
    function _leafProof(uint256 study, uint256 round, uint256 seat, uint256 number, uint256 count)
        internal
        view
        returns (bytes32[] memory proof)
    {
        uint256 depth;
        while (2 ** depth < count) ++depth;
        proof = new bytes32[](depth);
        proof[0] = _leafOf(study, round, seat, 1 - number);
        bytes32 zeros;
        for (uint256 level = 1; level < depth; ++level) {
            zeros = sha256(abi.encode(zeros, zeros));
            proof[level] = zeros;
        }
    }

    function _cohortRoot(uint256 study, uint256 round, uint256 seat, uint256 weight)
        private
        view
        returns (bytes32)
    {
        uint256 count = _leafCount(round, seat, weight);
        bytes32[] memory proof = _leafProof(study, round, seat, 0, count);
        bytes32 node = _leafOf(study, round, seat, 0);
        for (uint256 level; level < proof.length; ++level) {
            node = sha256(abi.encode(node, proof[level]));
        }
        return sha256(abi.encode(bytes32("medfed cohort root"), count, node));
    }
}
