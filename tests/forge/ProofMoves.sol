// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IClaims} from "../../contracts/interfaces/IClaims.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {AggregateId} from "../../contracts/types/Aggregate.sol";
import {SeatSet} from "../../contracts/types/SeatSet.sol";
import {Update} from "../../contracts/types/Update.sol";
import {ClaimMoves} from "./ClaimMoves.sol";
import {Vectors} from "./Vectors.sol";

/// @dev Proofs, true ones and false ones. The books say of each what must become of it: a true proof inside the window is never refused but
/// where the very same was proved before, and a false one always is.
abstract contract ProofMoves is ClaimMoves {
    using Vectors for Vectors.Content;

    // Updates

    function _updateProofSays(uint256 study, uint256 round, uint256 seat, uint256 index)
        private
        view
        returns (Says)
    {
        RoundBook storage r = _rounds[study][round];
        if (!_has(r.ever, seat) || index >= _leavesOf(study, round)) return Says.No;
        if (!_isUpdateWrong(study, round, seat, index) || _has(r.struck, seat)) return Says.No;
        if (_isOpen(study, round)) return Says.Yes;
        return _says(!_isUnlocked(study, round));
    }

    /// @dev `result` is what the challenger says the round's result is.
    function _proveUpdate(uint256 study, uint256 round, uint256 seat, uint256 index, AggregateId result)
        internal
        returns (bool done)
    {
        Work storage w = _works[study][round][seat];
        bytes32[] memory opening;
        if (_has(_rounds[study][round].ever, seat)) {
            opening = w.content.opening(index < _leavesOf(study, round) ? index : 0);
        }
        Says says = _updateProofSays(study, round, seat, index);
        if (_hadResult(study, round) && !_isResult(study, round, result)) says = Says.No;
        bytes memory data = abi.encodeCall(
            proofs.challengeUpdate, (_s(study), _r(round), _p(seat), w.update, result, uint32(index), opening)
        );
        done = _try(CHALLENGER, address(proofs), data, says, "a proof against an update");
        if (done) _strikeEntry(study, round, seat);
    }

    function _isResult(uint256 study, uint256 round, AggregateId result) private view returns (bool) {
        return _candidateOf[result] != 0 && _candidateOf[result] == _rounds[study][round].result;
    }

    function _resultOf(uint256 study, uint256 round) internal view returns (AggregateId) {
        uint256 result = _rounds[study][round].result;
        return result == 0 ? AggregateId.wrap("none") : _candidates[result - 1].id;
    }

    function _strikeEntry(uint256 study, uint256 round, uint256 seat) private {
        StudyBook storage s = _studies[study];
        RoundBook storage r = _rounds[study][round];
        r.struck |= _bit(seat);
        _bar(study, seat, round);
        bool short;
        if (_isOpen(study, round)) {
            short = _count(r.submitted) == s.least && _now >= _trainingEnd(study, round);
            _leaveSet(study, round, seat);
        }
        uint256 taken = _takeStake(study, seat, s.stake);
        uint256 kept = !short ? 0 : taken / 2 < s.reward ? taken / 2 : s.reward;
        (s.pot, s.kept, r.kept) = (s.pot + kept, s.kept + kept, r.kept + kept);
        _shareOut(s.token, taken, kept, CHALLENGER);
        if (r.outcome != IFederatedRounds.Outcome.Final) return;
        if (!_has(SeatSet.unwrap(_candidates[r.result - 1].aggregate.included), seat)) return;
        _undo(study, round, IFederatedRounds.Outcome.Tainted);
        taken = _takeFromAll(study, r.attesters, s.stake * SLASH_BPS / BPS);
        _shareOut(s.token, taken, 0, address(0));
    }

    // Aggregates

    function _isAtStake(uint256 candidate) internal view returns (bool asResult, bool asAttempt) {
        Candidate storage c = _candidates[candidate];
        RoundBook storage r = _rounds[c.study][c.round];
        asResult = r.result == candidate + 1 && r.outcome != IFederatedRounds.Outcome.Refuted
            && !_isUnlocked(c.study, c.round);
        AttemptBook[] storage list = _attempts[c.study][c.round];
        for (uint256 i = 0; i < list.length; ++i) {
            asAttempt = asAttempt || _isAttemptOf(list[i], candidate, r.era);
        }
    }

    function _isAttemptOf(AttemptBook storage a, uint256 candidate, uint256 era) private view returns (bool) {
        bool over = a.state == IClaims.AttemptState.Settled || a.state == IClaims.AttemptState.Refuted;
        return a.candidate == candidate && a.era == era && !over;
    }

    function _proveChunk(uint256 candidate, uint256 index) internal returns (bool done) {
        Candidate storage c = _candidates[candidate];
        uint256 leaves = _leavesOf(c.study, c.round);
        (bool asResult, bool asAttempt) = _isAtStake(candidate);
        Says says = Says.No;
        if (index < leaves && _isAggregateWrong(candidate, index) && (asResult || asAttempt)) {
            says = _says(_isOpen(c.study, c.round) || !_isUnlocked(c.study, c.round));
        }
        bytes memory data = abi.encodeCall(
            proofs.challengeChunk,
            (_s(c.study), _r(c.round), c.aggregate, uint32(index), _openings(candidate, index))
        );
        done = _try(CHALLENGER, address(proofs), data, says, "a proof against an aggregate");
        if (done) _refuteEntry(candidate, asResult);
    }

    function _openings(uint256 candidate, uint256 index) private view returns (bytes32[] memory) {
        Candidate storage c = _candidates[candidate];
        uint256 leaves = _leavesOf(c.study, c.round);
        uint256 shown = index < leaves ? index : 0;
        bytes memory data;
        if (index != 0 && index <= _vectorsOf(c.study, c.round).length) {
            for (uint256 seat = 0; seat < _studies[c.study].members; ++seat) {
                if (!_has(SeatSet.unwrap(c.aggregate.included), seat)) continue;
                Work storage w = _works[c.study][c.round][seat];
                data = bytes.concat(
                    data, w.update.updateRoot, _rest(w.update), abi.encodePacked(w.content.opening(shown))
                );
            }
        }
        return Vectors.split(bytes.concat(data, abi.encodePacked(c.content.opening(shown))));
    }

    function _rest(Update storage u) private view returns (bytes32) {
        return keccak256(abi.encode(u.cid, u.cohortCid, u.cohortRoot, u.weight));
    }

    function _refuteEntry(uint256 candidate, bool asResult) private {
        Candidate storage c = _candidates[candidate];
        StudyBook storage s = _studies[c.study];
        RoundBook storage r = _rounds[c.study][c.round];
        AttemptBook[] storage list = _attempts[c.study][c.round];
        for (uint256 i = 0; i < list.length; ++i) {
            if (!_isAttemptOf(list[i], candidate, r.era)) continue;
            if (list[i].state == IClaims.AttemptState.Pending && r.endedAt == 0) {
                // The window that the claim had, and as long again, is the most that it holds the round.
                uint256 left = list[i].madeAt + 2 * CLAIM;
                if (left > _now) _hold(c.study, c.round, left - _now < CLAIM ? left - _now : CLAIM);
            }
            (list[i].state, list[i].challenger) = (IClaims.AttemptState.Refuted, CHALLENGER);
            _bar(c.study, list[i].seat, c.round);
        }
        if (!asResult) return;
        _undo(c.study, c.round, IFederatedRounds.Outcome.Refuted);
        _shareOut(s.token, _takeFromAll(c.study, r.attesters, s.stake), 0, CHALLENGER);
    }

    /// @dev The first leaf of an aggregate that is wrong; none if all are right.
    function _wrongLeaf(uint256 candidate) internal view returns (bool wrong, uint256 index) {
        Candidate storage c = _candidates[candidate];
        for (; index < _leavesOf(c.study, c.round); ++index) {
            if (_isAggregateWrong(candidate, index)) return (true, index);
        }
    }
}
