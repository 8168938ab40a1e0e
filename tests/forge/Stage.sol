// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAggregationRule} from "../../contracts/interfaces/IAggregationRule.sol";
import {IClaims} from "../../contracts/interfaces/IClaims.sol";
import {IConsortium} from "../../contracts/interfaces/IConsortium.sol";
import {IDatasetRegistry} from "../../contracts/interfaces/IDatasetRegistry.sol";
import {IFederatedRounds} from "../../contracts/interfaces/IFederatedRounds.sol";
import {IModelMarket} from "../../contracts/interfaces/IModelMarket.sol";
import {IPayouts} from "../../contracts/interfaces/IPayouts.sol";
import {IProofs} from "../../contracts/interfaces/IProofs.sol";
import {IStakeVault} from "../../contracts/interfaces/IStakeVault.sol";
import {IStudies} from "../../contracts/interfaces/IStudies.sol";
import {FeeToken} from "../../contracts/mocks/FeeToken.sol";
import {deployed, vm} from "./Rig.sol";

/// @dev A deployment and those who use it. Nobody but the accounts named here ever has anything in the vault.
abstract contract Stage {
    uint256 public constant HOSPITALS = 4;
    /// @dev The hospital that never lies and is always there.
    uint256 internal constant HONEST = 0;
    uint256 internal constant PATIENTS = 2;
    uint24 internal constant RECORDS = 100;
    uint256 internal constant OPERATOR_KEY = 0xB000;
    /// @dev Longer than anything but what is for ever.
    uint256 internal constant LONG = 400 days;
    uint256 internal constant SLASH_BPS = 3000;
    uint256 internal constant CHALLENGER_BPS = 2000;
    uint256 internal constant BPS = 10_000;
    uint24 internal constant PHASE = 1000;
    uint24 internal constant DISPUTE = 700;
    uint24 internal constant CLAIM = 100;
    /// @dev What each account has of each token, outside of the vault.
    uint256 internal constant PURSE = 1e15;
    address public constant SPONSOR = address(0x5900);
    /// @dev Sponsors studies of its own, and has stolen operators enrolled in them.
    address public constant THIEF = address(0x5F00);
    /// @dev Proves lies, and has nothing else to do.
    address public constant CHALLENGER = address(0xC400);
    /// @dev Objects without a seat.
    address public constant STRANGER = address(0x5700);
    address public constant BUYER = address(0xB500);

    IConsortium public consortium;
    IDatasetRegistry public datasets;
    IStakeVault public vault;
    IFederatedRounds public rounds;
    IStudies public studies;
    IClaims public claims;
    IProofs public proofs;
    IPayouts public payouts;
    IModelMarket public market;
    IAggregationRule internal sumRule;
    IAggregationRule internal medianRule;
    IAggregationRule internal quorumRule;
    /// @dev The second burns a share of what arrives.
    FeeToken[2] public tokens;
    /// @dev The time, as the optimizer takes `block.timestamp` for the same all through a call.
    uint256 internal _now = block.timestamp;

    function _build() internal {
        sumRule = IAggregationRule(deployed("SumRule", ""));
        medianRule = IAggregationRule(deployed("MedianRule", ""));
        quorumRule = IAggregationRule(deployed("QuorumOnlyRule", ""));
        address manager = deployed("AccessManager", abi.encode(address(this)));
        uint64 nonce = vm.getNonce(address(this));
        address[10] memory at;
        for (uint64 i = 0; i < 10; ++i) {
            at[i] = vm.computeCreateAddress(address(this), nonce + i);
        }
        _deploy(manager, at);
        for (uint256 i = 0; i < 2; ++i) {
            tokens[i] = new FeeToken(i * 100);
            vault.allowToken(address(tokens[i]), true);
        }
        for (uint256 i = 0; i < accountCount(); ++i) {
            _provide(account(i));
        }
        for (uint256 i = 0; i < HOSPITALS; ++i) {
            consortium.admit(hospital(i), operator(i), "key", "about", _pledge(i));
            vm.prank(operator(i));
            datasets.register(
                IDatasetRegistry.DatasetInfo(
                    "r", "s", "q", RECORDS, 1, 0, 0, IDatasetRegistry.Basis.Consent, address(0)
                )
            );
        }
    }

    /// @dev The word of an operator that it serves its hospital, for good.
    function _pledge(uint256 i) internal view returns (IConsortium.Pledge memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("MedFed Consortium"),
                keccak256("1"),
                block.chainid,
                address(consortium)
            )
        );
        bytes32 kind = keccak256("Service(address hospital,uint40 deadline)");
        bytes32 said = keccak256(abi.encode(kind, hospital(i), type(uint40).max));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(OPERATOR_KEY + i, keccak256(abi.encodePacked(hex"1901", domain, said)));
        return IConsortium.Pledge(type(uint40).max, r, bytes32(uint256(v - 27) << 255 | uint256(s)));
    }

    function _deploy(address manager, address[10] memory at) private {
        consortium = IConsortium(deployed("Consortium", abi.encode(manager)));
        bytes memory given = abi.encode(at[0], at[3], at[4]);
        datasets = IDatasetRegistry(deployed("DatasetRegistry", given));
        given = abi.encode(manager, at[0], at[3], at[4], at[5], at[7], at[8], CHALLENGER_BPS);
        vault = IStakeVault(deployed("StakeVault", given));
        given = abi.encode(at[0], at[1], at[9], at[2], at[4], at[5], at[6], at[7], at[8]);
        rounds = IFederatedRounds(deployed("FederatedRounds", given));
        given = abi.encode(at[3], at[5], at[6], at[2], at[1], 10, 10, SLASH_BPS);
        studies = IStudies(deployed("Studies", given));
        given = abi.encode(at[0], at[3], at[4], at[6], at[2]);
        claims = IClaims(deployed("Claims", given));
        proofs = IProofs(deployed("Proofs", abi.encode(at[3], at[4], at[5])));
        given = abi.encode(at[0], at[3], at[4], at[2]);
        payouts = IPayouts(deployed("Payouts", given));
        given = abi.encode(manager, at[3], at[4], at[7], at[2]);
        market = IModelMarket(deployed("ModelMarket", given));
        require(address(market) == at[8], "not where the others look");
    }

    function _provide(address who) private {
        for (uint256 i = 0; i < 2; ++i) {
            tokens[i].mint(who, PURSE);
            vm.prank(who);
            tokens[i].approve(address(vault), type(uint256).max);
        }
    }

    // Who there is

    function hospital(uint256 number) public pure returns (address) {
        return address(uint160(0xA000 + number));
    }

    function operator(uint256 number) public pure returns (address) {
        return vm.addr(OPERATOR_KEY + number);
    }

    function patient(uint256 number) public pure returns (address) {
        return address(uint160(0xAA00 + number));
    }

    function accountCount() public pure returns (uint256) {
        return 2 * HOSPITALS + PATIENTS + 6;
    }

    /// @dev Hospitals, operators, patients, and the others.
    function account(uint256 number) public view returns (address) {
        if (number < HOSPITALS) return hospital(number);
        if (number < 2 * HOSPITALS) return operator(number - HOSPITALS);
        if (number < 2 * HOSPITALS + PATIENTS) return patient(number - 2 * HOSPITALS);
        address[6] memory others = [SPONSOR, THIEF, CHALLENGER, STRANGER, BUYER, address(this)];
        return others[number - 2 * HOSPITALS - PATIENTS];
    }

    /// @dev The vault and those that it trusts: nothing in the vault may ever be theirs.
    function trusted(uint256 number) public view returns (address) {
        address[6] memory list = [
            address(vault),
            address(rounds),
            address(studies),
            address(claims),
            address(payouts),
            address(market)
        ];
        return list[number];
    }

    // Calls

    /// @dev What an oracle says of a call before it is made.
    enum Says {
        No,
        Yes,
        Either
    }

    function _says(bool yes) internal pure returns (Says) {
        return yes ? Says.Yes : Says.No;
    }

    /// @dev Makes a call, and holds its success against what the books say of it.
    function _try(address from, address to, bytes memory data, Says says, string memory what)
        internal
        returns (bool done)
    {
        bytes memory answer;
        vm.prank(from);
        (done, answer) = to.call(data);
        if (says == Says.Yes && !done) {
            vm.assertTrue(false, string.concat(what, ": refused with ", _selector(answer)));
        }
        if (says == Says.No) vm.assertFalse(done, string.concat(what, ": should be refused"));
    }

    function _selector(bytes memory answer) private pure returns (string memory text) {
        bytes memory digits = "0123456789abcdef";
        bytes memory found = new bytes(8);
        for (uint256 i = 0; i < 8 && answer.length >= 4; ++i) {
            uint8 b = uint8(answer[i / 2]);
            found[i] = digits[i % 2 == 0 ? b >> 4 : b & 15];
        }
        return string(found);
    }
}
