// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IModelMarket} from "../../contracts/interfaces/IModelMarket.sol";
import {IRewards} from "../../contracts/interfaces/IRewards.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {Seats} from "../../contracts/libraries/Seats.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {DatasetId} from "../../contracts/types/DatasetId.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {DisputeMoves} from "./DisputeMoves.sol";
import {bound, vm} from "./Rig.sol";

/// @dev Reviews, patients' claims, sweeps, and the market's sales and fees.
abstract contract RewardMoves is DisputeMoves {
    using Seats for uint64;

    mapping(bytes32 leaf => bool) private _leafPaid;

    // Reviews

    /// @dev Some of those who may review the newest final round do, and some of these show it.
    function review(uint256 which, uint256 seed) external {
        StudyId study = _study(which);
        IFederatedRounds.Study memory s = rounds.getStudy(study);
        if (s.finals == 0 || s.scoreMode != IFederatedRounds.ScoreMode.Reviewed) return;
        uint16 round = s.round;
        while (rounds.getRound(study, round).outcome != IFederatedRounds.Outcome.Final) --round;
        bytes32 digest = _finalHash(study, round);
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            if (seed >> seat & 1 == 1) _commit(study, round, seat, digest, seed);
        }
        _waitUntil(uint256(rounds.getBallot(study, round, digest).finalAt) + DISPUTE / 2);
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            if (seed >> (4 + seat) & 1 == 1) _reveal(study, round, seat, digest, seed);
        }
    }

    function tally(uint256 which, uint256 round) external {
        StudyId study = _study(which);
        uint16 place = _anyRound(study, round);
        try rewards.tally(study, place, _finalHash(study, place)) {} catch {}
    }

    // Patients and the rest

    function claimPatient(uint256 which, uint256 round, uint256 seat, uint256 who) external {
        StudyId study = _study(which);
        uint16 place = _anyRound(study, round);
        (uint8 chosen, uint256 number) = (uint8(seat % HOSPITALS), who % PATIENTS);
        uint256[] memory was = _owedToAll();
        bytes32 key = _leafOf(study, place, chosen, number);
        IRewards.PatientLeaf memory leaf = _leaf(study, place, chosen, number);
        IFederatedRounds.Aggregate memory last = _finals[_roundOf(study, place)].aggregate;
        vm.prank(patient(number));
        try rewards.claimPatient(
            study, place, chosen, last, _works[_workOf(study, place, chosen)].update, leaf
        ) {
            _enter(study, was, Way.Patient, place);
            if (_leafPaid[key]) ++paidTwice;
            _leafPaid[key] = true;
        } catch (bytes memory reason) {
            // A sweep, a long time after the study, leaves nothing for who comes later.
            bool swept = _books[StudyId.unwrap(study)].swept != 0;
            if (bytes4(reason) == IStakeVault.PotTooSmall.selector && !swept) ++unpayable;
        }
    }

    /// @dev Waits long enough, once for each study.
    function sweep(uint256 which) external {
        StudyId study = _study(which);
        if (!_books[StudyId.unwrap(study)].settled || vault.potOf(study).amount == 0) return;
        _waitUntil(uint256(rounds.getStudy(study).endedAt) + DISPUTE + SWEEP_DELAY);
        uint256[] memory was = _owedToAll();
        rewards.sweep(study);
        _enter(study, was, Way.Sweep, 0);
        require(vault.potOf(study).amount == 0, "a sweep leaves something");
    }

    // The market

    /// @dev Credits what was earned, registers the model and sets a price for it, as far as that can be.
    function sell(uint256 which, uint256 price, uint256 seed) external {
        StudyId study = _study(which);
        IFederatedRounds.Study memory s = rounds.getStudy(study);
        for (uint16 round = 1; round <= s.round; ++round) {
            for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
                _credit(study, round, seat);
            }
        }
        try market.register(study, _finals[_roundOf(study, s.round)].aggregate) {} catch {}
        vm.prank(SPONSOR);
        try market.setTerms(
            study,
            IModelMarket.Terms(address(tokens[seed % 2]), uint96(bound(price, 0, 5000)), 0, true, "text")
        ) {}
            catch {}
    }

    function buy(uint256 which) external {
        StudyId study = _study(which);
        uint32 version = market.getModel(study).versions;
        FeeToken token = FeeToken(market.getTerms(study, version).token);
        if (version == 0) return;
        uint256 before = token.balanceOf(address(vault));
        vm.prank(BUYER);
        try market.buy(study, version, type(uint256).max, BUYER) {
            uint256 fee = token.balanceOf(address(vault)) - before;
            feesIn[StudyId.unwrap(study)][token] += fee;
            credited[address(market)][token] += fee;
        } catch {}
    }

    /// @dev The fees of a seat, the sponsor's where there is no such seat.
    function claimFees(uint256 which, uint256 seat, uint256 kind) external {
        (StudyId study, FeeToken token) = (_study(which), tokens[kind % 2]);
        uint256 number = seat % (HOSPITALS + 1);
        address owner = number == HOSPITALS ? SPONSOR : rounds.getSeat(study, uint8(number)).hospital;
        bytes memory call_ = number == HOSPITALS
            ? abi.encodeCall(market.claimSponsorFees, (study, address(token)))
            : abi.encodeCall(market.claimFees, (study, uint8(number), address(token)));
        _fees(study, token, owner, address(this), call_);
    }

    function claimPatientFees(uint256 which, uint256 round, uint256 seat, uint256 who) external {
        StudyId study = _study(which);
        uint16 place = _anyRound(study, round);
        (uint8 chosen, uint256 number) = (uint8(seat % HOSPITALS), who % PATIENTS);
        FeeToken token = tokens[(who / PATIENTS) % 2];
        IFederatedRounds.Aggregate memory last = _finals[_roundOf(study, place)].aggregate;
        IFederatedRounds.Update memory update = _works[_workOf(study, place, chosen)].update;
        bytes memory call_ = abi.encodeCall(
            market.claimPatientFees,
            (study, place, chosen, address(token), last, update, _leaf(study, place, chosen, number))
        );
        _fees(study, token, patient(number), patient(number), call_);
    }

    // Parts

    /// @dev Scores that follow from the seed, one for each submitter.
    function _scores(StudyId study, uint16 round, uint8 seat, uint256 seed)
        private
        view
        returns (int16[] memory scores)
    {
        scores = new int16[](rounds.getRound(study, round).submitted.count());
        for (uint256 i = 0; i < scores.length; ++i) {
            scores[i] = int16(uint16(uint256(keccak256(abi.encode(seed, seat, i)))));
        }
    }

    function _commit(StudyId study, uint16 round, uint8 seat, bytes32 digest, uint256 seed) private {
        address owner = rounds.getSeat(study, seat).hospital;
        int16[] memory scores = _scores(study, round, seat, seed);
        bytes32 hash = keccak256(abi.encode(study, round, seat, owner, scores, bytes32("salt")));
        vm.prank(_operatorOf(study, seat));
        try rewards.commitReview(study, round, seat, digest, hash) {} catch {}
    }

    function _reveal(StudyId study, uint16 round, uint8 seat, bytes32 digest, uint256 seed) private {
        int16[] memory scores = _scores(study, round, seat, seed);
        vm.prank(_operatorOf(study, seat));
        try rewards.revealReview(study, round, seat, digest, scores, "salt") {} catch {}
    }

    function _leaf(StudyId study, uint16 round, uint8 seat, uint256 number)
        private
        pure
        returns (IRewards.PatientLeaf memory)
    {
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = _leafOf(study, round, seat, 1 - number);
        return IRewards.PatientLeaf(DatasetId.wrap(seat + 1), "salt", proof);
    }

    function _credit(StudyId study, uint16 round, uint8 seat) private {
        uint8[] memory seats = new uint8[](1);
        IFederatedRounds.Update[] memory updates = new IFederatedRounds.Update[](1);
        (seats[0], updates[0]) = (seat, _works[_workOf(study, round, seat)].update);
        IFederatedRounds.Aggregate memory last = _finals[_roundOf(study, round)].aggregate;
        try market.credit(study, round, last, seats, updates) {} catch {}
    }

    /// @dev Enters what a claim of fees moved from the market to an account.
    function _fees(StudyId study, FeeToken token, address owner, address caller, bytes memory call_) private {
        uint256 before = vault.balanceOf(owner, address(token)).free;
        vm.prank(caller);
        (bool done, bytes memory answer) = address(market).call(call_);
        if (done) {
            uint256 amount = vault.balanceOf(owner, address(token)).free - before;
            feesOut[StudyId.unwrap(study)][token] += amount;
            credited[owner][token] += amount;
            debited[address(market)][token] += amount;
        } else if (bytes4(answer) == IStakeVault.FreeBalanceTooSmall.selector) {
            ++unpayable;
        }
    }
}
