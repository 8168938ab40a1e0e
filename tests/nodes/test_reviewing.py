"""Studies that pay by reviews, played by daemons: who brings nothing earns next to nothing, and nothing is lost by a kill."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medfed.data.csv_source import write_csv
from medfed.protocol.cid import cid_from_digest
from medfed.rounds.audit import audit_study
from medfed.rounds.reviews import POINTS, read_reviews, read_tally
from medfed.rounds.scores import tally
from tests.nodes.federation import DISPUTE, REWARD
from tests.nodes.stores import HidingStore
from tests.rig import studies

pytestmark = pytest.mark.usefixtures("quiet")

HALF = DISPUTE // 2


def noisy(hospital, seed=5):
    """The daemon's updates are Gaussian noise as long as the codec takes it, of any length that passes for honest."""
    random = np.random.default_rng(seed)

    def words(place, entry, cohort, model):
        delta = random.normal(size=place.spec.size) * 2
        return place.spec.codec.encode(delta, place.spec.rule.coded_weight(cohort.weight))

    hospital._training._words = words
    return hospital


def final_round(world, *hospitals, **offer):
    """A reviewed study of one round, just final."""
    study = world.opened(*hospitals, rounds=1, **({"score_mode": "reviewed"} | offer))
    while not world.round(study, 1).final_at:
        world.run(*hospitals)
    return study


def to_half(world, study):
    world.client.travel(world.round(study, 1).final_at + HALF - world.client.head().timestamp)


def to_end(world, study):
    world.client.travel(world.round(study, 1).final_at + DISPUTE - world.client.head().timestamp)


def paid(world, study):
    return {event["seat"]: event["amount"] for event in world.index.events("Claimed", study=study)}


def events(world, name, study):
    world.index.sync()
    return world.index.events(name, study=study)


def sent(member):
    lines = [json.loads(line) for line in (member.home / "audit.jsonl").read_text().splitlines()]
    return [line["event"] for line in lines if "transaction" in line]


def reviewed(world, study, *hospitals):
    """From a final round to the last claim."""
    world.run(*hospitals, cycles=2)
    to_half(world, study)
    world.run(*hospitals, cycles=2)
    to_end(world, study)
    world.run(*hospitals, cycles=3)


class TestAWholeStudy:
    def test_noise_earns_the_reviewer_s_part_alone_where_weight_would_pay_it_in_full(self, world, three):
        """Commit, reveal, tally, claim: daemons alone do it, and each step once."""
        hospitals = [*three[:2], noisy(three[2])]
        study = final_round(world, *hospitals)
        reviewed(world, study, *hospitals)
        history = world.round(study, 1)
        pool = REWARD // 10 // 3
        assert paid(world, study)[2] == pool
        assert sum(paid(world, study).values()) >= REWARD - 3
        found = tally(read_reviews(world.index, history), history.submitted, history.result.included)
        assert read_tally(world.index, history) == found.scores
        for member in world.members:
            steps = [step for step in sent(member) if step not in ("enrol", "advance", "tally")]
            assert sorted(steps[:3]) == ["attest", "commit-review", "submit"]
            assert (steps[3], sorted(steps[4:])) == ("reveal-review", ["claim", "release"])
        assert sum(sent(member).count("tally") for member in world.members) == 1
        assert audit_study(world.federation(), study).ok

        by_weight = final_round(world, *hospitals, score_mode="weight", spec={"seed": 8})
        to_end(world, by_weight)
        world.run(*hospitals, cycles=2)
        assert paid(world, by_weight)[2] >= REWARD * 9 // 10 // 3

    def test_with_records_set_aside_the_cohort_is_not_looked_at(self, world, three):
        """What a reviewer says follows from `review_records`: of labels turned round, the opposite."""
        member = world.members[0]
        data = studies.dataset(60, seed=99)
        write_csv(member.folder / "aside.csv", data)
        aside = member.file.read_text().replace("records =", 'review_records = "aside.csv"\nrecords =', 1)
        member.file.write_text(aside)
        turned = world.members[1]
        write_csv(
            turned.folder / "turned.csv",
            type(data)(data.columns, data.record_ids, data.features, 1 - data.labels),
        )
        aside = turned.file.read_text().replace("records =", 'review_records = "turned.csv"\nrecords =', 1)
        turned.file.write_text(aside)
        hospitals = [world.hospital(each) for each in world.members]
        study = final_round(world, *hospitals)
        world.run(*hospitals)
        to_half(world, study)
        world.run(*hospitals)
        said = read_reviews(world.index, world.round(study, 1))
        assert said[0][2] > 0 > said[1][2]
        assert sum(said[0]) - said[0][0] == pytest.approx(POINTS, abs=2)


class TestKilled:
    def test_between_storing_and_committing(self, world, three, monkeypatch):
        """What is on the disk is what is committed to, though nothing was sent."""
        study = final_round(world, *three)
        first = three[0]
        payouts = first._site.contracts.payouts

        def killed(*_arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(type(payouts), "commit_review", killed)
            with pytest.raises(KeyboardInterrupt):
                world.run(first)
        stored = first._folder.load_review(study, 1)
        again = world.hospital(world.members[0])
        world.run(again, *three[1:], cycles=2)
        to_half(world, study)
        world.run(again, *three[1:], cycles=2)
        world.index.sync()
        assert read_reviews(world.index, world.round(study, 1))[0] == stored.scores

    def test_between_committing_and_revealing(self, world, three):
        study = final_round(world, *three)
        world.run(*three, cycles=2)
        to_half(world, study)
        restarted = [world.hospital(member) for member in world.members]
        world.run(*restarted, cycles=2)
        assert len(events(world, "ReviewRevealed", study)) == 3
        to_end(world, study)
        world.run(*[world.hospital(member) for member in world.members], cycles=2)
        assert len(events(world, "Claimed", study)) == 3

    def test_who_lost_the_salt_says_so_and_goes_on(self, world, three):
        study = final_round(world, *three)
        world.run(*three, cycles=2)
        next((world.members[0].home / "work").glob("*/*/review-1.json")).unlink()
        to_half(world, study)
        world.run(*three, cycles=2)
        lines = [
            json.loads(line) for line in (world.members[0].home / "audit.jsonl").read_text().splitlines()
        ]
        assert ["is lost" in line["reason"] for line in lines if line["event"] == "unrevealed"] == [True]
        to_end(world, study)
        world.run(*three, cycles=3)
        assert sorted(event["seat"] for event in events(world, "ReviewRevealed", study)) == [1, 2]
        assert len(events(world, "Claimed", study)) == 3


class TestSilence:
    def test_fewer_than_half_reveal_and_weight_pays(self, world):
        """One of three reviews; the tally counts nothing, and each attester has its third of what is for them."""
        hospitals = [world.hospital(member, reviews=member is world.members[0]) for member in world.members]
        study = final_round(world, *hospitals)
        reviewed(world, study, *hospitals)
        (tallied,) = events(world, "ReviewsTallied", study)
        assert (list(tallied["scores"]), tallied["total"]) == ([0, 0, 0], 0)
        shared, pool = REWARD * 9 // 10 // 3, REWARD // 10
        assert set(paid(world, study).values()) <= {shared, shared + pool // 3}
        assert len(paid(world, study)) == 3

    def test_nobody_reviews_and_no_tally_is_sent(self, world):
        hospitals = [world.hospital(member, reviews=False) for member in world.members]
        study = final_round(world, *hospitals)
        reviewed(world, study, *hospitals)
        assert not events(world, "ReviewsTallied", study)
        assert len(paid(world, study)) == 3

    def test_who_cannot_have_the_bytes_waits_for_them(self, world, three, tmp_path):
        """Without an update there is nothing to say; it comes in time, and the review with it."""
        store = HidingStore(tmp_path / "store")
        world.members[0].store = store
        three[0] = world.hospital(world.members[0])
        study = final_round(world, *three)
        store.hidden = {cid_from_digest(world.round(study, 1).updates[1].cid)}
        assert world.run(three[0], cycles=2) == [True]
        assert not [event for event in events(world, "ReviewCommitted", study) if event["seat"] == 0]
        store.hidden = set()
        world.run(three[0])
        assert [event for event in events(world, "ReviewCommitted", study) if event["seat"] == 0]
