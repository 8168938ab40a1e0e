"""Studies that are played on Anvil so that every transaction of the snapshot happens once, or once for each hospital."""

from __future__ import annotations

from medfed.protocol import typed
from medfed.protocol.purposes import Purpose
from tests.gas.challenges import HEADER, claimed
from tests.rig.cohorts import Listed, leaf_of
from tests.rig.evm import CHAIN_ID
from tests.rig.pledges import pledge
from tests.rig.world import (
    CLAIM,
    DATASET,
    DISPUTE,
    PHASE,
    STAKE,
    aggregate,
    digest,
    update,
)

__all__ = [
    "of_absences",
    "of_challenges",
    "of_claims",
    "of_consents",
    "of_market",
    "of_patients",
    "of_signatures",
    "of_study",
]

HMB, NO_EXPIRY = int(Purpose.HMB), 0xFFFF
NO_DETAILS = (0, 0xFFFF, bytes(28))
WINDOW = (2015).to_bytes(2, "big") + (2024).to_bytes(2, "big") + b"f" * 28
COHORT = 1024


def of_study(world, members):
    """The first two rounds of a study, and its end: of each step the most that any hospital paid."""
    evm, rounds = world.evm, world.rounds
    cold, hot = evm.actors[-2:]
    found = {
        "admit": [
            world.consortium.admit(cold, hot, b"\x11" * 32, b"\x22" * 32, pledge(world.consortium, cold, hot))
        ],
        "register_dataset": [world.datasets.register(DATASET, sender=world.operators[0])],
    }
    terms = world.terms(maxHospitals=members, rounds=3, maxVoids=0)
    created = world.studies.create(terms, sender=world.sponsor)
    study, found["create_study"] = created.value, [created]
    found["enrol"] = [world.enrol(study, seat) for seat in range(members)]
    rounds.advance(study)
    result = aggregate(range(members), 80 * members)
    for number in (1, 2):
        found.setdefault("submit_update", []).extend(
            world.submit(study, seat, number) for seat in range(members)
        )
        attest_in_turn(world, study, number, result, found)
    evm.travel(PHASE)
    rounds.advance(study)
    evm.travel(DISPUTE)
    for seat in range(members):
        for number in (1, 2):
            kind = "claim" if seat else "claim_first"
            found.setdefault(kind, []).append(world.claim(study, seat, result, number))
    found["release"] = [world.studies.release(study, seat) for seat in range(members)]
    found["refund"] = [world.studies.refund(study)]
    return {name: max(receipt.gas_used for receipt in receipts) for name, receipts in found.items()}


def attest_in_turn(world, study, number, result, found):
    """The first gives the aggregate in full, the others name its hash, until it is final."""
    members = result["included"].bit_count()
    known = digest(study, number, result)
    last = -(-2 * members // 3) - 1
    found.setdefault("attest_first", []).append(world.attest(study, 0, result, number))
    for seat in range(1, last + 1):
        receipt = world.rounds.attestHash(study, number, seat, known, sender=world.operators[seat])
        assert bool(receipt.named("RoundOpened")) == (seat == last)
        found.setdefault("attest_last" if seat == last else "attest", []).append(receipt)


def of_signatures(world, members):
    """Two thirds of the signatures in one transaction, which opens the next round."""
    study = world.submitted(members, maxHospitals=members)
    result, seats = aggregate(range(members), 80 * members), range(-(-2 * members // 3))
    signatures = [world.signed(study, seat, result) for seat in seats]
    receipt = world.rounds.attestBySig(study, 1, result, [], list(seats), signatures, sender=world.stranger)
    assert receipt.named("RoundOpened")
    return {f"attest_sigs{len(seats)}": receipt.gas_used}


def of_claims(world):
    """The path by time: a claim that becomes final, and a false one, to which a submitter objects."""
    study, result = world.submitted(), aggregate(range(3), 240)
    made = [world.claims.submitAggregate(study, 1, 1, result, sender=world.operators[1])]
    world.evm.travel(CLAIM)
    final = world.claims.finalise(study, 1, result, sender=world.stranger)
    for seat in range(3):
        world.submit(study, seat, 2)
    lie = result | {"root": b"\xee" * 32}
    made.append(world.claims.submitAggregate(study, 2, 2, lie, sender=world.operators[2]))
    objection = world.claims.object(study, 2, 0, sender=world.operators[1])
    for seat in range(2):
        world.attest(study, seat, result, 2)
    world.evm.travel(DISPUTE)
    settled = [
        world.claims.settle(study, 1, 0, result, result),
        world.claims.settle(study, 2, 0, lie, result),
    ]
    assert settled[1].named("Slashed")
    return {
        "submit_aggregate": max(receipt.gas_used for receipt in made),
        "object": objection.gas_used,
        "finalise": final.gas_used,
        "settle": max(receipt.gas_used for receipt in settled),
    }


def of_absences(world, members):
    """All submit and nobody says anything more: everybody is absent from the round."""
    study = world.submitted(members, maxHospitals=members)
    world.evm.travel(PHASE)
    world.rounds.advance(study)
    receipt = world.claims.recordAbsences(study, 1)
    assert receipt.named("AbsencesRecorded")[0]["slashed"] == (1 << members) - 1
    return {f"record_absences{members}": receipt.gas_used}


def of_patients(world):
    """The first leaf of a cohort of 1,024."""
    study = world.running(2, maxHospitals=2, patientBps=2000, rewardPerRound=90_000_000, rounds=1)
    patient, salt = world.evm.actors[90], b"\x07" * 32
    own = leaf_of(study, 1, 1, patient, salt)
    cohort = Listed([own, *(place.to_bytes(32, "big") for place in range(1, COHORT))])
    shown = update(0, cohortRoot=cohort.root)
    world.rounds.submitUpdate(study, 1, 0, shown, sender=world.operators[0])
    world.submit(study, 1)
    result = aggregate((0, 1), 160)
    for seat in (0, 1):
        world.attest(study, seat, result)
    world.evm.travel(DISPUTE)
    leaf = cohort.opened(own, salt)
    receipt = world.payouts.claimPatient(study, 1, 0, result, shown, leaf, sender=patient)
    return {"patient_claim": receipt.gas_used}


def of_market(world):
    """The first licence of a model, bought by an account with its fee approved."""
    study, result = world.final(2, rounds=1, maxHospitals=2)
    world.evm.travel(DISPUTE)
    world.market.credit(study, 1, result, [0, 1], [update(0), update(1)])
    world.market.register(study, result)
    terms = {
        "token": world.token,
        "price": 10_000,
        "duration": 0,
        "transferable": False,
        "licence": b"\x77" * 32,
    }
    version = world.market.setTerms(study, terms, sender=world.sponsor).value
    world.evm.travel(3 * 86_400)
    buyer = world.evm.actors[91]
    world.token.mint(buyer, 20_000)
    world.token.approve(world.vault, 20_000, sender=buyer)
    return {"buy": world.market.buy(study, version, 10_000, buyer, sender=buyer).gas_used}


def of_challenges(world):
    """Of claims that are not final, each proved wrong; and of a result that 64 attested to, by its header."""
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
    receipt = claimed(world, 64, world.rule, index=HEADER, final=True).send()
    assert len(receipt.named("Slashed")) == 64
    assert {event["amount"] for event in receipt.named("Slashed")} == {STAKE}
    return found | {"refute64": receipt.gas_used}


def of_consents(world):
    """Patients whom the registry does not know, asking for what it keeps of them for the first time."""
    evm = world.evm
    registry = evm.deploy("ConsentRegistry", world.consortium, evm.deploy("OpenDatasets"))
    reader = evm.deploy("ConsentReader")
    patient, relayer, *others = evm.actors[:69]

    def signed(actor):
        said = *NO_DETAILS, evm.now, evm.now + 3600
        message = typed.GrantMessage(actor.address, 7, HMB, NO_EXPIRY, *said)
        digested = typed.digest(typed.consent_domain(CHAIN_ID, registry.address), message)
        return (
            actor.address,
            7,
            HMB,
            NO_EXPIRY,
            bytes(32),
            message.issued_at,
            message.deadline,
            actor.sign_digest(digested),
        )

    granted = registry.grant(7, HMB, NO_EXPIRY, bytes(32), sender=patient)
    detailed = registry.grant(7, HMB, NO_EXPIRY, WINDOW, sender=others[65])
    active = reader.gasOfIsActive(registry, patient, 7, HMB, evm.now)
    assert active.active
    first = registry.grantBySig(signed(others[66]), sender=relayer)
    batch = registry.grantBatch([signed(actor) for actor in others[:64]], sender=relayer)
    assert len(batch.named("Granted")) == 64
    evm.travel(1)
    return {
        "grant": granted.gas_used,
        "grant_details": detailed.gas_used,
        "is_active": active.used,
        "grant_batch64_each": batch.gas_used // 64,
        "grant_first_words": first.gas_used,
        "grant_relayed": registry.grantBySig(signed(others[64]), sender=relayer).gas_used,
        "revoke": registry.revoke(7, sender=patient).gas_used,
        "revoke_all": registry.revokeAll(sender=patient).gas_used,
    }
