"""The audit: right for what is right, and never for anything else."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from medfed.chain.deployment import open_index
from medfed.cli.verdict import verdict_of
from medfed.errors import ContractRevert, InputError, ProtocolError
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.consent import NO_DETAILS
from medfed.rounds import cohort
from medfed.rounds.audit import audit_events, audit_study
from medfed.rounds.contests import due_absences, read_contest, settle_call
from medfed.rounds.disclose import disclosure
from medfed.rounds.federation import Federation
from medfed.rounds.history import read_study
from medfed.rounds.settle import pay_of
from medfed.storage.local import LocalStore
from medfed.types import StudyId
from tests.nodes.federation import DISPUTE, PATIENTS, PHASE, REWARD, STAKE
from tests.rounds.trial import BOND, CLAIM, Trial

CONTRACTS = ("FederatedRounds", "Studies", "ConsentRegistry", "DatasetRegistry")
PROCEEDINGS = ("FederatedRounds", "StakeVault", "Studies", "Claims", "Proofs", "Payouts", "ModelMarket")
MONEY = ("StakeVault", "Studies", "Claims", "Proofs", "Payouts")
NOBODY = {"seats": [], "taken": []}
# What nothing follows from: by whose hand a consent ended; who registered a dataset (the seat names the hospital), and after which
# one; the wrong chunk of a claim whose bytes nobody keeps; what a reviewer committed to, and said where the median stays; which of
# two seats of one weight a patient was of.
WITHOUT_CONSEQUENCE = {
    ("Revoked", "by"),
    ("DatasetRegistered", "hospital"),
    ("DatasetRegistered", "predecessor"),
    ("AggregateRefuted", "index"),
    ("ReviewCommitted", "hash"),
    ("ReviewRevealed", "data"),
    ("PatientPaid", "seat"),
    ("BytesLacking", "missing"),
}
# Said once more, they say nothing new.
# Terms set twice within a second are what they were.
HARMLESS_TWICE = {"Credited", "ModelWithdrawn", "TermsSet"}
# Kinds of events that `contested` has none of.
PROOFS = ("RoundTainted", "RoundRefuted", "RoundVoid", "StudyAborted", "Abstained", "UpdateStruck")


def shown(world, study, number=0):
    """What a hospital shows an auditor."""
    hospital = world.hospital(world.members[number])
    history = read_study(world.index, study)
    return disclosure(world.federation(), history, history.enrolment(hospital.id), hospital.holdings)


def stored(world) -> list[Path]:
    """Every file of the study's store, oldest name first."""
    return sorted((world.folder / "store" / "objects").glob("*/*"))


class TestARightStudy:
    def test_is_right(self, ended):
        report = audit_study(ended.federation, ended.study)
        assert report.ok
        assert report.verdict == "Everything that can be checked is right."
        assert [entry.verdict for entry in report.rounds] == ["right", "right"]

    def test_tells_what_it_could_not_check(self, ended):
        report = audit_study(ended.federation, ended.study)
        assert all(
            sum("needs its disclosure" in text for text in entry.unchecked) == 3 for entry in report.rounds
        )
        assert any("invented patients" in text for text in report.unchecked)

    def test_with_disclosures_every_leaf_has_its_consent(self, ended):
        given = tuple(shown(ended.world, ended.study, number) for number in range(3))
        report = audit_study(ended.federation, ended.study, given)
        assert report.ok
        assert not any("disclosure" in text for entry in report.rounds for text in entry.unchecked)
        every = tuple(entry.round for entry in report.rounds)
        assert dict(report.disclosed) == {0: every, 1: every, 2: every}

    def test_what_a_disclosure_shows_is_proved_no_better_than_the_rest(self, ended):
        report = audit_study(ended.federation, ended.study, (shown(ended.world, ended.study),))
        for unproved, heading in (((), "Proved"), (("events",), "Only consistent, not proved")):
            sections = verdict_of(replace(report, unproved=unproved), {}, (), NOBODY).sections
            told = [name for name, texts in sections for text in texts if "by its disclosure (" in text]
            assert told == [heading]

    def test_seats_are_told_in_order(self, ended):
        first = audit_study(ended.federation, ended.study).rounds[0]
        assert list(first.unchecked) == sorted(first.unchecked)

    def test_needs_nothing_but_rpc_and_store(self, ended):
        """A new index, another object for the same store, no key: the same verdict, check by check."""
        world = ended.world
        index = open_index(world.contracts, None)
        fresh = Federation(world.client, world.contracts, LocalStore(world.folder / "store"), index)
        assert audit_study(fresh, ended.study) == audit_study(ended.federation, ended.study)


class TestUnfinishedStudies:
    def test_an_open_round_is_not_judged(self, world, three):
        study = world.opened(*three)
        report = audit_study(world.federation(), study)
        assert [entry.verdict for entry in report.rounds] == ["not checked"]
        assert report.verdict == "No round has ended yet; what there is, is right."

    def test_a_study_without_rounds(self, world):
        report = audit_study(world.federation(), world.post())
        assert (report.state, report.rounds, report.ok) == ("enrolling", (), True)

    def test_a_cancelled_study_is_refunded_in_full(self, world):
        study = world.post()
        rounds = world.contracts.rounds
        world.send(world.sponsor, rounds.cancel(study))
        world.send(world.sponsor, world.contracts.studies.refund(study))
        report = audit_study(world.federation(), study)
        assert (report.state, report.ok) == ("aborted", True)

    def test_an_unknown_study_is_named(self, ended):
        with pytest.raises(InputError, match="There is no study 4711"):
            audit_study(ended.federation, StudyId(4711))


class TestAbsence:
    def test_a_silent_hospital_is_slashed_and_nobody_has_any_of_it(self, world, three):
        """What an absence costs is burnt; the round pays no more than it would have."""
        study = world.opened(*three, rounds=2)
        world.run(*three[:2])
        world.client.travel(1001)
        world.run(*three[:2], cycles=6)
        assert world.index.events("RoundFinal", study=study)
        world.run(*three, cycles=8)  # the hospitals that were there record it
        world.client.travel(301)
        world.run(*three, cycles=2)
        (event,) = world.index.events("AbsencesRecorded", study=study, round=1)
        assert (event["warned"], event["slashed"]) == (0, 0b100)
        (burnt,) = world.index.events("Burnt", study=study)
        assert burnt["amount"] == STAKE * world.contracts.studies.slash_bps() // 10_000
        assert sum(e["amount"] for e in world.index.events("Claimed", study=study)) == 2 * REWARD
        assert world.study(study).ended == "completed"
        assert audit_study(world.federation(), study).ok

    def test_a_hospital_that_was_suspended_leaves_its_part_to_nobody(self, world, three):
        """Each of the others is paid as if it had submitted; whoever hides that it was suspended is found out."""
        study, vault = world.opened(*three, rounds=1), world.contracts.vault
        world.send(world.consortium, world.contracts.consortium.suspend(world.members[2].id))
        world.run(*three, cycles=4)
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=2)
        history = world.round(study, 1)
        assert set(history.kept_away) == {2}
        paid = {e["seat"]: e["amount"] for e in world.index.events("Claimed", study=study)}
        assert paid == {seat: pay_of(world.study(study).terms, history, seat) for seat in (0, 1)}
        assert vault.pot(study).amount == REWARD - sum(paid.values()) > REWARD // 4
        assert audit_study(world.federation(), study).ok
        (table,) = (each for each in world.index._tables.values() if each.spec.name == "HospitalSuspended")
        world.index._db.execute(f'DELETE FROM "{table.name}"')
        report = audit_events(world.federation(), study)
        assert "who was absent, by the chain, is not what the events say" in report.difference

    def test_a_void_round_is_nobodys_pay(self, world, three):
        """Nobody submitted, so nobody is absent; the next round pays what every round pays."""
        study = world.opened(*three, rounds=1)
        world.client.travel(1001)
        world.send(world.sponsor, world.contracts.rounds.advance(study))
        world.run(*three, cycles=6)
        assert due_absences(world.index, world.study(study), world.round(study, 1)) == 0
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=2)
        assert sum(e["amount"] for e in world.index.events("Claimed", study=study)) == REWARD
        report = audit_study(world.federation(), study)
        assert [entry.state for entry in report.rounds] == ["void", "final"]
        assert report.ok

    def test_a_suspended_hospital_is_not_absent(self, world, three):
        """Neither by the contract nor by who looks for absences; and whoever says that it is, is found."""
        study = world.opened(*three, rounds=1)
        world.run(*three[:2])
        consortium = world.contracts.consortium
        for call in (consortium.suspend(world.members[2].id), consortium.reinstate(world.members[2].id)):
            world.send(world.consortium, call)
        world.client.travel(1001)
        world.run(*three[:2], cycles=6)
        assert world.study(study).ended == "completed"
        assert due_absences(world.index, world.study(study), world.round(study, 1)) == 0
        with pytest.raises(ContractRevert, match="absen"):
            world.send(world.sponsor, world.contracts.claims.record_absences(study, 1))
        assert audit_study(world.federation(), study).ok


class TestWrongBytes:
    def test_one_flipped_byte_anywhere_is_found(self, ended):
        """In any file of the store, at a random place: the study is wrong, and the file's CID is named."""
        draw = random.Random(7)
        for path in stored(ended.world):
            data = path.read_bytes()
            place = draw.randrange(len(data))
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :])
            try:
                report = audit_study(ended.federation, ended.study)
            finally:
                path.write_bytes(data)
            assert path.name in report.difference

    def test_a_missing_file_never_makes_the_verdict_right(self, ended):
        """What was recomputed anyway is only told; where the verdict hangs on it, there is none."""
        needed = 0
        for path in stored(ended.world):
            data = path.read_bytes()
            path.unlink()
            try:
                report = audit_study(ended.federation, ended.study)
            finally:
                path.write_bytes(data)
            assert not report.difference
            told = (*report.unchecked, *(text for entry in report.rounds for text in entry.unchecked))
            assert any(path.name in text for text in (report.missing, *told))
            needed += not report.ok
        # The spec; two rounds of three updates and manifests.
        assert needed == 1 + 2 * 3 * 2

    def test_a_round_after_a_missing_one_is_still_checked(self, ended):
        """The published model stands in for what could not be recomputed."""
        world = ended.world
        update = world.round(ended.study, 1).updates[0]
        path = next(path for path in stored(world) if path.name == cid_from_digest(update.cid))
        data = path.read_bytes()
        path.unlink()
        try:
            report = audit_study(ended.federation, ended.study)
        finally:
            path.write_bytes(data)
        assert [entry.verdict for entry in report.rounds] == ["not checked", "right"]
        assert report.verdict.startswith("NOT CHECKED: Round 1: the update of seat 0")


def rows(ended, contracts=CONTRACTS):
    """Every event that belongs to the ended study: its table, and the row as it is stored."""
    world = ended.world
    datasets = {member.dataset for member in world.members}
    patients = {bytes.fromhex(world.members[0].wallet.account(n).address[2:]) for n in ended.revoked}
    owned = {
        "v_study": {ended.study},
        "v_model": {ended.study},
        "v_dataset_id": datasets,
        "v_dataset": datasets,
        "v_patient": patients,
    }
    for table in world.index._tables.values():
        if table.spec.contract not in contracts:
            continue
        names = [f"v_{leaf.name}" for leaf in table.spec.leaves]
        key = next((name for name in owned if name in names), None)
        if key is not None:
            sql = f'SELECT * FROM "{table.name}" ORDER BY block, place'
            place = 3 + names.index(key)
            yield from (
                (table, row) for row in world.index._db.execute(sql).fetchall() if row[place] in owned[key]
            )


def columns(table):
    """The values of an event that can be changed one by one, with their places; of a list the last word."""
    if table.spec.static:
        return [(f"v_{leaf.name}", 3 + place) for place, leaf in enumerate(table.spec.leaves)]
    return [("data", 4 + len(table.spec.leaves))]


def changed(value):
    """Another value of the same kind and size."""
    return value ^ 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1])


def by_kind(ended, contracts, kinds):
    """Their rows, by table; of the `kinds` given or of all."""
    found = defaultdict(list)
    for table, row in rows(ended, contracts):
        if not kinds or table.spec.name in kinds:
            found[table].append(row)
    return found


def unfound_changes(ended, seed, contracts=CONTRACTS, kinds=()):
    """Each value of each kind of event changed, in a row drawn at random: those that the audit does not notice."""
    database, draw, unfound = ended.world.index._db, random.Random(seed), set()
    tables = by_kind(ended, contracts, kinds)
    for table, found in tables.items():
        for name, place in columns(table):
            row = draw.choice(found)
            sql = f'UPDATE "{table.name}" SET "{name}" = ? WHERE block = ? AND place = ?'
            database.execute(sql, (changed(row[place]), *row[:2]))
            if _judged(ended):
                unfound.add((table.spec.name, name.removeprefix("v_")))
            database.execute(sql, (row[place], *row[:2]))
    assert audit_study(ended.federation, ended.study).ok
    return unfound, len(tables)


@pytest.mark.slow
def test_one_changed_value_of_any_event_is_found(ended):
    """A file tampered with, or a node that lies about an event: the storage of the contracts bears the truth out."""
    unfound, kinds = unfound_changes(ended, 11)
    assert kinds >= 15
    assert unfound <= WITHOUT_CONSEQUENCE


@pytest.mark.full
def test_one_changed_value_of_any_dispute_payment_or_sale_is_found(contested):
    unfound, kinds = unfound_changes(contested, 12, PROCEEDINGS)
    assert kinds >= 25
    assert unfound <= WITHOUT_CONSEQUENCE


@pytest.mark.slow
def test_one_event_left_out_is_found(ended):
    """What a node does not tell shows just as well."""
    assert unfound_gaps(ended) == []


@pytest.mark.slow
def test_one_dispute_payment_or_sale_left_out_is_found(contested):
    assert unfound_gaps(contested, PROCEEDINGS) == []


@pytest.mark.full
def test_one_changed_value_of_any_proof_or_slash_is_found(undone):
    unfound, kinds = unfound_changes(undone, 13, MONEY)
    more, proofs = unfound_changes(undone, 14, ("FederatedRounds",), PROOFS)
    assert (kinds >= 20, proofs) == (True, len(PROOFS))
    assert unfound | more <= WITHOUT_CONSEQUENCE


@pytest.mark.slow
def test_one_proof_or_slash_left_out_is_found(undone):
    assert unfound_gaps(undone, MONEY) + unfound_gaps(undone, ("FederatedRounds",), PROOFS) == []


@pytest.mark.slow
@pytest.mark.parametrize("study", ["contested", "undone"])
def test_one_event_told_twice_is_found(study, request):
    """An invented event, made of one that there was: found, unless nothing more follows from it."""
    unfound = unfound_inventions(request.getfixturevalue(study), PROCEEDINGS)
    assert unfound <= HARMLESS_TWICE


@pytest.mark.slow
@pytest.mark.parametrize("study", ["contested", "undone"])
def test_no_event_of_a_round_that_never_opened_is_taken(study, request):
    played = request.getfixturevalue(study)
    database, unfound = played.world.index._db, set()
    beyond = played.world.study(played.study).rounds + 1
    for table, found in by_kind(played, PROCEEDINGS, ()).items():
        names = [leaf.name for leaf in table.spec.leaves]
        if not table.spec.static or "round" not in names:
            continue
        row = list(found[0])
        row[1], row[3 + names.index("round")] = row[1] + 1000, beyond
        database.execute(table.insert, row)
        if _judged(played):
            unfound.add(table.spec.name)
        database.execute(f'DELETE FROM "{table.name}" WHERE block = ? AND place = ?', row[:2])
    assert unfound == set()


def unfound_inventions(ended, contracts):
    """One event of each kind told again, at the end of its block: those that the audit takes."""
    database, draw, unfound = ended.world.index._db, random.Random(15), set()
    for table, found in by_kind(ended, contracts, ()).items():
        block, place, *rest = draw.choice(found)
        database.execute(table.insert, (block, place + 1000, *rest))
        if _judged(ended):
            unfound.add(table.spec.name)
        database.execute(f'DELETE FROM "{table.name}" WHERE block = ? AND place = ?', (block, place + 1000))
    return unfound


def unfound_gaps(ended, contracts=CONTRACTS, kinds=()):
    """Each event left out: those that the audit does not miss."""
    database, unfound = ended.world.index._db, []
    everything = by_kind(ended, contracts, kinds).items()
    for table, row in ((table, row) for table, found in everything for row in found):
        if table.spec.name == "Granted" and row[3] != steady_patient(ended):
            continue  # fifty of them: one is enough
        database.execute(f'DELETE FROM "{table.name}" WHERE block = ? AND place = ?', row[:2])
        if _judged(ended):
            unfound.append(table.spec.name)
        database.execute(table.insert, row)
    return unfound


def steady_patient(ended) -> bytes:
    """A patient of the first hospital who stays."""
    wallet = ended.world.members[0].wallet
    number = next(number for number in range(PATIENTS) if number not in ended.revoked)
    return bytes.fromhex(wallet.account(number).address[2:])


def _judged(ended) -> bool:
    """Whether the audit says right."""
    try:
        report = audit_events(ended.federation, ended.study)
    except (InputError, ProtocolError):
        return False  # the study is not there any more, or cannot be read
    return report.ok and not any("dataset" in text and "quality" in text for text in report.unchecked)


class TestDisclosures:
    def test_a_patient_without_consent_is_found(self, world, three, monkeypatch):
        """A hospital that lists somebody who has revoked: right by public data, wrong by its disclosure."""
        member, hospital = world.members[0], three[0]
        patient = member.wallet.account(0)
        world.client.set_balance(patient.address, 10**18)
        world.send(patient, world.contracts.consents.revoke(member.dataset))
        study = world.opened(*three, rounds=1)
        with monkeypatch.context() as cheating:
            # As many as a step takes: of more, the draw could pass the one over.
            everybody = {member.wallet.account(index).address: NO_DETAILS for index in range(16)}
            cheating.setattr(cohort, "counted", lambda *_: everybody)
            cheating.setattr(cohort._Round, "is_untold", lambda *_: False)
            hospital.execute()
            world.index.sync()
            given = shown(world, study)
        world.run(*three, cycles=6)
        assert audit_study(world.federation(), study).ok
        report = audit_study(world.federation(), study, (given,))
        assert "the manifest of seat 0: 1 of its patients had not consented at second" in report.difference

    def test_with_another_salt_is_found(self, ended):
        given = shown(ended.world, ended.study)
        first, second = given.rounds
        uses = (first.uses[0].model_copy(update={"salt": second.uses[0].salt}), *first.uses[1:])
        wrong = given.model_copy(update={"rounds": (first.model_copy(update={"uses": uses}), second)})
        report = audit_study(ended.federation, ended.study, (wrong,))
        assert "Entry 1 of round 1 of the disclosure has another leaf" in report.difference

    @pytest.mark.parametrize(
        "change", [{"study": 99}, {"chain_id": 5}, {"hospital": "0x" + "11" * 20}, {"dataset": 77}]
    )
    def test_of_something_else_is_refused(self, ended, change):
        given = shown(ended.world, ended.study).model_copy(update=change)
        with pytest.raises(InputError, match="proves nothing about study"):
            audit_study(ended.federation, ended.study, (given,))

    def test_that_names_too_few_is_found(self, ended):
        given = shown(ended.world, ended.study)
        first, second = given.rounds
        short = given.model_copy(
            update={"rounds": (first.model_copy(update={"uses": first.uses[:3]}), second)}
        )
        report = audit_study(ended.federation, ended.study, (short,))
        assert "which is not weight" in report.difference


class TestAContestedStudy:
    def test_is_right(self, contested):
        """An objection that was lost, a strike, a refuted claim, a claim final by time, reviews, patients, licences."""
        report = audit_study(contested.federation, contested.study)
        assert report.difference == report.missing == ""
        claims = [[(c.attempt, c.state, c.verdict) for c in entry.claims] for entry in report.rounds]
        assert claims == [[(0, "settled", "right")], [(0, "refuted", "wrong"), (1, "settled", "right")]]
        assert dict(contested.world.study(contested.study).barred) == {0: 2, 2: 2}


class TestAnUndoneStudy:
    def test_is_right(self, undone):
        """One left out, a void round with objections and one who did nothing, a lost stake shared out, a result that was
        tainted and then refuted; claims of several rounds, and the refund."""
        report = audit_study(undone.federation, undone.study)
        assert report.difference == report.missing == ""
        assert [entry.state for entry in report.rounds] == ["final", "void", "void", "refuted", "void"]

    def test_has_every_kind_of_slash(self, undone):
        """Else the tests below would show nothing."""
        index, study = undone.world.index, undone.study
        for kind in ("Compensated", "Kept", "CarelessSlashed", "ChallengerPaid"):
            assert index.events(kind, study=study)
        lost = [event["seats"] for event in index.events("StakeLost", study=study)]
        assert lost == [0b0100, 0b1000, 0b0011]
        absences = [(e["warned"], e["slashed"]) for e in index.events("AbsencesRecorded", study=study)]
        assert absences == [(0b1000, 0), (0, 0b1000)]
        settled = [
            (e["from_author"], e["from_objector"]) for e in index.events("AttemptSettled", study=study)
        ]
        assert settled == [(0, BOND), (0, 0)]

    def test_burns_what_nobody_may_have(self, undone):
        """The sponsor has its refund, never a part of a stake: all of these but the challenger's share and what is for those
        that remained is burnt, half of each at least. What nobody earned or claimed is in the pot."""
        world, study = undone.world, undone.study

        def total(name):
            return sum(event["amount"] for event in world.index.events(name, study=study))

        assert total("Slashed") == total("ChallengerPaid") + total("Kept") + total("Burnt")
        assert total("Burnt") >= total("Slashed") / 2
        assert total("Kept") == total("Compensated") == 180
        pot = total("Funded") + total("Kept") - total("Claimed") - total("Refunded")
        assert world.contracts.vault.pot(study).amount == pot > 0

    def test_pays_several_rounds_at_one_go(self, undone):
        world, study = undone.world, undone.study
        hospital = world.study(study).entry(0).hospital
        claimed = [event["amount"] for event in world.index.events("Claimed", study=study, seat=0)]
        paid = world.index.events("Paid", study=study, account=hospital)
        assert len(claimed) == 2
        assert [event["amount"] for event in paid] == [sum(claimed)]


class TestLies:
    """What the audit says of those that are still standing, and of those that were proved."""

    @pytest.fixture
    def trial(self, world, three):
        trial = Trial(world, world.opened(*three, rounds=1, bond=BOND, claim_seconds=CLAIM), three)
        trial.train(1, 0, 1, 2)
        return trial

    def test_a_wrong_claim_that_is_pending_is_shouted(self, trial):
        """Also when every hospital is asleep: whoever audits still has the time to challenge it."""
        wrong, _ = trial.lie(1)
        trial.claim(1, wrong)
        report = audit_study(trial.world.federation(), trial.study)
        assert re.search(
            r"claim 0 of seat 1 is wrong: its root is not what .* becomes final at second \d+ unless",
            report.difference,
        )
        assert [(c.state, c.verdict) for c in report.rounds[0].claims] == [("pending", "wrong")]

    def test_a_claim_with_a_wrong_model_is_shouted_though_no_chunk_shows_it(self, trial):
        right, _ = trial.truth(1)
        trial.claim(1, replace(right, model=b"\7" * 32))
        report = audit_study(trial.world.federation(), trial.study)
        assert "its model is not what the updates come to" in report.difference
        assert "object to it" in report.difference

    def test_a_right_claim_is_right_while_it_pends(self, trial):
        trial.claim(1, trial.truth(1)[0])
        report = audit_study(trial.world.federation(), trial.study)
        assert (report.difference, report.rounds[0].claims[0].verdict) == ("", "right")

    def test_a_lying_quorum_is_wrong_until_it_is_proved(self, trial):
        """Then the round counts as refuted: its attesters have lost their stake, the sponsor has its money back."""
        world = trial.world
        wrong, data = trial.lie(1)
        trial.attest(1, wrong, 0, 1)
        report = audit_study(world.federation(), trial.study)
        assert report.difference.startswith("Round 1: the aggregate's root is not what the updates come to")
        trial.challenge(1, wrong, data)
        world.client.travel(DISPUTE)
        trial.close(0, 1, 2)
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        assert [(entry.state, entry.verdict) for entry in report.rounds] == [("refuted", "right")]
        assert len(world.index.events("Refunded", study=trial.study)) == 1

    @pytest.mark.parametrize("order", [(2, 1), (1, 2)])
    def test_lies_in_two_rounds_are_both_undone(self, world, three, order):
        """In any order: the liars lose their stakes once and are paid for neither round; who did not attest to them is paid
        for both, at one go, as if they were right; the sponsor is refunded the round that was never final."""
        trial = Trial(world, world.opened(*three, rounds=3), three)
        lies = {}
        for number in (1, 2):
            trial.train(number, 0, 1, 2)
            lies[number] = trial.lie(number)
            trial.attest(number, lies[number][0], 0, 1)
        for number in order:
            trial.challenge(number, *lies[number])
        trial.wait(DISPUTE)
        for seat in (0, 1):
            with pytest.raises(ContractRevert) as refused:
                trial.pay(seat, 1)
            assert refused.value.name == "PayVoid"
        trial.pay(2, 1, 2)
        trial.close(0, 1, 2)
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        assert [entry.state for entry in report.rounds] == ["refuted", "refuted", "void"]
        told = world.study(trial.study)
        assert (told.undone_from, dict(told.barred), told.stakes_lost) == (1, {0: 1, 1: 1}, 0b011)
        assert len(world.index.events("StakeLost", study=trial.study)) == 1
        (refund,) = world.index.events("Refunded", study=trial.study)
        assert refund["amount"] == REWARD
        released = {e["seat"]: e["amount"] for e in world.index.events("StakeReleased", study=trial.study)}
        assert released == {0: 0, 1: 0, 2: STAKE}

    @pytest.mark.parametrize("first", ["strike", "refute"])
    def test_a_result_is_tainted_and_refuted_in_any_order(self, world, three, first):
        """Tainted alone costs its attesters a part; refuted, before or after, all that is left."""
        trial = Trial(world, world.opened(*three, rounds=2), three)
        trial.submit_wrong(1, 2)
        trial.train(1, 0, 1)
        lie, data = trial.pretend(1)
        trial.attest(1, lie, 0, 1)
        if first == "strike":
            trial.strike(1, 2)
            report = audit_study(world.federation(), trial.study)
            assert report.rounds[0].state == "tainted"
            assert report.difference.startswith(
                "Round 1: the aggregate's root is not what the updates come to"
            )
        trial.challenge(1, lie, data)
        if first == "refute":
            trial.strike(1, 2)
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        assert [entry.state for entry in report.rounds] == ["refuted", "void"]
        careless = world.index.events("CarelessSlashed", study=trial.study)
        assert [event["seats"] for event in careless] == ([0b011] if first == "strike" else [])
        assert world.study(trial.study).stakes_lost == 0b111

    def test_a_tainted_result_that_is_the_sum_is_right(self, world, three):
        """Its attesters added up what no update may hold: that is careless, no lie, and there is nothing to refute."""
        trial = Trial(world, world.opened(*three, rounds=2), three)
        trial.submit_wrong(1, 2)
        trial.train(1, 0, 1)
        trial.attest(1, trial.sum_of_all(1), 0, 1, 2)
        trial.strike(1, 2)
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        assert (report.rounds[0].state, report.rounds[0].verdict) == ("tainted", "right")
        (careless,) = world.index.events("CarelessSlashed", study=trial.study)
        assert careless["seats"] == 0b011, "the author lost everything before"

    def test_half_of_a_lost_stake_may_be_shared_out(self, world, three):
        """Where a round pays more than that: nothing is left for a challenger, and the other half is burnt."""
        trial = Trial(world, world.opened(*three, rounds=1, min_hospitals=3, max_voids=0), three)
        trial.submit_wrong(1, 2)
        trial.train(1, 0, 1)
        trial.strike(1, 2)
        trial.send(world.contracts.rounds.advance(trial.study))
        trial.wait(DISPUTE)
        for seat in (0, 1):
            trial.pay(seat, 1)
        trial.close(0, 1, 2)
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        index, study = world.index, trial.study
        assert [event["amount"] for event in index.events("Kept", study=study)] == [STAKE // 2]
        assert [event["amount"] for event in index.events("Claimed", study=study)] == [STAKE // 4] * 2
        assert [event["amount"] for event in index.events("Burnt", study=study)] == [STAKE // 2]
        assert not index.events("ChallengerPaid", study=study)

    def test_who_leaves_before_bytes_are_due_owes_nobody(self, world, three):
        """Struck while others still train, though too few had submitted then: nobody had shown a vector."""
        trial = Trial(world, world.opened(*three, rounds=1), three)
        trial.train(1, 0)
        trial.submit_wrong(1, 2)
        trial.strike(1, 2)
        trial.train(1, 1)
        trial.publish(1, 0)
        trial.attest(1, trial.truth(1)[0], 0, 1)
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        assert report.rounds[0].state == "final"
        assert not world.index.events("Compensated", study=trial.study)

    def test_who_is_struck_after_a_void_round_stays_in_its_set(self, world, three):
        """And its author, who did nothing for the round, is slashed once."""
        trial = Trial(world, world.opened(*three, rounds=1, max_voids=0), three)
        trial.submit_wrong(1, 2)
        trial.train(1, 0, 1)
        trial.wait(PHASE)
        trial.send(world.contracts.rounds.advance(trial.study))
        trial.strike(1, 2)
        trial.send(world.contracts.claims.record_absences(trial.study, 1))
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        (event,) = world.index.events("AbsencesRecorded", study=trial.study)
        assert (event["warned"], event["slashed"]) == (0, 0b011)

    @pytest.mark.parametrize("by", ["time", "quorum"])
    def test_a_claim_that_became_final_and_was_a_lie(self, trial, by):
        """By time it costs its author bond and stake; by a quorum, after it was proved wrong as a claim, it is proved once
        more as the result."""
        world, claims = trial.world, trial.world.contracts.claims
        wrong, data = trial.lie(1)
        trial.claim(1, wrong)
        if by == "time":
            trial.wait(CLAIM)
            trial.send(claims.finalise(trial.study, 1, wrong))
            trial.challenge(1, wrong, data)
        else:
            trial.challenge(1, wrong, data)
            trial.attest(1, wrong, 0, 2)
            trial.challenge(1, wrong, data)
        trial.send(claims.settle(trial.study, 1, 0, wrong))
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        assert [(c.state, c.verdict) for c in report.rounds[0].claims] == [("refuted", "wrong")]
        (settled,) = world.index.events("AttemptSettled", study=trial.study)
        assert settled["from_author"] == BOND
        assert world.study(trial.study).stakes_lost == (0b010 if by == "time" else 0b101)

    def test_a_claim_without_its_bytes_is_not_checked(self, trial):
        """A withheld update makes a claim over it neither right nor wrong."""
        trial.claim(1, trial.truth(1)[0])
        cid = cid_from_digest(trial.world.round(trial.study, 1).updates[0].cid)
        path = next(path for path in stored(trial.world) if path.name == cid)
        path.unlink()
        report = audit_study(trial.world.federation(), trial.study)
        assert [(c.state, c.verdict) for c in report.rounds[0].claims] == [("pending", "not checked")]
        assert report.missing


class TestBonds:
    """Whose bond is lost follows from roots, which can be proved, and from nothing else that a claim says."""

    @pytest.fixture
    def trial(self, world, three):
        trial = Trial(world, world.opened(*three, rounds=1, bond=BOND, claim_seconds=CLAIM), three)
        vault, token = world.contracts.vault, world.contracts.development_token
        trial.send(token.approve(vault.address, BOND))
        trial.send(vault.deposit(token.address, BOND, world.sponsor.address))
        trial.train(1, 0, 1, 2)
        return trial

    def judged(self, trial, claimed, result) -> tuple[int, int]:
        """Claimed, objected to by a stranger, and settled when another hospital's quorum has its result: what each lost."""
        world, claims = trial.world, trial.world.contracts.claims
        trial.claim(1, claimed)
        trial.send(claims.object(trial.study, 1, 0))
        trial.attest(1, result, 0, 1)
        study, history = world.study(trial.study), world.round(trial.study, 1)
        book = read_contest(world.index, study, history)
        assert book.settlement(book.claims[0], history.final_at + DISPUTE - 1) is None
        foreseen = book.settlement(book.claims[0], history.final_at + DISPUTE)
        trial.wait(DISPUTE)
        trial.send(settle_call(claims, book, 0))
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        (event,) = world.index.events("AttemptSettled", study=trial.study)
        assert (event["from_author"], event["from_objector"]) == foreseen
        return foreseen

    @pytest.mark.parametrize("field", ["model", "cid"])
    def test_an_author_whose_root_is_right_keeps_its_bond(self, trial, field):
        """Though a quorum named another model or file; who objected to that root as a stranger has lost."""
        right, _ = trial.truth(1)
        assert self.judged(trial, replace(right, **{field: b"\7" * 32}), right) == (0, BOND)

    def test_an_author_of_another_root_loses_it(self, trial):
        right, _ = trial.truth(1)
        assert self.judged(trial, replace(right, root=b"\7" * 32), right) == (BOND, 0)

    def test_over_another_set_nobody_is_judged(self, trial):
        right, _ = trial.truth(1)
        assert self.judged(trial, replace(right, root=b"\7" * 32), trial.truth(1, 2)[0]) == (0, 0)

    def test_a_stranger_that_kept_a_round_from_its_end_has_lost(self, trial):
        """Void by time, and nobody proved the claim wrong."""
        world, claims = trial.world, trial.world.contracts.claims
        right, _ = trial.truth(1)
        trial.claim(1, right)
        trial.send(claims.object(trial.study, 1, 0))
        trial.wait(2 * PHASE)
        trial.send(world.contracts.rounds.advance(trial.study))
        trial.send(claims.settle(trial.study, 1, 0, right))
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        (event,) = world.index.events("AttemptSettled", study=trial.study)
        assert (event["from_author"], event["from_objector"]) == (0, BOND)
        assert world.index.events("Burnt", study=trial.study)[-1]["amount"] == BOND
