"""Whole cycles of hospital daemons: real contracts, real stores, time moved by hand."""

from __future__ import annotations

import json
import shutil

import pytest

from medfed.chain.keys import save_keystore
from medfed.chain.sender import Sender
from medfed.cli import actions
from medfed.nodes.hospital import Hospital
from medfed.nodes.site import Site
from medfed.nodes.state import WorkFolder
from medfed.protocol.cid import cid_from_digest, digest_of
from medfed.protocol.commitments import Update
from medfed.rounds.study import artefacts, fetch_spec
from medfed.types import RoundNumber
from tests.nodes.federation import BOND, DISPUTE, PASSWORD, PHASE, STAKE, account
from tests.nodes.stores import FlippingStore, HidingStore
from tests.rig import studies

pytestmark = pytest.mark.usefixtures("quiet")


def audit(member, event=None):
    path = member.home / "audit.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if event is None or line["event"] == event]


def reasons(member, event):
    return [line["reason"] for line in audit(member, event)]


def work_of(world, member) -> WorkFolder:
    return WorkFolder(next((member.home / "work").iterdir()))


def seats(bitmap):
    return [seat for seat in range(64) if bitmap >> seat & 1]


class TestAStudy:
    def test_from_enrolment_to_the_last_token(self, world, three):
        """Daemons alone carry it: enrol, train, publish, attest, claim, release; nothing is sent twice."""
        study = world.opened(*three)
        world.run(*three, cycles=8)
        assert world.study(study).ended == "completed"
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=2)
        assert len(world.index.events("Claimed", study=study)) == 6
        assert len(world.index.events("StakeReleased", study=study)) == 3
        for member in world.members:
            sent = [line["event"] for line in audit(member) if "transaction" in line]
            expected = ["enrol", *["submit", "attest"] * 2, "claim", "release"]
            assert [event for event in sent if event != "advance"] == expected

    def test_settled_it_lets_go(self, world):
        """Without a keep time pinned are the spec, the manifests and the final model of a settled study, and all of one that
        still runs."""
        for member in world.members:
            member.file.write_text(member.file.read_text() + "\n[daemon]\nkeep_updates_days = 0\n")
        three = [world.hospital(member) for member in world.members]
        first = world.opened(*three, rounds=1)
        second = world.opened(*three, rounds=1, spec={"seed": 8})
        world.run(*three, cycles=4)
        open_one = world.opened(*three, rounds=1, spec={"seed": 9}, dispute_seconds=3000)
        world.run(*three, cycles=4)
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=3)
        pins = world.store.pins()
        for number, kept in ((first, False), (second, False), (open_one, True)):
            spec = fetch_spec(world.store, world.study(number))
            files = artefacts(world.index, world.study(number), spec)
            rounds = [world.round(number, value + 1) for value in range(world.study(number).rounds)]
            cohorts = {
                cid_from_digest(update.cohort_cid)
                for history in rounds
                if history.result is not None  # nobody pins what a void round was made of
                for update in history.updates.values()
            }
            assert cohorts
            assert {files[0], files[-1]} | cohorts <= pins
            assert (set(files[1:-1]) <= pins) is kept
            updates = {
                cid_from_digest(update.cid) for history in rounds for update in history.updates.values()
            }
            assert kept or not updates & pins
            assert (
                any(
                    path.name == str(number)
                    for path in next((world.members[0].home / "work").iterdir()).iterdir()
                )
                is kept
            )

    def test_a_restart_after_the_end_is_quiet(self, world, three):
        """A daemon that finds a settled study does nothing, complains of nothing, pins nothing."""
        world.opened(*three, rounds=1)
        world.run(*three, cycles=4)
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=3)
        before = [audit(member) for member in world.members], world.store.pins()
        world.run(*(world.hospital(member) for member in world.members), cycles=2)
        assert ([audit(member) for member in world.members], world.store.pins()) == before


class TestTheStake:
    def test_is_not_put_up_beyond_the_allowance(self, world):
        """One sentence says what a seat takes, what besides, and how to allow it; then the hospital takes its seat."""
        study, member = world.post(), world.members[0]
        hospital = world.hospital(member)
        world.allow(member, STAKE - 1)
        world.run(hospital, cycles=2)
        assert not world.study(study).enrolments
        (told,) = [each for each in reasons(member, "refused") if f"in study {study} " in each]
        assert f"needs 0.0005 MFT to enrol in study {study} and 0.00075 MFT to make claims in it too" in told
        assert "its daemon may lock 0.000499 MFT more: `medfed vault allow 0.00075 --keystore ADMIN`" in told
        world.allow(member, STAKE)
        world.run(hospital, cycles=3)
        assert [entry.hospital for entry in world.study(study).enrolments] == [member.id]
        (bond,) = reasons(member, "bond")
        assert "`medfed vault allow 0.00075 --keystore ADMIN`" in bond
        assert not audit(member, "reverted")

    def test_is_not_put_up_where_it_is_not_there(self, world):
        study, member = world.post(), world.members[0]
        token, vault = world.contracts.development_token.address, world.contracts.vault
        free = vault.balance(member.id, token).free
        world.send(member.admin, vault.withdraw(member.id, token, free - STAKE + 1, member.id))
        world.run(world.hospital(member), cycles=2)
        assert not world.study(study).enrolments
        (told,) = [each for each in reasons(member, "refused") if f"in study {study} " in each]
        assert f"`medfed vault deposit 0.{BOND + 1:06} --keystore ADMIN`" in told

    def test_is_not_put_up_while_the_vault_is_paused(self, world):
        """Unless a person says so; it says why once, and goes on when the pause is lifted."""
        vault, member = world.contracts.vault, world.members[0]
        first, second = world.post(), world.post()
        hospital = world.hospital(member)
        world.send(world.consortium, vault.pause())
        world.run(hospital, cycles=3)
        assert not world.study(first).enrolments
        assert reasons(member, "paused") == [
            "The vault is paused, so this hospital takes no seat in a study by itself."
        ]
        hospital._enrolling.by_hand(world.study(second), world.client.head())
        assert [entry.hospital for entry in world.study(second).enrolments] == [member.id]
        world.send(world.consortium, vault.unpause())
        world.run(hospital, cycles=2)
        assert [entry.hospital for entry in world.study(first).enrolments] == [member.id]

    def test_is_named_with_the_spec_that_was_looked_at(self, world, monkeypatch):
        """No other terms than those the policy was asked about can bind the hospital."""
        study, member, sent = world.post(), world.members[0], []
        monkeypatch.setattr(Site, "send", lambda _site, _what, call, **_facts: sent.append(call))
        world.run(world.hospital(member, largest_stake=STAKE + 7))
        spec = world.study(study).terms.spec
        assert sent == [world.contracts.rounds.enrol(study, member.dataset, spec, STAKE + 7)]


class TestAbsence:
    def test_one_silent_hospital_stops_nobody(self, world, three):
        """Two of three go on without the third, whose daemon never runs again, to the end."""
        study = world.opened(*three)
        for _ in range(2):
            world.run(*three[:2], cycles=2)
            world.client.travel(PHASE + 3)
            world.run(*three[:2], cycles=4)
        found = world.study(study)
        assert (found.ended, found.rounds) == ("completed", 2)
        assert seats(world.round(study, 2).result.included) == [0, 1]

    def test_started_late(self, world, three):
        """A daemon that was down for all of round 1 takes part in round 2 as if nothing had been."""
        study = world.opened(*three)
        world.run(*three[:2], cycles=2)
        world.client.travel(PHASE + 3)
        world.run(*three[:2], cycles=3)
        assert world.study(study).rounds == 2
        late = world.hospital(world.members[2])
        world.run(*three[:2], late, cycles=4)
        assert seats(world.round(study, 1).result.included) == [0, 1]
        assert seats(world.round(study, 2).result.included) == [0, 1, 2]
        assert not audit(world.members[2], "refused") + audit(world.members[2], "reverted")

    def test_killed_between_submitting_and_publishing(self, world, three):
        """The bytes are on its disk: whoever comes back in time is in the sum."""
        study = world.opened(*three, rounds=1)
        world.run(*three)
        world.run(*three[:2], cycles=2)
        assert not world.round(study, 1).final_at
        world.run(*three[:2], world.hospital(world.members[2]), cycles=3)
        assert seats(world.round(study, 1).result.included) == [0, 1, 2]

    def test_too_few_make_a_void_round(self, world, three):
        """A round with one submitter is voided by whoever is there, and nobody sees the update; the next one goes on with
        the same model."""
        study = world.opened(*three)
        world.run(three[0])
        world.client.travel(PHASE + 3)
        world.run(three[0], cycles=2)
        assert world.round(study, 1).void
        update = world.round(study, 1).updates[0]
        assert not any(world.store.has(cid_from_digest(each)) for each in (update.cid, update.cohort_cid))
        world.run(*three, cycles=4)
        assert seats(world.round(study, 2).result.included) == [0, 1, 2]

    def test_no_quorum_makes_a_void_round(self, world, three):
        """When two of three submitters fall silent after submitting, time ends the round."""
        study = world.opened(*three)
        world.run(*three)
        world.client.travel(2 * PHASE + 3)
        world.run(three[0], cycles=3)
        assert world.round(study, 1).void

    def test_too_few_seats_end_the_study(self, world, three):
        """Nobody is left with a locked stake when a study finds one hospital only."""
        study = world.post()
        world.run(three[0])
        world.client.travel(PHASE)
        world.run(three[0], cycles=3)
        assert world.study(study).ended == "aborted"
        assert len(world.index.events("StakeReleased", study=study)) == 1

    def test_a_suspended_hospital_abstains(self, world, three):
        """So nobody waits for it; reinstated it trains again."""
        study = world.opened(*three)
        member = world.members[2]
        world.send(world.consortium, world.contracts.consortium.suspend(member.id))
        world.run(*three, cycles=3)
        assert world.round(study, 1).abstained == {2}
        assert world.round(study, 1).final_at
        world.send(world.consortium, world.contracts.consortium.reinstate(member.id))
        world.run(*three, cycles=1)
        world.run(*three, cycles=4)
        assert not world.round(study, 1).updates.keys() & {2}
        assert "suspended" in audit(member, "abstain")[0]["reason"]


class TestBytes:
    def test_what_cannot_be_had_is_waited_for_then_left_out(self, world, three, tmp_path):
        """Half of Aggregating is for waiting; then the others end the round without it, and everybody knows why."""
        world.members[2].store = HidingStore(tmp_path / "apart")  # its own node, that nobody reaches
        three[2] = world.hospital(world.members[2])
        world.members[2].store.put(b"")
        study = world.post(draft=studies.draft(rounds=1))
        shutil.copytree(tmp_path / "store", tmp_path / "apart", dirs_exist_ok=True)
        world.run(*three)
        world.client.travel(PHASE)
        world.run(three[0], *three)
        assert world.run(*three, cycles=3) == [True, True, True]
        assert not world.round(study, 1).attesters
        world.client.travel(PHASE // 2)
        world.run(*three, cycles=3)
        found = world.round(study, 1)
        assert seats(found.result.included) == [0, 1]
        assert "left out" in audit(world.members[0], "left out")[0]["reason"]

    def test_who_publishes_nothing_keeps_no_round_from_its_end(self, world, tmp_path):
        """Though the study asks for three hospitals, and there are no more: two thirds of those that submitted do."""
        store = HidingStore(tmp_path / "store")
        for member in world.members[:2]:
            member.store = store
        three = [world.hospital(member) for member in world.members]
        study = world.opened(*three, rounds=1, min_hospitals=3, max_attempts=0)
        world.run(*three)
        store.hidden = {cid_from_digest(world.round(study, 1).updates[2].cid)}
        world.run(*three[:2], cycles=2)
        assert not world.round(study, 1).attesters
        world.client.travel(PHASE // 2 + 1)
        world.run(*three[:2], cycles=2)
        assert seats(world.round(study, 1).result.included) == [0, 1]
        assert not world.index.events("BytesLacking", study=study)

    def test_who_cannot_attest_says_whose_bytes_it_lacks(self, world, tmp_path):
        """Two are served nobody's but their own, which is less than two thirds: they say so in the last quarter, and are not
        absent from the void round."""
        stores = [HidingStore(tmp_path / "store") for _ in range(2)]
        for member, store in zip(world.members, stores, strict=False):
            member.store = store
        three = [world.hospital(member) for member in world.members]
        study = world.opened(*three, rounds=1, max_attempts=0)
        world.run(*three)
        cids = {seat: cid_from_digest(each.cid) for seat, each in world.round(study, 1).updates.items()}
        for own, store in enumerate(stores):
            store.hidden = {cid for seat, cid in cids.items() if seat != own}
        world.client.travel(PHASE // 2 + 1)
        world.run(*three, cycles=2)
        assert not world.index.events("BytesLacking", study=study)
        world.client.travel(PHASE // 4)
        world.run(*three, cycles=3)
        world.index.sync()
        said = world.index.events("BytesLacking", study=study)
        assert [(event["seat"], event["missing"]) for event in said] == [(0, 0b110), (1, 0b101)]
        world.client.travel(PHASE)
        world.run(*three, cycles=3)
        assert world.round(study, 1).void
        assert not world.index.events("AbsencesRecorded", study=study, round=1)

    def test_what_comes_in_the_second_half_of_the_window_is_not_attested_any_more(
        self, world, three, tmp_path
    ):
        """Whoever attests has half of it to answer for that; the bytes are public all the same."""
        world.members[2].store = store = HidingStore(tmp_path / "store")
        three[2] = world.hospital(world.members[2])
        study = world.opened(*three, rounds=1)
        world.run(*three)
        store.hidden = {cid_from_digest(world.round(study, 1).updates[0].cid)}
        world.run(*three, cycles=3)
        assert seats(world.round(study, 1).attested) == [0, 1]
        assert world.run(three[2]) == [True]
        store.hidden = set()
        world.client.travel(DISPUTE // 2 + 1)
        assert world.run(three[2], cycles=2) == [False]
        assert seats(world.round(study, 1).attested) == [0, 1]
        assert not audit(world.members[2], "reverted")

    def test_one_wrong_word_counts_no_attestation(self, world, three, tmp_path):
        """All bytes of one update are there but for one word that the store changed: nobody attests to anything."""
        store = FlippingStore(tmp_path / "store")
        for number, member in enumerate(world.members):
            member.store = store
            three[number] = world.hospital(member)
        study = world.opened(*three, rounds=1)
        world.run(*three)
        store.flipped = {cid_from_digest(world.round(study, 1).updates[1].cid)}
        assert world.run(*three, cycles=3) == [True, True, True]
        assert not world.round(study, 1).attesters
        store.flipped = set()
        world.run(*three, cycles=2)
        assert seats(world.round(study, 1).result.included) == [0, 1, 2]

    def test_a_lying_store_misleads_its_own_hospital_only(self, world, three, tmp_path):
        """The others make the round final; it attests when its store tells the truth again."""
        world.members[0].store = store = FlippingStore(tmp_path / "store")
        three[0] = world.hospital(world.members[0])
        study = world.opened(*three, rounds=1)
        world.run(*three)
        store.flipped = {cid_from_digest(world.round(study, 1).updates[1].cid)}
        world.run(*three, cycles=3)
        assert seats(world.round(study, 1).attested) == [1, 2]
        store.flipped = set()
        world.run(*three, cycles=2)
        assert seats(world.round(study, 1).attested) == [0, 1, 2]

    def test_a_root_that_is_not_that_of_the_bytes(self, world, three):
        """Its CID is right and its bytes are there: nobody waits, nobody counts it in, and the round ends at once."""
        study = world.opened(*three, rounds=1)
        world.run(*three[:2])
        liar = world.members[2]
        # What its own daemon would have sent, with another root.
        world.hospital(liar, smallest_cohort=16)
        honest = self._honest(world, study, liar)
        forged = Update(honest.cid, b"\7" * 32, honest.cohort_cid, honest.cohort_root, honest.weight)
        call = world.contracts.rounds.submit_update(study, RoundNumber(1), 2, forged)
        world.send(liar.operator, call)
        world.run(*three[:2], cycles=3)
        found = world.round(study, 1)
        assert seats(found.result.included) == seats(found.attested) == [0, 1]
        assert "another chunk root" in audit(world.members[0], "left out")[0]["reason"]

    @staticmethod
    def _honest(world, study, member) -> Update:
        """The hospital's true update, with its bytes in the store."""
        from medfed.nodes.site import Site
        from medfed.nodes.training import Training
        from medfed.rounds.history import read_round

        sender = Sender(world.client, member.operator, member.home / "sent")
        site = Site(world.federation(), sender, member.config(), member.home)
        folder = WorkFolder(site.work)
        history, record = read_round(world.index, study, RoundNumber(1)), world.study(study)
        entry = record.enrolment(member.id)
        work = Training(site, folder)._work(record, entry, history)
        for file in (work.update_file, work.manifest_file):
            world.store.put(file)
        return work.update

    def test_bytes_that_come_after_the_quorum_left_them_out(self, world, three, tmp_path):
        """Who has an update that the quorum left out attests to the quorum's result, not to its own."""
        hiding = HidingStore(tmp_path / "store")
        for number in (0, 1):
            world.members[number].store = hiding
            three[number] = world.hospital(world.members[number])
        study = world.opened(*three, rounds=1, aggregating_seconds=PHASE)
        world.run(*three)
        hiding.hidden = {cid_from_digest(world.round(study, 1).updates[2].cid)}
        world.run(*three[:2])
        world.client.travel(PHASE // 2 + 1)
        late = world.hospital(world.members[2])
        world.run(*three[:2], cycles=2)
        assert seats(world.round(study, 1).result.included) == [0, 1]
        world.run(late, cycles=2)
        assert seats(world.round(study, 1).attesters[world.round(study, 1).final_hash]) == [0, 1, 2]


class TestLostWork:
    @pytest.mark.parametrize("damage", ["folder", "list", "bytes", "truncated", "manifest"])
    def test_it_is_made_again(self, world, three, damage):
        """Whatever the disk lost of a committed update comes back bit for bit from the same records."""
        study = world.opened(*three, rounds=1)
        world.run(*three)
        work = work_of(world, world.members[1]).load(study, RoundNumber(1))
        folder = work.update_file.parent
        if damage == "folder":
            shutil.rmtree(folder)
        elif damage == "list":
            (folder / "update.json").write_text("{")
        elif damage == "bytes":
            data = bytearray(work.update_file.read_bytes())
            data[600] ^= 1
            work.update_file.write_bytes(data)
        elif damage == "truncated":
            work.update_file.write_bytes(b"")
        else:
            work.manifest_file.unlink()
        restarted = [world.hospital(member) for member in world.members]
        world.run(*restarted, cycles=3)
        assert seats(world.round(study, 1).result.included) == [0, 1, 2]
        assert seats(world.round(study, 1).attested) == [0, 1, 2]

    def test_records_that_changed_give_other_bytes(self, world, three):
        """Then the backup is named, and no other bytes are published under the commitment."""
        study = world.opened(*three, rounds=1)
        world.run(*three)
        shutil.rmtree(world.members[1].home / "work")
        records = world.members[1].folder / "records.csv"
        lines = records.read_text().splitlines()
        values = lines[1].split(",")
        values[1] = "99.5"
        records.write_text("\n".join([lines[0], ",".join(values), *lines[2:]]) + "\n")
        world.run(world.hospital(world.members[1]), cycles=2)
        assert "restore the work folder from the backup" in audit(world.members[1], "refused")[0]["reason"]
        assert not world.store.has(cid_from_digest(world.round(study, 1).updates[1].cid))


class TestFaults:
    def bad_studies(self, world):
        """A spec that nobody has, one that is no spec, one that says other things than the chain."""
        from dataclasses import replace

        from medfed.rounds.history import read_study

        good = world.post()
        world.index.sync()
        terms = read_study(world.index, good).terms
        world.send(world.sponsor, world.contracts.rounds.cancel(good))
        other = world.post(draft=studies.draft(rounds=3))
        world.index.sync()
        contradicting = read_study(world.index, other).terms.spec
        world.send(world.sponsor, world.contracts.rounds.cancel(other))
        token = world.contracts.development_token
        for spec in (b"\5" * 32, digest_of(world.store.put(b"no spec")), contradicting):
            world.send(world.sponsor, token.approve(world.contracts.vault.address, 10**9))
            world.send(world.sponsor, world.contracts.studies.create(replace(terms, spec=spec)))

    def test_a_bad_study_stops_no_other(self, world, three):
        """Studies with specs that are missing, broken or contradicting are told about once; the good one after them ends."""
        self.bad_studies(world)
        study = world.opened(*three, rounds=1)
        world.run(*three, cycles=4)
        assert world.study(study).ended == "completed"
        reasons = [line["reason"] for line in audit(world.members[0], "refused")]
        assert len(reasons) == len(set(reasons)) == 3

    def test_records_that_cannot_be_read(self, world, three):
        """There is time to mend them; near the deadline the hospital abstains, as silence would cost stake."""
        study = world.opened(*three, rounds=1)
        records = world.members[2].folder / "records.csv"
        records.rename(records.with_name("away.csv"))
        three[2] = world.hospital(world.members[2])
        world.run(*three, cycles=2)
        assert not world.round(study, 1).abstained
        world.client.travel(PHASE * 3 // 4)
        world.run(*three, cycles=3)
        assert world.round(study, 1).abstained == {2}
        assert world.round(study, 1).final_at

    def test_other_records_than_the_seat_pinned_do_not_train(self, world, three):
        """It says which version and how many records it expects; with the right file again it trains, else it abstains."""
        study = world.opened(*three, rounds=1)
        files = [member.folder / "records.csv" for member in world.members[1:]]
        texts = [file.read_text() for file in files]
        for place, (file, text) in enumerate(zip(files, texts, strict=True), 1):
            file.write_text(text.rsplit("\n", 2)[0] + "\n")
            three[place] = world.hospital(world.members[place])
        world.run(*three, cycles=2)
        assert set(world.round(study, 1).updates) == {0}
        (told,) = reasons(world.members[1], "refused")
        assert f"dataset {world.members[1].dataset}, version 1, which this seat pinned" in told
        assert f"that has {world.patients} records, the file {world.patients - 1}" in told
        files[0].write_text(texts[0])
        three[1] = world.hospital(world.members[1])
        world.run(*three, cycles=2)
        assert set(world.round(study, 1).updates) == {0, 1}
        world.client.travel(PHASE * 3 // 4)
        world.run(*three, cycles=2)
        assert world.round(study, 1).abstained == {2}

    def test_with_other_records_than_are_published_it_takes_no_seat(self, world):
        """Its stake would be locked for rounds in which it cannot train; when it has published them it enrols."""
        member, study = world.members[0], world.post()
        records = member.folder / "records.csv"
        text = records.read_text()
        records.write_text(text.rsplit("\n", 2)[0] + "\n")
        world.run(world.hospital(member), cycles=2)
        assert not world.study(study).enrolments
        assert any("`medfed dataset publish`" in told for told in reasons(member, "refused"))
        files = records, member.folder / "patients.csv", member.folder / "secret.hex"
        sender = Sender(world.client, member.operator)
        actions.publish_dataset(world.federation(), sender, member.dataset, files, label="ill")
        world.run(world.hospital(member), cycles=2)
        (entry,) = world.study(study).enrolments
        assert (entry.version, entry.records) == (2, world.patients - 1)
        world.send(world.sponsor, world.contracts.rounds.cancel(study))

    def test_mended_in_time_it_trains(self, world, three):
        study = world.opened(*three, rounds=1)
        records = world.members[2].folder / "records.csv"
        records.rename(records.with_name("away.csv"))
        three[2] = world.hospital(world.members[2])
        world.run(*three, cycles=2)
        records.with_name("away.csv").rename(records)
        world.run(*three, cycles=3)
        assert seats(world.round(study, 1).result.included) == [0, 1, 2]

    def test_a_key_that_was_rotated_away(self, world, three):
        """The old daemon says so and sends nothing; one with the new key goes on in the middle of the study."""
        study = world.opened(*three, rounds=1)
        member = world.members[2]
        fresh = account("fresh operator", member.name, str(study), world.sponsor.address)
        world.client.set_balance(fresh.address, 10**18)
        consortium = world.contracts.consortium
        word = consortium.pledge(fresh, member.id, world.client.head().timestamp + 60)
        world.send(member.admin, consortium.rotate_operator(member.id, fresh.address, word))
        world.run(*three)
        assert "operator no more" in audit(member, "refused")[0]["reason"]
        member.operator = fresh
        save_keystore(member.folder / "fresh.json", fresh, PASSWORD, trial=True)
        three[2] = world.hospital(member)
        world.run(*three, cycles=3)
        assert seats(world.round(study, 1).attested) == [0, 1, 2]

    def test_a_stranger_is_told_to_be_admitted(self, world):
        from medfed.errors import PolicyRefusal

        member = world.members[0]
        stranger = Sender(world.client, account("stranger"))
        with pytest.raises(PolicyRefusal, match="no admitted hospital's operator"):
            _ = Hospital(world.federation(), stranger, member.config(), member.home).id
