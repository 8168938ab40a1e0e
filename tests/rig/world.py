"""A whole deployment with hospitals, datasets, stakes and a sponsor, on either chain of the rig."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data

from medfed.protocol.purposes import Purpose
from tests.rig import roles
from tests.rig.evm import CHAIN_ID

STAKE, REWARD, STEP = 100, 900, 8
DISPUTE, PHASE, CLAIM, DELAY = 100, 1000, 50, 10_000
BOND, ATTEMPTS, WORDS, STEPS = 60, 3, 300, 1000
SLASH_BPS, CHALLENGER_BPS = 2000, 4000
SEATS = 4  # of a study, unless its terms say otherwise

DATASET = (b"\1" * 32, b"\2" * 32, b"\3" * 32, 100, int(Purpose.GRU), 0, 9000)


def terms(evm, token, rule, **changes):
    values = {
        "spec": b"\x51" * 32,
        "token": token,
        "rewardPerRound": REWARD,
        "stake": STAKE,
        "rule": rule,
        "purposes": int(Purpose.HMB),
        "disease": 0,
        "enrolDeadline": evm.now + 1000,
        "minHospitals": 2,
        "maxHospitals": SEATS,
        "rounds": 2,
        "maxVoids": 1,
        "cohortStep": STEP,
        "trainingSeconds": PHASE,
        "aggregatingSeconds": PHASE,
        "disputeSeconds": DISPUTE,
        "maxWeight": 400,
        "attesterBps": 1000,
        "words": WORDS,
        "steps": STEPS,
        "claimSeconds": CLAIM,
        "maxAttempts": ATTEMPTS,
        "bond": BOND,
        "scoreMode": 0,
        "patientBps": 0,
        "sponsorFeeBps": 0,
    }
    return values | changes


def update(seat, weight=80, **changes):
    values = {
        "cid": bytes([seat + 1]) * 32,
        "updateRoot": b"\x0a" * 32,
        "cohortCid": b"\x0b" * 32,
        "cohortRoot": b"\x0c" * 32,
        "weight": weight,
    }
    return values | changes


def aggregate(seats, weight, **changes):
    included = sum(1 << seat for seat in seats)
    values = {
        "cid": b"\xa1" * 32,
        "root": b"\xa2" * 32,
        "model": b"\xa3" * 32,
        "included": included,
        "weight": weight,
    }
    return values | changes


def compact(signature):
    """r and s with the parity of v in its top bit (ERC-2098)."""
    top = signature[32] | ((signature[64] - 27) << 7)
    return signature[:32] + bytes([top]) + signature[33:64]


@dataclass
class World:
    """What tests of rounds act on. `hospitals[i]` is the cold account, `operators[i]` its daemon's."""

    evm: Any
    admin: Any
    sponsor: Any
    stranger: Any
    hospitals: list[Any]
    operators: list[Any]
    manager: Any
    consortium: Any
    datasets: Any
    vault: Any
    rounds: Any
    disputes: Any
    rewards: Any
    market: Any
    rule: Any
    token: Any

    def terms(self, **changes):
        return terms(self.evm, self.token, changes.pop("rule", self.rule), **changes)

    def create(self, **changes):
        return self.rounds.createStudy(self.terms(**changes), sender=self.sponsor).value

    def running(self, members=3, **changes):
        """A study whose first round is open, with `members` hospitals in seats 0, 1, …"""
        study = self.create(**changes)
        for seat in range(members):
            self.rounds.enrol(study, seat + 1, sender=self.operators[seat])
        self.rounds.advance(study, sender=self.sponsor)
        return study

    def submit(self, study, seat, number=1, weight=80):
        return self.rounds.submitUpdate(
            study, number, seat, update(seat, weight), sender=self.operators[seat]
        )

    def submitted(self, members=3, **changes):
        """A study whose first round has closed Training, everybody having submitted."""
        study = self.running(members, **changes)
        for seat in range(members):
            self.submit(study, seat)
        return study

    def attest(self, study, seat, result, number=1):
        return self.rounds.attest(study, number, seat, result, sender=self.operators[seat])

    def signed(self, study, seat, result, number=1):
        """The operator's signature over an attestation, in the 64 bytes of ERC-2098."""
        kinds = {"Attestation": [("study", "uint64"), ("round", "uint16"), ("aggregateHash", "bytes32")]}
        domain = {"name": "MedFed FederatedRounds", "version": "1", "chainId": CHAIN_ID}
        message = encode_typed_data(
            domain | {"verifyingContract": self.rounds.address},
            {name: [{"name": part, "type": kind} for part, kind in parts] for name, parts in kinds.items()},
            {
                "study": study,
                "round": number,
                "aggregateHash": self.rounds.hashAggregate(study, number, result),
            },
        )
        return compact(bytes(Account.sign_message(message, self.operators[seat].key).signature))

    def final(self, members=3, number=1, **changes):
        """A study whose first round is final; returns it and the aggregate."""
        study = self.submitted(members, **changes)
        result = aggregate(range(members), 80 * members)
        for seat in range(-(-2 * members // 3)):
            self.attest(study, seat, result)
        return study, result

    def free(self, account):
        return self.vault.balanceOf(account, self.token).free


def deploy_world(evm, hospitals):
    """So many hospitals that can each enrol with the dataset of their number, seat 0 with dataset 1."""
    admin, sponsor, stranger = evm.actors[:3]
    admins, operators = evm.actors[10 : 10 + hospitals], evm.actors[100 : 100 + hospitals]
    manager = evm.deploy("AccessManager", admin)
    consortium = evm.deploy("Consortium", manager)
    rounds_at, disputes_at, rewards_at, market_at = (evm.next_address(ahead=n) for n in range(2, 6))
    datasets = evm.deploy("DatasetRegistry", consortium, rounds_at)
    vault = evm.deploy("StakeVault", manager, rounds_at, disputes_at, rewards_at, market_at, DELAY)
    rounds = evm.deploy(
        "FederatedRounds", manager, consortium, datasets, vault, disputes_at, rewards_at, 10, 10
    )
    disputes = evm.deploy("Disputes", consortium, rounds, vault, SLASH_BPS, CHALLENGER_BPS)
    rewards = evm.deploy("Rewards", rounds, consortium, vault, 180 * 86_400)
    market = evm.deploy("ModelMarket", manager, rounds, rewards, vault)
    found = [contract.address for contract in (rounds, disputes, rewards, market)]
    assert found == [rounds_at, disputes_at, rewards_at, market_at]
    token, rule = evm.deploy("DevelopmentToken"), evm.deploy("SumRule")
    roles.open_to(manager, roles.CONSORTIUM, consortium, "admit", "suspend", "reinstate")
    roles.open_to(manager, roles.CONSORTIUM, vault, "allowToken")
    roles.open_to(manager, roles.PAUSER, rounds, "pause", "unpause")
    for role in (roles.CONSORTIUM, roles.PAUSER):
        roles.give(manager, role, admin)
    vault.allowToken(token, True)
    token.mint(sponsor, 10**9)
    token.approve(vault, 2**256 - 1, sender=sponsor)
    for hospital, operator in zip(admins, operators, strict=True):
        consortium.admit(hospital, operator, b"\x11" * 32, b"\x22" * 32)
        datasets.register(DATASET, sender=operator)
        token.mint(hospital, 10 * STAKE)
        token.approve(vault, 2**256 - 1, sender=hospital)
        vault.deposit(token, 10 * STAKE, hospital, sender=hospital)
    return World(
        evm,
        admin,
        sponsor,
        stranger,
        admins,
        operators,
        manager,
        consortium,
        datasets,
        vault,
        rounds,
        disputes,
        rewards,
        market,
        rule,
        token,
    )
