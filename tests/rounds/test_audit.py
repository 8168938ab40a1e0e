"""The audit: right for what is right, and never for anything else."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from medfed.chain.deployment import open_index
from medfed.errors import InputError
from medfed.protocol.cid import cid_from_digest
from medfed.rounds import cohort
from medfed.rounds.audit import audit_study
from medfed.rounds.disclose import disclosure
from medfed.rounds.federation import Federation
from medfed.rounds.history import read_study
from medfed.storage.local import LocalStore
from medfed.types import StudyId
from tests.nodes.federation import DISPUTE, PATIENTS
from tests.rounds.trial import BOND, CLAIM, Trial

CONTRACTS = ("FederatedRounds", "ConsentRegistry", "DatasetRegistry")
PROCEEDINGS = ("FederatedRounds", "StakeVault", "Disputes", "Rewards", "ModelMarket")
# What nothing follows from: by whose hand a consent ended; who registered a dataset (the seat names the hospital); the wrong
# chunk of a claim whose bytes nobody keeps; what a reviewer committed to, and said where the median stays; which of two seats of
# one weight a patient was of.
WITHOUT_CONSEQUENCE = {
    ("Revoked", "by"),
    ("DatasetRegistered", "hospital"),
    ("AggregateRefuted", "index"),
    ("ReviewCommitted", "hash"),
    ("ReviewRevealed", "data"),
    ("PatientPaid", "seat"),
}


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
        world.send(world.sponsor, rounds.refund(study))
        report = audit_study(world.federation(), study)
        assert (report.state, report.ok) == ("aborted", True)

    def test_an_unknown_study_is_named(self, ended):
        with pytest.raises(InputError, match="There is no study 4711"):
            audit_study(ended.federation, StudyId(4711))


class TestAbsence:
    def test_a_silent_hospital_is_slashed_and_its_stake_joins_the_reward(self, world, three):
        """Slashed into the running round, paid out there, and the audit follows each step."""
        study = world.opened(*three, rounds=2)
        world.run(*three[:2])
        world.client.travel(1001)
        world.run(*three[:2], cycles=6)
        assert world.index.events("RoundFinal", study=study)
        world.run(*three, cycles=8)  # the hospitals that were there record it
        world.client.travel(301)
        world.run(*three, cycles=2)
        assert world.index.events("AbsenceSlashed", study=study)
        assert world.study(study).ended == "completed"
        assert audit_study(world.federation(), study).ok

    def test_a_void_round_passes_its_reward_on(self, world, three):
        study = world.opened(*three, rounds=1)
        world.client.travel(1001)
        world.send(world.sponsor, world.contracts.rounds.advance(study))
        world.run(*three, cycles=6)
        report = audit_study(world.federation(), study)
        assert [entry.state for entry in report.rounds] == ["void", "final"]
        assert report.ok


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


def unfound_changes(ended, seed, contracts=CONTRACTS):
    """Each value of each kind of event changed, in a row drawn at random: those that the audit does not notice."""
    database, draw, unfound = ended.world.index._db, random.Random(seed), set()
    by_kind = defaultdict(list)
    for table, row in rows(ended, contracts):
        by_kind[table].append(row)
    for table, found in by_kind.items():
        for name, place in columns(table):
            row = draw.choice(found)
            sql = f'UPDATE "{table.name}" SET "{name}" = ? WHERE block = ? AND place = ?'
            database.execute(sql, (changed(row[place]), *row[:2]))
            if _judged(ended):
                unfound.add((table.spec.name, name.removeprefix("v_")))
            database.execute(sql, (row[place], *row[:2]))
    assert audit_study(ended.federation, ended.study).ok
    return unfound, len(by_kind)


@pytest.mark.slow
def test_one_changed_value_of_any_event_is_found(ended):
    """A file tampered with, or a node that lies about an event: the storage of the contracts bears the truth out."""
    unfound, kinds = unfound_changes(ended, 11)
    assert kinds >= 15
    assert unfound <= WITHOUT_CONSEQUENCE


@pytest.mark.slow
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


def unfound_gaps(ended, contracts=CONTRACTS):
    """Each event left out: those that the audit does not miss."""
    database, unfound = ended.world.index._db, []
    for table, row in rows(ended, contracts):
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
        report = audit_study(ended.federation, ended.study)
    except InputError:
        return False  # the study is not there any more
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
            everybody = frozenset(member.wallet.account(index).address for index in range(16))
            cheating.setattr(cohort, "consented", lambda *_: everybody)
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
        """A refuted claim, an objection that was lost, a strike, a claim final by time, reviews, patients, licences."""
        report = audit_study(contested.federation, contested.study)
        assert report.difference == report.missing == ""
        claims = [[(c.attempt, c.state, c.verdict) for c in entry.claims] for entry in report.rounds]
        assert claims == [[(0, "refuted", "wrong"), (1, "settled", "right")], [(0, "settled", "right")]]


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
        for seat in range(3):
            world.send(world.sponsor, world.contracts.rounds.release(trial.study, seat))
        world.send(world.sponsor, world.contracts.rounds.refund(trial.study))
        report = audit_study(world.federation(), trial.study)
        assert (report.difference, report.missing) == ("", "")
        assert [(entry.state, entry.verdict) for entry in report.rounds] == [("refuted", "right")]
        assert len(world.index.events("Refunded", study=trial.study)) == 1

    def test_a_claim_without_its_bytes_is_not_checked(self, trial):
        """A withheld update makes a claim over it neither right nor wrong."""
        trial.claim(1, trial.truth(1)[0])
        cid = cid_from_digest(trial.world.round(trial.study, 1).updates[0].cid)
        path = next(path for path in stored(trial.world) if path.name == cid)
        path.unlink()
        report = audit_study(trial.world.federation(), trial.study)
        assert [(c.state, c.verdict) for c in report.rounds[0].claims] == [("pending", "not checked")]
        assert report.missing
