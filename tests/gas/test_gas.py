"""Gas of whole transactions on Anvil, against limits and against the committed snapshot (`make gas` renews it)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gas import plays
from tests.gas.challenges import claimed
from tests.rig.anvil import start_anvil
from tests.rig.live import FREE, LiveEvm
from tests.rig.world import deploy_world

SNAPSHOT = Path(__file__).resolve().parents[1] / "snapshots" / "gas.json"
GROWTH = 1.01
FEW, MANY = 4, 64

LIMITS = {
    "admit": 92_000,
    "register_dataset": 117_500,  # not the owner's first
    "grant": 52_200,
    "grant_details": 80_000,  # a window of data and the form
    "grant_relayed": 66_000,
    "grant_first_words": 230_000,  # the first that is signed for a dataset and a set of purposes keeps what wallets show
    "grant_batch64_each": 43_000,
    "revoke": 31_600,
    "revoke_all": 47_600,
    "is_active": 8_850,  # asked by a contract, with nothing touched before
    "create_study": 300_000,
    "enrol": 119_000,
    "submit_update": 74_100,
    "attest_first": 75_700,
    "attest": 48_400,
    "attest_last": 82_000,  # opens the next round
    "attest_sigs43": 578_000,  # of 64 hospitals, in one transaction; opens the next round
    "submit_aggregate": 147_000,
    "object": 60_000,
    "finalise": 123_000,  # opens the next round
    "settle": 112_000,
    "record_absences64": 2_800_000,
    "refute64": 2_000_000,  # by the header of a result that 64 attested to
    "claim_first": 90_000,  # of a round
    "claim": 78_000,
    "patient_claim": 150_000,  # of a cohort of 1,024
    "release": 82_000,
    "refund": 78_000,
    "buy": 250_000,  # a model's first licence
    # One chunk of vectors of ten million words; what its bytes cost alone (EIP-7623) is 248,740, 785,530 and 2,932,540.
    "challenge_sum4": 264_000,
    "challenge_sum16": 817_000,
    "challenge_sum64": 3_050_000,
    "challenge_median16": 963_000,
    "challenge_trimmed16": 990_000,
}
TRANSACTION_GAS, TRANSACTION_BYTES = 1 << 24, 128 * 1024  # EIP-7825, and what a node's pool takes


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with start_anvil(tmp_path_factory.mktemp("gas"), FREE) as anvil:
        yield LiveEvm(anvil)


@pytest.fixture(scope="module")
def few(live):
    return plays.of_study(deploy_world(live, FEW), FEW)


@pytest.fixture(scope="module")
def many(live):
    return deploy_world(live, MANY)


@pytest.fixture(scope="module")
def many_steps(many):
    return plays.of_study(many, MANY)


@pytest.fixture(scope="module")
def measured(many, many_steps):
    return (
        many_steps
        | plays.of_signatures(many, MANY)
        | plays.of_claims(many)
        | plays.of_absences(many, MANY)
        | plays.of_patients(many)
        | plays.of_market(many)
        | plays.of_consents(many)
        | plays.of_challenges(many)
    )


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
    assert receipt.named("RoundRefuted")[0]["attesters"] == (1 << MANY) - 1
    assert len(receipt.named("Slashed")) == MANY
    assert receipt.gas_used < TRANSACTION_GAS
