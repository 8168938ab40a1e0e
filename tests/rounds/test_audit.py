"""The audit: right for what is right, and never for anything else."""

from __future__ import annotations

import random
from collections import defaultdict
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
from tests.nodes.federation import PATIENTS

CONTRACTS = ("FederatedRounds", "ConsentRegistry", "DatasetRegistry")
# What nothing follows from: by whose hand a consent ended, and who registered a dataset (the seat names the hospital).
WITHOUT_CONSEQUENCE = {("Revoked", "by"), ("DatasetRegistered", "hospital")}


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


def rows(ended):
    """Every event that belongs to the ended study: its table, and the row as it is stored."""
    world = ended.world
    datasets = {member.dataset for member in world.members}
    patients = {bytes.fromhex(world.members[0].wallet.account(n).address[2:]) for n in ended.revoked}
    owned = {"v_study": {ended.study}, "v_dataset_id": datasets, "v_dataset": datasets, "v_patient": patients}
    for table in world.index._tables.values():
        if table.spec.contract not in CONTRACTS or not table.spec.static:
            continue
        names = [f"v_{leaf.name}" for leaf in table.spec.leaves]
        key = next((name for name in owned if name in names), None)
        if key is not None:
            sql = f'SELECT * FROM "{table.name}" ORDER BY block, place'
            place = 3 + names.index(key)
            yield from (
                (table, row) for row in world.index._db.execute(sql).fetchall() if row[place] in owned[key]
            )


def changed(value):
    """Another value of the same kind and size."""
    return value ^ 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1])


@pytest.mark.slow
def test_one_changed_value_of_any_event_is_found(ended):
    """A file tampered with, or a node that lies about an event: the storage of the contracts bears the truth out.

    Each value of each kind of event, in a row drawn at random.
    """
    database, draw, unfound = ended.world.index._db, random.Random(11), set()
    by_kind = defaultdict(list)
    for table, row in rows(ended):
        by_kind[table].append(row)
    assert len(by_kind) >= 15
    for table, found in by_kind.items():
        for place, leaf in enumerate(table.spec.leaves, 3):
            row = draw.choice(found)
            sql = f'UPDATE "{table.name}" SET "v_{leaf.name}" = ? WHERE block = ? AND place = ?'
            database.execute(sql, (changed(row[place]), *row[:2]))
            if _judged(ended):
                unfound.add((table.spec.name, leaf.name))
            database.execute(sql, (row[place], *row[:2]))
    assert unfound <= WITHOUT_CONSEQUENCE
    assert audit_study(ended.federation, ended.study).ok


@pytest.mark.slow
def test_one_event_left_out_is_found(ended):
    """What a node does not tell shows just as well."""
    database, unfound = ended.world.index._db, []
    for table, row in rows(ended):
        if table.spec.name == "Granted" and row[3] != steady_patient(ended):
            continue  # fifty of them: one is enough
        database.execute(f'DELETE FROM "{table.name}" WHERE block = ? AND place = ?', row[:2])
        if _judged(ended):
            unfound.append(table.spec.name)
        database.execute(table.insert, row)
    assert unfound == []


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
