"""The hospital's own word: each rule refuses by itself, before a stake is locked and before anything is trained."""

from __future__ import annotations

import json

import pytest

from medfed.config import Confirmed, PolicySettings
from medfed.errors import ConfigError, InputError, PolicyRefusal
from medfed.nodes.enrolling import Enrolling
from medfed.nodes.policy import approve, confirmed, read_approvals
from medfed.nodes.previewing import Previewing
from medfed.nodes.site import APPROVALS, Site
from medfed.protocol.purposes import Purpose
from medfed.protocol.vector import vector_size
from medfed.types import StudyId
from tests.nodes.federation import PATIENTS, PHASE, STAKE
from tests.rig import studies

pytestmark = pytest.mark.usefixtures("quiet")

REFUSALS = {
    "sponsor": ({"sponsors": ("0x" + "11" * 20,)}, "is not among the sponsors"),
    "purpose": ({"purposes": "POA"}, "purpose, .*, is not one"),
    "no purpose": ({"purposes": ""}, "purpose, .*, is not one"),
    "model": ({"models": ("mlp",)}, "Models of kind logistic"),
    "stake": ({"largest_stake": STAKE - 1}, f"a stake of {STAKE}, the policy allows {STAKE - 1}"),
    "approval": ({"approval": True}, "needs a person's approval"),
}


def site(world, member, **policy) -> Site:
    return world.hospital(member, **policy)._site


def reasons(member):
    path = member.home / "audit.jsonl"
    return [json.loads(line).get("reason", "") for line in path.read_text().splitlines()]


@pytest.mark.parametrize("rule", REFUSALS)
class TestEachRule:
    def test_keeps_out_of_studies(self, world, rule):
        """No seat is taken, and the log says which rule it was."""
        policy, words = REFUSALS[rule]
        study = world.post()
        world.run(world.hospital(world.members[0], **policy), cycles=2)
        assert not world.study(study).enrolments
        with pytest.raises(PolicyRefusal, match=words):
            site(world, world.members[0], **policy).check(world.study(study))

    def test_keeps_from_enrolling_by_hand(self, world, rule):
        """A person's word does not stand above the policy: change the policy, or approve."""
        policy, words = REFUSALS[rule]
        study = world.post()
        place = site(world, world.members[0], **policy)
        with pytest.raises(PolicyRefusal, match=words):
            Enrolling(place).by_hand(world.study(study), world.client.head())
        assert not world.study(study).enrolments


class TestConfirmations:
    """What carries a parameter is met by nobody's word but the hospital's, study by study."""

    def test_a_study_that_names_one_waits_for_it(self, world):
        """The refusal says what is named, in words; what is confirmed for another study confirms nothing."""
        study, member = self.posted(world), world.members[0]
        place = site(world, member, **self.policy(study + 1, "IS,US"))
        with pytest.raises(
            PolicyRefusal, match=r"does not give it: approved users \(US\), an approved institution \(IS\)"
        ):
            place.check(world.study(study))
        with pytest.raises(PolicyRefusal, match=r"does not give it: approved users \(US\)\."):
            site(world, member, **self.policy(study, "IS")).check(world.study(study))

    def test_what_is_confirmed_is_met(self, world):
        """Also for a policy that demands it; and what the study does not name is not confirmed in silence."""
        study, member = self.posted(world), world.members[0]
        site(world, member, **self.policy(study, "IS,US")).check(world.study(study))
        strict = self.policy(study, "IS,US") | {"purposes": "HMB,IS"}
        site(world, member, **strict).check(world.study(study))
        stricter = self.policy(study, "IS,US") | {"purposes": "HMB,IRB"}
        with pytest.raises(PolicyRefusal, match="is not one that"):
            site(world, member, **stricter).check(world.study(study))
        with pytest.raises(PolicyRefusal, match="does not ask for PS to be confirmed"):
            site(world, member, **self.policy(study, "IS,US,PS")).check(world.study(study))

    @pytest.mark.parametrize(
        ("codes", "words"), [("HMB", "only RS, GS, .* are confirmed"), ("XY", "'XY' is no")]
    )
    def test_only_what_carries_a_parameter_is_confirmed(self, codes, words):
        entry = Confirmed(study=3, codes=codes, because="We asked.")
        with pytest.raises(ConfigError, match=words):
            confirmed(PolicySettings(confirms=(entry,)), StudyId(1))

    @staticmethod
    def posted(world):
        return world.post(draft=studies.draft(purposes=int(Purpose.HMB | Purpose.IS | Purpose.US)))

    @staticmethod
    def policy(study, codes):
        return {"confirms": (Confirmed(study=study, codes=codes, because="Annex B of the consent form."),)}


class TestInTraining:
    @pytest.mark.parametrize("rule", ["sponsor", "approval"])
    def test_a_refusal_abstains(self, world, three, rule):
        """A policy that says no by now: no update leaves the site, and nobody waits for one."""
        policy, _ = REFUSALS[rule]
        study = world.opened(*three, rounds=1)
        three[2] = world.hospital(world.members[2], **policy)
        world.run(*three, cycles=3)
        found = world.round(study, 1)
        assert found.abstained == {2}
        assert found.final_at
        assert not list((world.members[2].home / "work").glob("*/*"))

    def test_a_cohort_below_the_hospitals_own_limit_abstains(self, world, three):
        """The study would take 16 patients, this hospital wants more."""
        study = world.opened(*three, rounds=1)
        three[2] = world.hospital(world.members[2], smallest_cohort=PATIENTS + 1)
        world.run(*three, cycles=3)
        assert world.round(study, 1).abstained == {2}
        assert any("Too few patients" in reason for reason in reasons(world.members[2]))

    def test_withdrawn_between_storing_and_submitting(self, world, three):
        """Work that is on the disk is not sent when the policy has changed meanwhile."""
        study = world.opened(*three, rounds=1)
        member = world.members[2]
        hospital = world.hospital(member)
        record, history = world.study(study), world.round(study, 1)
        hospital._training._work(record, record.enrolment(member.id), history)
        three[2] = world.hospital(member, sponsors=())
        world.run(*three, cycles=3)
        assert world.round(study, 1).abstained == {2}


class TestApproval:
    def test_with_it_the_hospital_takes_part(self, world):
        """And not before; the refusal says what to type."""
        study, member = world.post(), world.members[0]
        hospital = world.hospital(member, approval=True)
        world.run(hospital)
        assert f"--approve {study} --ethics NUMBER" in reasons(member)[0]
        approve(member.home / APPROVALS, world.study(study), "Dr. Weber", "EK 2026/118")
        world.run(hospital, cycles=2)
        assert [entry.hospital for entry in world.study(study).enrolments] == [member.id]

    def test_it_is_for_one_study_and_one_spec(self, world):
        first, second = world.post(), world.post(draft=studies.draft(rounds=2, seed=99))
        member = world.members[0]
        approve(member.home / APPROVALS, world.study(first), "Dr. Weber", "EK 2026/118")
        with pytest.raises(PolicyRefusal, match=f"Study {second} needs"):
            site(world, member, approval=True).check(world.study(second))
        entries = json.loads((member.home / APPROVALS).read_text())
        entries[0]["spec_cid"] = entries[0]["spec_cid"][:-4] + "aaaa"
        (member.home / APPROVALS).write_text(json.dumps(entries))
        with pytest.raises(PolicyRefusal, match=f"Study {first} needs"):
            site(world, member, approval=True).check(world.study(first))

    @pytest.mark.parametrize(("approver", "ethics"), [("", "EK 1"), ("Dr. Weber", " "), (" ", "")])
    def test_it_needs_a_name_and_an_ethics_number(self, world, tmp_path, approver, ethics):
        with pytest.raises(ConfigError, match="approver's name and the ethics number"):
            approve(tmp_path / "approvals.json", world.study(world.post()), approver, ethics)
        assert read_approvals(tmp_path / "approvals.json") == []

    def test_a_damaged_file_is_no_approval(self, tmp_path):
        path = tmp_path / "approvals.json"
        for text in ("{", "[1]", '[{"study": 1}]'):
            path.write_text(text)
            with pytest.raises(ConfigError, match="restore the file from a backup"):
                read_approvals(path)


class TestEnrollingByHand:
    def test_where_the_policy_does_not_by_itself(self, world):
        study, member = world.post(), world.members[0]
        world.run(world.hospital(member, enrol=False), cycles=2)
        assert not world.study(study).enrolments
        Enrolling(site(world, member, enrol=False)).by_hand(world.study(study), world.client.head())
        assert [entry.hospital for entry in world.study(study).enrolments] == [member.id]

    def test_what_cannot_be_joined(self, world, three):
        """A study one is in, one that runs, one that is over, one whose deadline passed, one that is full."""
        place = site(world, world.members[0])
        running = world.opened(*three[:2], rounds=1)
        self.refused(place, world, running, "has a seat in study")
        late = site(world, world.members[2])
        self.refused(late, world, running, "runs already")
        world.run(*three[:2], cycles=4)
        self.refused(late, world, running, "is over")
        full = world.post(draft=self.small(), min_hospitals=2)
        world.run(*three[:2])
        self.refused(late, world, full, "has no seat left")
        passed = world.post()
        world.client.travel(PHASE + 1)
        self.refused(late, world, passed, "enrolment deadline has passed")

    @staticmethod
    def small():
        return studies.draft(rounds=1, codec=studies.fields()["codec"] | {"max_hospitals": 2})

    @staticmethod
    def refused(place, world, study, words):
        with pytest.raises(InputError, match=words):
            Enrolling(place).by_hand(world.study(study), world.client.head())


class TestPreview:
    def test_it_shows_what_would_leave_the_site(self, world):
        """The numbers are those of the round that then comes; looking leaves no trace."""
        member, study = world.members[0], world.post(draft=studies.draft(rounds=1))
        place = site(world, member)
        shown = Previewing(place).preview(study, world.index.sync())
        assert [path.name for path in member.home.iterdir()] == ["sent"]
        assert shown.refused == ""
        assert (shown.patients, shown.records, shown.weight, shown.leaves) == (18, 18, 16, 32)
        assert shown.update_bytes == vector_size(shown.update_words)
        daemons = [world.hospital(each) for each in world.members]
        world.run(*daemons)
        world.client.travel(PHASE)
        world.run(daemons[0], *daemons, *daemons)
        update = world.round(study, 1).updates[0]
        assert update.weight == shown.weight
        stored = next((member.home / "work").glob("*/*/1/update.bin"))
        assert stored.stat().st_size == shown.update_bytes

    def test_it_tells_a_refusal(self, world):
        member, study = world.members[0], world.post()
        for policy, words in (({"models": ()}, "Models of kind"), ({"smallest_cohort": 400}, "asks for 400")):
            shown = Previewing(site(world, member, **policy)).preview(study, world.index.sync())
            assert words in shown.refused

    def test_it_tells_a_stake_that_cannot_be_locked(self, world):
        """And writes nothing down; a person who enrols by hand is told the same."""
        member, study = world.members[0], world.post()
        world.allow(member, STAKE - 1)
        place = site(world, member)
        shown = Previewing(place).preview(study, world.index.sync())
        assert "`medfed vault allow 0.00075 --keystore ADMIN`" in shown.refused
        assert not (member.home / "audit.jsonl").exists()
        with pytest.raises(PolicyRefusal, match="medfed vault allow 0"):
            Enrolling(place).by_hand(world.study(study), world.client.head())

    def test_patients_of_another_disease_are_asked_for_health_research(self, ground, tmp_path):
        """Who consented to research into the dataset's disease counts in a study of that disease, and in no other."""
        world = ground.world(tmp_path, 1)
        member = world.admit(2, disease=8)
        world.consent(member, Purpose.DS)
        own, other = (
            world.post(draft=studies.draft(purposes=int(Purpose.DS), disease=each)) for each in (8, 9)
        )
        assert Previewing(site(world, member)).preview(own, world.index.sync()).patients == PATIENTS
        assert Previewing(site(world, member)).preview(other, world.index.sync()).patients == 0
        world.consent(member, Purpose.HMB)
        assert Previewing(site(world, member)).preview(other, world.index.sync()).patients == PATIENTS

    def test_patients_who_did_not_consent_to_it_do_not_count(self, ground, tmp_path):
        world = ground.world(tmp_path, 1)
        member = world.admit(2)
        world.consent(member, Purpose.POA)
        study = world.post()
        shown = Previewing(site(world, member)).preview(study, world.index.sync())
        assert (shown.patients, shown.weight, shown.leaves) == (0, 0, 0)
        assert "0 patients count" in shown.refused
