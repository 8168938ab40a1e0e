"""A whole deployment with hospitals, datasets, stakes and a sponsor, on either chain of the rig."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data

from medfed.protocol.basis import Basis
from medfed.protocol.commitments import Aggregate
from medfed.protocol.purposes import Purpose
from tests.rig import roles
from tests.rig.evm import CHAIN_ID, NO_ONE
from tests.rig.pledges import pledge

STAKE, REWARD, STEP = 100, 900, 8
DISPUTE, PHASE, CLAIM = 100, 1000, 50
BOND, ATTEMPTS, WORDS, STEPS = 50, 3, 300, 1000
SLASH_BPS, CHALLENGER_BPS = 2000, 4000
SPEC = b"\x51" * 32
SEATS = 4  # of a study, unless its terms say otherwise

CONSENTED = (int(Basis.CONSENT), NO_ONE)
"""Basis and issuer of a dataset whose patients are asked."""
DATASET = (b"\1" * 32, b"\2" * 32, b"\3" * 32, 100, int(Purpose.GRU), 0, 9000, *CONSENTED)
VERSION = (*DATASET[:4], DATASET[6])


def terms(evm, token, rule, **changes):
    values = {
        "spec": SPEC,
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
        "claimSeconds": CLAIM,
        "maxAttempts": ATTEMPTS,
        "bond": BOND,
        "scoreMode": 0,
        "patientBps": 0,
        "sponsorFeeBps": 0,
        "training": [vector()],
        "statistics": [],
    }
    return values | changes


def vector(words=WORDS, steps=STEPS, weighted=True):
    return {"words": words, "steps": steps, "weighted": weighted}


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


def digest(study, number, result):
    """The id of an aggregate of one round."""
    return Aggregate(*result.values()).digest(study, number)


def nothing():
    """What stands for an aggregate where the contract reads none."""
    return aggregate([], 0, cid=bytes(32), root=bytes(32), model=bytes(32))


def earned(number, result, own):
    """One round that a seat claims for."""
    return {"round": number, "aggregate": result, "update": own}


def compact(signature):
    """r, and s with the parity of v in its top bit (ERC-2098)."""
    top = signature[32] | ((signature[64] - 27) << 7)
    return signature[:32], bytes([top]) + signature[33:64]


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
    consents: Any
    vault: Any
    rounds: Any
    studies: Any
    claims: Any
    proofs: Any
    payouts: Any
    market: Any
    rule: Any
    token: Any

    def terms(self, **changes):
        return terms(self.evm, self.token, changes.pop("rule", self.rule), **changes)

    def create(self, **changes):
        return self.studies.create(self.terms(**changes), sender=self.sponsor).value

    def enrol(self, study, seat):
        """Hospital number `seat` takes the next seat."""
        return self.rounds.enrol(study, seat + 1, SPEC, 2**96 - 1, 0, sender=self.operators[seat])

    def running(self, members=3, **changes):
        """A study whose first round is open, with `members` hospitals in seats 0, 1, …"""
        study = self.create(**changes)
        for seat in range(members):
            self.enrol(study, seat)
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

    def attest(self, study, seat, result, number=1, left_out=()):
        return self.rounds.attest(study, number, seat, result, list(left_out), sender=self.operators[seat])

    def claim(self, study, seat, result, number=1, own=None):
        """Pay a seat for one round; by a stranger."""
        shown = [earned(number, result, own or update(seat))]
        return self.payouts.claim(study, seat, shown, sender=self.stranger)

    def signed(self, study, seat, result, number=1):
        """The operator's signature over an attestation, in the two words of ERC-2098."""
        kinds = {"Attestation": [("study", "uint64"), ("round", "uint16"), ("aggregateHash", "bytes32")]}
        domain = {"name": "MedFed FederatedRounds", "version": "1", "chainId": CHAIN_ID}
        message = encode_typed_data(
            domain | {"verifyingContract": self.rounds.address},
            {name: [{"name": part, "type": kind} for part, kind in parts] for name, parts in kinds.items()},
            {
                "study": study,
                "round": number,
                "aggregateHash": digest(study, number, result),
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
    at = deploy_contracts(evm)
    admin_roles(at, admin)
    at["vault"].allowToken(at["token"], True)
    at["token"].mint(sponsor, 10**9)
    at["token"].approve(at["vault"], 2**256 - 1, sender=sponsor)
    for hospital, operator in zip(admins, operators, strict=True):
        admitted(at, hospital, operator)
    return World(
        evm=evm,
        admin=admin,
        sponsor=sponsor,
        stranger=stranger,
        hospitals=admins,
        operators=operators,
        **at,
    )


def deploy_contracts(evm):
    """All contracts of a deployment, by the names that a `World` gives them."""
    names = ("manager", "consortium", "datasets", "consents", "vault", "rounds")
    names += ("studies", "claims", "proofs", "payouts", "market", "token", "rule")
    place = {name: evm.next_address(ahead=ahead) for ahead, name in enumerate(names)}
    wiring = (
        "consortium",
        "datasets",
        "consents",
        "vault",
        "studies",
        "claims",
        "proofs",
        "payouts",
        "market",
    )
    creations = {
        "manager": ("AccessManager", evm.actors[0]),
        "consortium": ("Consortium", place["manager"]),
        "datasets": ("DatasetRegistry", *_of(place, "consortium", "rounds", "studies")),
        "consents": ("ConsentRegistry", *_of(place, "consortium", "datasets")),
        "vault": (
            "StakeVault",
            *_of(place, "manager", "consortium", "rounds", "studies", "claims", "payouts", "market"),
            CHALLENGER_BPS,
        ),
        "rounds": ("FederatedRounds", {name: place[name] for name in wiring}),
        "studies": (
            "Studies",
            *_of(place, "rounds", "claims", "proofs", "vault", "datasets"),
            *(10, 10, SLASH_BPS),
        ),
        "claims": ("Claims", *_of(place, "consortium", "rounds", "studies", "proofs", "vault")),
        "proofs": ("Proofs", *_of(place, "rounds", "studies", "claims")),
        "payouts": ("Payouts", *_of(place, "consortium", "rounds", "studies", "vault")),
        "market": ("ModelMarket", *_of(place, "manager", "rounds", "studies", "payouts", "vault")),
        "token": ("DevelopmentToken",),
        "rule": ("SumRule",),
    }
    at = {name: evm.deploy(*creations[name]) for name in names}
    assert {name: contract.address for name, contract in at.items()} == place
    return at


def _of(place, *names):
    return [place[name] for name in names]


def admin_roles(at, admin):
    """Who may do what, as the deployer wires it."""
    manager = at["manager"]
    roles.open_to(
        manager,
        roles.CONSORTIUM,
        at["consortium"],
        *("admit", "giveName", "suspend", "reinstate", "proposeAdmin", "withdrawAdmin"),
    )
    roles.open_to(manager, roles.CONSORTIUM, at["vault"], "allowToken")
    roles.open_to(manager, roles.PAUSER, at["vault"], "pause", "unpause")
    for role in (roles.CONSORTIUM, roles.PAUSER):
        roles.give(manager, role, admin)


def admitted(at, hospital, operator):
    """A hospital with a dataset, with a deposit that its operator may lock all of."""
    token, vault = at["token"], at["vault"]
    at["consortium"].admit(
        hospital, operator, b"\x11" * 32, b"\x22" * 32, pledge(at["consortium"], hospital, operator)
    )
    at["datasets"].register(DATASET, sender=operator)
    token.mint(hospital, 10 * STAKE)
    token.approve(vault, 2**256 - 1, sender=hospital)
    vault.deposit(token, 10 * STAKE, hospital, sender=hospital)
    vault.setAllowance(hospital, token, 10 * STAKE, sender=hospital)
