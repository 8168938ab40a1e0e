// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {Consortium} from "../../contracts/Consortium.sol";
import {DatasetRegistry} from "../../contracts/DatasetRegistry.sol";
import {Disputes} from "../../contracts/Disputes.sol";
import {FederatedRounds} from "../../contracts/FederatedRounds.sol";
import {ModelMarket} from "../../contracts/ModelMarket.sol";
import {Rewards} from "../../contracts/Rewards.sol";
import {StakeVault} from "../../contracts/StakeVault.sol";
import {IDatasetRegistry} from "../../contracts/interfaces/IDatasetRegistry.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {SumRule} from "../../contracts/rules/SumRule.sol";
import {StudyId} from "../../contracts/types/StudyId.sol";
import {vm} from "./Rig.sol";

/// @dev All contracts that move value, those who use them, and books of what went in and out, told by the balances around each call.
/// The invariants hold them against what the contracts keep.
abstract contract World {
    uint256 public constant HOSPITALS = 4;
    uint256 public constant STUDIES = 3;
    uint256 public constant DELAY = 5000;
    uint256 public constant SWEEP_DELAY = 180 days;
    uint256 public constant SLASH_BPS = 3000;
    uint256 public constant CHALLENGER_BPS = 2000;
    uint24 public constant PHASE = 1000;
    uint24 public constant DISPUTE = 700;
    uint24 public constant CLAIM = 100;
    uint96 public constant BOND = 40;
    uint32 public constant STEPS = 10;
    address public constant SPONSOR = address(0x5900);
    /// @dev Who proves lies, and has nothing else to do.
    address public constant CHALLENGER = address(0xC400);
    /// @dev Who objects without a seat, against a bond.
    address public constant STRANGER = address(0x5700);
    address public constant BUYER = address(0xB500);
    address public constant PATIENT = address(0xAA00);

    /// @dev What went out of a study's pot, and why.
    enum Way {
        Hospital,
        Patient,
        Challenger,
        Refund,
        Sweep
    }

    /// @dev What a study took in and gave out.
    struct Book {
        uint256 funded;
        uint256 slashed;
        uint256 refunded;
        uint256 swept;
        uint256 claimed; // by hospitals
        uint256 patients;
        uint256 challengers;
        bool lied; // a quorum named a wrong weight
        bool settled; // everything that can be claimed was, and the rest was refunded
    }

    Consortium public immutable consortium;
    DatasetRegistry public immutable datasets;
    StakeVault public immutable vault;
    FederatedRounds public immutable rounds;
    Disputes public immutable disputes;
    Rewards public immutable rewards;
    ModelMarket public immutable market;
    SumRule public immutable rule;
    FeeToken[2] public tokens;

    mapping(uint256 study => Book) internal _books;
    mapping(uint256 study => mapping(uint256 round => uint256)) public paidIn;
    mapping(uint256 study => mapping(uint256 seat => uint256)) public takenFrom;
    mapping(address account => mapping(FeeToken token => uint256)) public credited;
    mapping(address account => mapping(FeeToken token => uint256)) public debited;
    mapping(uint256 study => mapping(FeeToken token => uint256)) public feesIn;
    mapping(uint256 study => mapping(FeeToken token => uint256)) public feesOut;
    mapping(address account => mapping(FeeToken token => uint256)) public exitAt;
    /// @dev The time, as the optimizer takes `block.timestamp` for the same all through a call.
    uint256 internal _clock = block.timestamp;
    // What must never be.
    uint256 public paidTwice;
    uint256 public unpayable;
    uint256 public leftEarly;
    uint256 public voidedEarly;
    uint256 public framed;
    uint256 public denied;
    uint256 public lost;

    constructor() {
        AccessManager manager = new AccessManager(address(this));
        uint64 nonce = vm.getNonce(address(this));
        address roundsAt = vm.computeCreateAddress(address(this), nonce + 7);
        address vaultAt = vm.computeCreateAddress(address(this), nonce + 6);
        consortium = Consortium(vm.deployCode("Consortium.sol:Consortium", abi.encode(manager)));
        rule = SumRule(vm.deployCode("SumRule.sol:SumRule", ""));
        bytes memory given = abi.encode(consortium, roundsAt);
        datasets = DatasetRegistry(vm.deployCode("DatasetRegistry.sol:DatasetRegistry", given));
        given = abi.encode(consortium, roundsAt, vaultAt, SLASH_BPS, CHALLENGER_BPS);
        disputes = Disputes(vm.deployCode("Disputes.sol:Disputes", given));
        given = abi.encode(roundsAt, consortium, vaultAt, SWEEP_DELAY);
        rewards = Rewards(vm.deployCode("Rewards.sol:Rewards", given));
        given = abi.encode(manager, roundsAt, rewards, vaultAt);
        market = ModelMarket(vm.deployCode("ModelMarket.sol:ModelMarket", given));
        given = abi.encode(manager, roundsAt, disputes, rewards, market, DELAY);
        vault = StakeVault(vm.deployCode("StakeVault.sol:StakeVault", given));
        given = abi.encode(manager, consortium, datasets, vault, disputes, rewards, 10, 10);
        rounds = FederatedRounds(vm.deployCode("FederatedRounds.sol:FederatedRounds", given));
        require(address(vault) == vaultAt && address(rounds) == roundsAt, "not where the others look");
        tokens = [_newToken(0), _newToken(100)];
        for (uint256 i = 0; i < 2; ++i) {
            vault.allowToken(address(tokens[i]), true);
            for (uint256 j = 0; j < ACCOUNTS; ++j) {
                _provide(tokens[i], account(j));
            }
        }
        for (uint256 j = 0; j < HOSPITALS; ++j) {
            consortium.admit(hospital(j), operator(j), "key", "about");
            vm.prank(operator(j));
            datasets.register(IDatasetRegistry.DatasetInfo("r", "s", "q", 100, 1, 0, 0));
        }
    }

    // Who there is

    uint256 public constant ACCOUNTS = 11;

    /// @dev Everybody who can have something in the vault.
    function account(uint256 number) public view returns (address) {
        if (number < HOSPITALS) return hospital(number);
        if (number < HOSPITALS + PATIENTS) return patient(number - HOSPITALS);
        address[5] memory others = [SPONSOR, CHALLENGER, STRANGER, BUYER, address(market)];
        return others[number - HOSPITALS - PATIENTS];
    }

    uint256 public constant PATIENTS = 2;

    function patient(uint256 number) public pure returns (address) {
        return address(uint160(PATIENT) + uint160(number));
    }

    function hospital(uint256 number) public pure returns (address) {
        return address(uint160(0xA000 + number));
    }

    function operator(uint256 number) public pure returns (address) {
        return address(uint160(0xB000 + number));
    }

    function bookOf(uint256 study) public view returns (Book memory) {
        return _books[study];
    }

    // Parts

    function _wait(uint256 time) internal {
        _clock += time;
        vm.warp(_clock);
    }

    function _waitUntil(uint256 time) internal {
        if (time > _clock) _wait(time - _clock);
    }

    function _newToken(uint256 feeBps) private returns (FeeToken) {
        return FeeToken(vm.deployCode("FeeToken.sol:FeeToken", abi.encode(feeBps)));
    }

    function _provide(FeeToken token, address owner) private {
        token.mint(owner, 1e12);
        vm.prank(owner);
        token.approve(address(vault), type(uint256).max);
    }

    function _study(uint256 which) internal view returns (StudyId) {
        return StudyId.wrap(uint64(1 + which % rounds.studyCount()));
    }

    function _anyRound(StudyId study, uint256 round) internal view returns (uint16) {
        return uint16(1 + round % (uint256(rounds.getStudy(study).round) + 1));
    }

    function _ended(StudyId study) internal view returns (bool) {
        IFederatedRounds.State state = rounds.getStudy(study).state;
        return state == IFederatedRounds.State.Completed || state == IFederatedRounds.State.Aborted;
    }

    function _operatorOf(StudyId study, uint8 seat) internal view returns (address) {
        return consortium.getHospital(rounds.getSeat(study, seat).hospital).operator;
    }

    // Books

    /// @dev What an account has of the studies' token, wherever in the vault it lies.
    function _owed(address owner) internal view returns (uint256) {
        address token = address(tokens[0]);
        return uint256(vault.balanceOf(owner, token).free) + vault.balanceOf(owner, token).locked
            + vault.exitOf(owner, token).amount;
    }

    function _owedToAll() internal view returns (uint256[] memory owed) {
        owed = new uint256[](ACCOUNTS);
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            owed[i] = _owed(account(i));
        }
    }

    /// @dev Enters what changed since `was`: who has less was slashed, who has more was paid.
    function _enter(StudyId study, uint256[] memory was, Way way, uint16 round) internal {
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            uint256 now_ = _owed(account(i));
            if (now_ < was[i]) _enterSlash(study, account(i), was[i] - now_);
            if (now_ > was[i]) _enterPay(study, account(i), now_ - was[i], way, round);
        }
    }

    function _enterSlash(StudyId study, address owner, uint256 amount) private {
        _books[StudyId.unwrap(study)].slashed += amount;
        debited[owner][tokens[0]] += amount;
    }

    function _enterPay(StudyId study, address owner, uint256 amount, Way way, uint16 round) private {
        Book storage book = _books[StudyId.unwrap(study)];
        credited[owner][tokens[0]] += amount;
        if (way == Way.Hospital) book.claimed += amount;
        if (way == Way.Patient) book.patients += amount;
        if (way == Way.Challenger) book.challengers += amount;
        if (way == Way.Refund) book.refunded += amount;
        if (way == Way.Sweep) book.swept += amount;
        if (way == Way.Hospital || way == Way.Patient) paidIn[StudyId.unwrap(study)][round] += amount;
    }

    /// @dev Enters what a study took of stakes, by seat.
    function _enterStakes(StudyId study, uint256[] memory was) internal {
        for (uint8 seat = 0; seat < HOSPITALS; ++seat) {
            address owner = rounds.getSeat(study, seat).hospital;
            for (uint256 i = 0; i < HOSPITALS; ++i) {
                if (hospital(i) != owner) continue;
                uint256 now_ = _owed(owner);
                if (now_ < was[i]) takenFrom[StudyId.unwrap(study)][seat] += was[i] - now_;
            }
        }
    }
}
