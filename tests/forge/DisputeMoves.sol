// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {Seats} from "../../contracts/libraries/Seats.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {vm} from "./Rig.sol";
import {StudyMoves} from "./StudyMoves.sol";
import {Vectors} from "./Vectors.sol";

/// @dev Aggregators' claims, objections to them, and proofs against what is wrong and what is right.
abstract contract DisputeMoves is StudyMoves {
    using Seats for uint64;
    using Vectors for Vectors.Vector;
    using Vectors for bytes;

    mapping(bytes32 round => mapping(uint256 attempt => Result)) private _attempts;

    function attempt(uint256 which, uint256 seat, uint256 flaw) external {
        StudyId study = _study(which);
        if (_aggregating(study)) _attempt(study, uint8(seat % HOSPITALS), Flaw(flaw % 3));
    }

    function object(uint256 which, uint256 who) external {
        StudyId study = _study(which);
        _object(study, who);
    }

    function finalise(uint256 which, bool inTime) external {
        StudyId study = _study(which);
        if (inTime) _wait(CLAIM);
        _finalise(study);
    }

    /// @dev The leader claims, and then nobody minds, somebody objects, or somebody looks for a lie.
    function contest(uint256 which, uint256 seed) external {
        StudyId study = _study(which);
        _submitAll(study, seed);
        if (!_aggregating(study)) return;
        uint16 round = rounds.getStudy(study).round;
        Flaw flaw = Flaw((seed >> 96) % 8 < 3 ? (seed >> 96) % 8 : 0);
        try disputes.leaderOf(study, round) returns (uint8 leader) {
            _attempt(study, leader, flaw);
        } catch {}
        uint256 kind = (seed >> 128) % 4;
        if (kind == 1) _object(study, seed >> 132);
        if (kind == 2) _proveAll(study, round);
        if (kind == 3) return;
        _wait(CLAIM);
        _finalise(study);
    }

    function settleAttempt(uint256 which, uint256 round, uint256 number) external {
        StudyId study = _study(which);
        _settle(study, _anyRound(study, round), uint8(number % 4));
    }

    /// @dev Against the result of a round or one of its attempts: by the header, the chunk or the weight.
    function prove(uint256 which, uint256 round, uint256 number, uint256 part) external {
        StudyId study = _study(which);
        uint16 place = _anyRound(study, round);
        _prove(study, place, _said(study, place, number % 5), part % 3);
    }

    function proveUpdate(uint256 which, uint256 round, uint256 seat, uint256 index) external {
        StudyId study = _study(which);
        _proveUpdate(study, _anyRound(study, round), uint8(seat % HOSPITALS), index % 2);
    }

    /// @dev All that is wrong in a round's updates and results, and nothing else, is there to be proved.
    function proveAll(uint256 which, uint256 round) external {
        StudyId study = _study(which);
        _proveAll(study, _anyRound(study, round));
    }

    // Parts

    function _attempt(StudyId study, uint8 seat, Flaw flaw) private {
        uint16 round = rounds.getStudy(study).round;
        Result memory result = _resultOf(study, round, 1, flaw);
        uint256 number = disputes.getContest(study, round).count;
        vm.prank(_operatorOf(study, seat));
        try disputes.submitAggregate(study, round, seat, result.aggregate) {
            _attempts[_roundOf(study, round)][number] = result;
        } catch {}
    }

    /// @dev One of the submitters, or a stranger with a bond.
    function _object(StudyId study, uint256 who) private {
        uint16 round = rounds.getStudy(study).round;
        uint8 seat = uint8(who % (HOSPITALS + 1));
        vm.prank(seat == HOSPITALS ? STRANGER : _operatorOf(study, seat));
        try disputes.object(study, round) {} catch {}
    }

    function _finalise(StudyId study) private {
        uint16 round = rounds.getStudy(study).round;
        uint256 count = disputes.getContest(study, round).count;
        if (count == 0) return;
        Result memory result = _attempts[_roundOf(study, round)][count - 1];
        try disputes.finalise(study, round, result.aggregate) {
            _keep(study, round, result);
        } catch {}
    }

    function _settleAttempts(StudyId study, uint16 round) internal override {
        uint256 count = disputes.getContest(study, round).count;
        for (uint8 number = 0; number < count; ++number) {
            if (disputes.getAttempt(study, round, number).state == IDisputes.AttemptState.Settled) continue;
            require(_settle(study, round, number), "an attempt's bonds stay locked");
        }
    }

    function _settle(StudyId study, uint16 round, uint8 number) private returns (bool done) {
        uint256[] memory was = _owedToAll();
        try disputes.settle(study, round, number, _finalHash(study, round)) {
            _enter(study, was, Way.Challenger, 0);
            done = true;
        } catch {}
    }

    /// @dev An attempt of the round, or its result.
    function _said(StudyId study, uint16 round, uint256 number) private view returns (Result memory) {
        bytes32 key = _roundOf(study, round);
        return number < disputes.getContest(study, round).count ? _attempts[key][number] : _finals[key];
    }

    function _proveAll(StudyId study, uint16 round) private {
        for (uint256 number = 0; number < 3; ++number) {
            Result memory result = _said(study, round, number);
            for (uint256 part = 0; part < 3; ++part) {
                _prove(study, round, result, part);
            }
        }
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            _proveUpdate(study, round, seat, 0);
            _proveUpdate(study, round, seat, 1);
        }
    }

    function _prove(StudyId study, uint16 round, Result memory result, uint256 part) private {
        IFederatedRounds.Aggregate memory aggregate = result.aggregate;
        if (aggregate.included == 0) return;
        Flaw[3] memory flaws = [Flaw.Header, Flaw.Word, Flaw.Weight];
        bool isLie = result.flaw == flaws[part];
        bytes memory call_ = part == 2
            ? abi.encodeCall(
                disputes.challengeWeight, (study, round, aggregate, _updatesOf(study, round, aggregate))
            )
            : abi.encodeCall(
                disputes.challengeChunk,
                (study, round, aggregate, uint32(part), _openingsOf(study, round, result, part))
            );
        _challenge(study, call_, isLie);
    }

    function _proveUpdate(StudyId study, uint16 round, uint8 seat, uint256 index) private {
        Work memory work = _works[_workOf(study, round, seat)];
        if (work.update.weight == 0) return;
        bool isLie =
            index == 0 ? work.flaw == Flaw.Header : work.flaw == Flaw.Word || work.flaw == Flaw.Padding;
        bytes32[] memory opening = _vectorOf(study, round, seat, work).opening(index).split();
        _challenge(
            study,
            abi.encodeCall(
                disputes.challengeUpdate, (study, round, seat, work.update, uint32(index), opening)
            ),
            isLie
        );
    }

    /// @dev A proof is upheld only against a lie, and is never said to be none where there is a lie.
    function _challenge(StudyId study, bytes memory call_, bool isLie) private {
        uint256[] memory was = _owedToAll();
        vm.prank(CHALLENGER);
        (bool done, bytes memory answer) = address(disputes).call(call_);
        if (done) {
            _enterStakes(study, was);
            _enter(study, was, Way.Challenger, 0);
            if (!isLie) ++framed;
        } else if (isLie && bytes4(answer) == IDisputes.ChallengeUnfounded.selector) {
            ++denied;
        }
    }

    function _updatesOf(StudyId study, uint16 round, IFederatedRounds.Aggregate memory aggregate)
        private
        view
        returns (IFederatedRounds.Update[] memory updates)
    {
        updates = new IFederatedRounds.Update[](aggregate.included.count());
        uint256 count;
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            if (aggregate.included.has(seat)) updates[count++] = _works[_workOf(study, round, seat)].update;
        }
    }

    function _openingsOf(StudyId study, uint16 round, Result memory result, uint256 index)
        private
        view
        returns (bytes32[] memory)
    {
        uint64 included = result.aggregate.included;
        bytes memory data;
        for (uint8 seat = 0; index != 0 && seat < HOSPITALS; ++seat) {
            if (!included.has(seat)) continue;
            Work memory work = _works[_workOf(study, round, seat)];
            IFederatedRounds.Update memory update = work.update;
            bytes32 rest =
                keccak256(abi.encode(update.cid, update.cohortCid, update.cohortRoot, update.weight));
            data = bytes.concat(
                data, update.updateRoot, rest, _vectorOf(study, round, seat, work).opening(index)
            );
        }
        return bytes.concat(data, _sumOf(study, round, included, result.flaw).opening(index)).split();
    }
}
