"""Gas of whole transactions on Anvil, against limits and against the committed snapshot (`make gas` renews it)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medfed.protocol import typed
from medfed.protocol.purposes import Purpose
from tests.gas.challenges import claimed
from tests.rig.anvil import start_anvil
from tests.rig.evm import CHAIN_ID
from tests.rig.live import FREE, LiveEvm
from tests.rig.world import DATASET, DISPUTE, aggregate, deploy_world, update

SNAPSHOT = Path(__file__).resolve().parents[1] / "snapshots" / "gas.json"
GROWTH = 1.01
FEW, MANY = 4, 64
HMB, NO_EXPIRY = int(Purpose.HMB), 0xFFFF

LIMITS = {
    "admit": 88_000,
    "register_dataset": 120_000,  # not the owner's first
    "grant": 52_000,
    "grant_relayed": 62_000,
    "grant_batch64_each": 40_000,
    "revoke": 32_000,
    "revoke_all": 48_000,
    "is_active": 8_800,  # asked by a contract, with nothing touched before
    "enrol": 112_000,
    "submit_update": 72_000,
    "attest_first": 80_000,
    "attest": 48_000,
    "attest_last": 90_000,  # opens the next round
    "attest_sigs43": 570_000,  # of 64 hospitals, in one transaction; opens the next round
    "claim": 72_000,
    # One chunk of vectors of ten million words; what its bytes cost alone (EIP-7623) is 248,740, 785,530 and 2,932,540.
    "challenge_sum4": 256_000,
    "challenge_sum16": 810_000,
    "challenge_sum64": 3_000_000,
    "challenge_median16": 1_215_000,
    "challenge_trimmed16": 1_215_000,
}
TRANSACTION_GAS, TRANSACTION_BYTES = 1 << 24, 128 * 1024  # EIP-7825, and what a node's pool takes


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with start_anvil(tmp_path_factory.mktemp("gas"), FREE) as anvil:
        yield LiveEvm(anvil)


@pytest.fixture(scope="module")
def few(live):
    return of_study(deploy_world(live, FEW), FEW)


@pytest.fixture(scope="module")
def many(live):
    return deploy_world(live, MANY)


@pytest.fixture(scope="module")
def many_steps(many):
    return of_study(many, MANY)


@pytest.fixture(scope="module")
def measured(live, many, many_steps):
    return many_steps | of_signatures(many) | of_consents(live) | of_challenges(many)


def of_study(world, members):
    """The first two rounds of a study: of each step the most that any hospital paid."""
    evm, rounds = world.evm, world.rounds
    cold, hot = evm.actors[-2:]
    found = {
        "admit": [world.consortium.admit(cold, hot, b"\x11" * 32, b"\x22" * 32)],
        "register_dataset": [world.datasets.register(DATASET, sender=world.operators[0])],
    }
    study = world.create(maxHospitals=members, rounds=3)
    found["enrol"] = [rounds.enrol(study, seat + 1, sender=world.operators[seat]) for seat in range(members)]
    rounds.advance(study)
    result = aggregate(range(members), 80 * members)
    for number in (1, 2):
        found.setdefault("submit_update", []).extend(
            world.submit(study, seat, number) for seat in range(members)
        )
        attest_in_turn(world, study, number, result, found)
    evm.travel(DISPUTE)
    found["claim"] = [
        rounds.claim(study, number, seat, result, update(seat))
        for number in (1, 2)
        for seat in range(members)
    ]
    return {name: max(receipt.gas_used for receipt in receipts) for name, receipts in found.items()}


def attest_in_turn(world, study, number, result, found):
    """The first gives the aggregate in full, the others name its hash, until it is final."""
    members = result["included"].bit_count()
    known = world.rounds.hashAggregate(study, number, result)
    last = -(-2 * members // 3) - 1
    found.setdefault("attest_first", []).append(world.attest(study, 0, result, number))
    for seat in range(1, last + 1):
        receipt = world.rounds.attestHash(study, number, seat, known, sender=world.operators[seat])
        assert bool(receipt.named("RoundOpened")) == (seat == last)
        found.setdefault("attest_last" if seat == last else "attest", []).append(receipt)


def of_signatures(world):
    study = world.submitted(MANY, maxHospitals=MANY)
    result = aggregate(range(MANY), 80 * MANY)
    seats = range(43)
    signatures = b"".join(world.signed(study, seat, result) for seat in seats)
    receipt = world.rounds.attestBySig(study, 1, result, list(seats), signatures, sender=world.stranger)
    assert receipt.named("RoundOpened")
    return {"attest_sigs43": receipt.gas_used}


def of_challenges(world):
    """Of claims that are not final; each is proved wrong."""
    rules = {
        "sum": world.rule,
        "median": world.evm.deploy("MedianRule"),
        "trimmed": world.evm.deploy("TrimmedMeanRule", 2),
    }
    found = {}
    for name, members in (("sum", 4), ("sum", 16), ("sum", 64), ("median", 16), ("trimmed", 16)):
        receipt = claimed(world, members, rules[name]).send()
        assert receipt.named("AttemptRefuted")
        found[f"challenge_{name}{members}"] = receipt.gas_used
    return found


def of_consents(evm):
    """Patients whom the registry does not know, asking for what it keeps of them for the first time."""
    registry = evm.deploy("ConsentRegistry", evm.deploy("OpenNft"))
    reader = evm.deploy("ConsentReader")
    patient, relayer, *others = evm.actors[:67]

    def signed(actor):
        message = typed.GrantMessage(actor.address, 7, HMB, NO_EXPIRY, evm.now, evm.now + 3600)
        digest = typed.digest(typed.consent_domain(CHAIN_ID, registry.address), message)
        return (
            actor.address,
            7,
            HMB,
            NO_EXPIRY,
            message.issued_at,
            message.deadline,
            actor.sign_digest(digest),
        )

    granted = registry.grant(7, HMB, NO_EXPIRY, sender=patient)
    active = reader.gasOfIsActive(registry, patient, 7, HMB, evm.now)
    assert active.active
    batch = registry.grantBatch([signed(actor) for actor in others[:64]], sender=relayer)
    assert len(batch.named("Granted")) == 64
    evm.travel(1)
    return {
        "grant": granted.gas_used,
        "is_active": active.used,
        "grant_batch64_each": batch.gas_used // 64,
        "grant_relayed": registry.grantBySig(signed(others[64]), sender=relayer).gas_used,
        "revoke": registry.revoke(7, sender=patient).gas_used,
        "revoke_all": registry.revokeAll(sender=patient).gas_used,
    }


def test_everything_is_measured(measured, update_snapshots):
    if update_snapshots:
        SNAPSHOT.write_text(json.dumps(measured, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    assert measured.keys() == LIMITS.keys() == json.loads(SNAPSHOT.read_text(encoding="utf-8")).keys()


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_no_transaction_grows(measured, name):
    """At most one per cent above the snapshot, and never above the limit."""
    assert measured[name] <= LIMITS[name]
    assert measured[name] <= GROWTH * json.loads(SNAPSHOT.read_text(encoding="utf-8"))[name]


def test_no_step_depends_on_the_number_of_hospitals(few, many_steps):
    """With 64 hospitals a step costs what it costs with 4, but for the bytes of longer numbers and bitmaps."""
    longer = 500
    assert few.keys() == many_steps.keys()
    assert {name: many_steps[name] - few[name] for name in few if many_steps[name] > few[name] + longer} == {}


def test_order_statistics_cost_at_most_half_as_much_again(measured):
    for name in ("challenge_median16", "challenge_trimmed16"):
        assert measured[name] <= 1.5 * measured["challenge_sum16"]


@pytest.mark.parametrize("rule", ["SumRule", "MedianRule", "TrimmedMeanRule"])
def test_a_lying_quorum_of_64_is_convicted_in_one_transaction(many, rule):
    """The largest challenge there is: 64 updates opened, 64 attesters slashed. It fits the limits of a transaction and of a node."""
    contract = many.evm.deploy(rule, *([31] if rule == "TrimmedMeanRule" else []))
    challenge = claimed(many, MANY, contract, final=True)
    envelope = 200  # nonce, fees, address and signature around the call
    assert len(challenge.call()) + envelope < TRANSACTION_BYTES
    receipt = challenge.send()
    assert receipt.named("RoundRefuted")[0]["seats"] == (1 << MANY) - 1
    assert len(receipt.named("Slashed")) == MANY
    assert receipt.gas_used < TRANSACTION_GAS
