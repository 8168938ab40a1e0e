"""A node that leaves events out: they are missed, asked for again, and nothing is built on what is left."""

from __future__ import annotations

import threading
import time

import pytest

from medfed.chain.client import connect
from medfed.chain.deployment import deployment_of, open_index
from medfed.chain.sender import Sender
from medfed.cli import actions
from medfed.errors import Contradicted
from medfed.nodes.health import Health
from medfed.nodes.hospital import Hospital
from medfed.nodes.loop import Loop
from medfed.nodes.watchtower import Watchtower
from medfed.protocol.phase import Outcome
from medfed.rounds.audit import audit_study
from medfed.rounds.federation import Federation
from tests.nodes import liars
from tests.nodes.federation import DISPUTE, ETHER, PATIENTS, account, deploy
from tests.nodes.test_hospital import reasons
from tests.nodes.test_revoking import listed
from tests.nodes.test_watchtower import Kept
from tests.rig.liar import cut, lying_node, without

pytestmark = pytest.mark.anvil


@pytest.fixture(scope="module")
def ground(anvil, tmp_path_factory):
    return deploy(tmp_path_factory.mktemp("ground"), anvil.url)


@pytest.fixture
def world(ground, tmp_path):
    return ground.world(tmp_path, 3)


@pytest.fixture
def liar(anvil):
    with lying_node(anvil.url) as node:
        yield node


@pytest.fixture
def beside(world, liar, tmp_path):
    """A federation as the lying node shows it, with its index in a file."""
    return federation(world, liar.url, tmp_path / "index.sqlite")


def federation(world, url, path):
    client = connect(url, attempts=1)
    contracts = deployment_of(client, world.contracts.book)
    return Federation(client, contracts, world.store, open_index(contracts, path))


def told(place):
    return list(place.index.events("StudyCreated")), place.index.count()


def revoke(world, member, number):
    """The block of a patient's revocation."""
    patient = member.wallet.account(number)
    world.client.set_balance(patient.address, ETHER)
    return world.send(patient, world.contracts.consents.revoke(member.dataset)).block


class TestStudiesAndDatasets:
    def test_left_out_once(self, world, liar, beside):
        """One answer lacked them; all are read anew, and are there."""
        world.post()
        liar.edit = once(liar, without(world.client.head().number))
        beside.sync()
        assert told(beside) == told(honest(world))

    def test_left_out_for_ever(self, world, anvil, liar, beside, tmp_path):
        """The node is named, each time, and after it the same file is right with an honest one."""
        world.post()
        liar.edit = without(world.client.head().number)
        for _ in range(2):
            with pytest.raises(Contradicted, match=r"127.0.0.1:\d+ leaves events out: .* count \d+ studies"):
                beside.sync()
        beside.index.close()
        after = federation(world, anvil.url, tmp_path / "index.sqlite")
        after.sync()
        assert told(after) == told(honest(world))

    def test_lists_cut_at_a_hundred(self, world, liar, beside):
        """A hosted node that gives the first hundred events of a list, and says nothing."""
        world.post()
        assert honest(world).index.count() > 200
        liar.edit = cut(100)
        with pytest.raises(Contradicted, match="ask another node"):
            beside.sync()
        liar.edit = None
        in_time(beside.sync)
        assert told(beside) == told(honest(world))

    def test_read_anew_no_oftener_than_it_is_worth(self, world, liar, beside):
        """A node that lies for ever costs a tenth of the time, not all of it."""
        world.post()
        beside.sync()
        world.post()
        liar.edit = without(world.client.head().number)
        for _ in range(2):
            with pytest.raises(Contradicted):
                beside.sync()
        asked = liar.asked["eth_getLogs"]
        with pytest.raises(Contradicted):
            beside.sync()
        assert liar.asked["eth_getLogs"] <= asked + 1


class TestAHospital:
    @pytest.fixture
    def member(self, world):
        return world.members[0]

    @pytest.fixture
    def lied_to(self, world, member, beside):
        return Hospital(
            beside, Sender(beside.client, member.operator, member.home / "sent"), member.config(), member.home
        )

    def test_a_revocation_left_out_once(self, world, member, liar, lied_to, beside):
        """The hospital reads all anew before it trains, and trains without that patient."""
        liar.edit = once(liar, without(revoke(world, member, 3)))
        three = (lied_to, *others(world))
        study = world.opened(*three)
        assert liar.edit is None
        world.run(*three, cycles=3)
        assert listed(world, study, member) == set(range(PATIENTS)) - {3}

    def test_a_revocation_left_out_for_ever(self, world, member, liar, lied_to):
        """Nothing is trained, and the hospital says which node it is."""
        liar.edit = without(revoke(world, member, 3))
        study = world.opened(lied_to, *others(world))
        world.run(lied_to, cycles=3)
        assert 0 not in world.round(study, 1).updates
        assert f"{lied_to._fed.client.label} leaves events out" in " ".join(reasons(member, "refused"))

    def test_consents_left_out_do_not_make_it_abstain(self, world, member, liar, lied_to):
        """Without the patients' grants it would have too few; it waits instead."""
        blocks = {
            event.block
            for event in world.federation().index.events("Granted", contract="ConsentRegistry")
            if event["dataset_id"] == member.dataset
        }
        liar.edit = without(*blocks)
        study = world.opened(lied_to, *others(world))
        world.run(lied_to, cycles=2)
        assert world.round(study, 1).abstained == frozenset()
        liar.edit = None
        in_time(lambda: world.run(lied_to), lambda: world.round(study, 1).updates)
        assert 0 in world.round(study, 1).updates

    def test_the_metric(self, world, liar, lied_to):
        world.post()
        liar.edit = without(world.client.head().number)
        health = lied_to._health
        loop = Loop(lied_to._fed.client, lied_to, threading.Event(), health=health)
        loop.run(until=lambda: True)
        assert b"medfed_events_contradicted_total 1.0" in health.metrics()

    def test_one_study_told_otherwise_stops_no_other(self, world, member, liar, lied_to):
        """It is told and counted, and nothing is done in it; the other one goes on, and it does too once all of it is told."""
        hospitals = (lied_to, *others(world))
        other = world.opened(*hospitals, rounds=3)
        doubted = world.opened(*hospitals, rounds=1, spec={"seed": 8})
        world.run(*hospitals[1:])
        assert not world.study(other).ended
        before = world.round(doubted, 1)
        liar.edit = without(world.index.events("UpdateSubmitted", study=doubted)[0].block)
        world.run(*hospitals, cycles=8)
        assert world.round(doubted, 1).updates.keys() == before.updates.keys()
        assert world.study(other).ended == "completed"
        (told,) = reasons(member, "contradicted")
        assert told.endswith(f"nothing is done in study {doubted}, ask another node.")
        assert b"medfed_study_faults 1.0" in lied_to._health.metrics()
        assert b"medfed_events_contradicted_total 0.0" not in lied_to._health.metrics()
        liar.edit = None
        in_time(lambda: world.run(*hospitals), lambda: world.study(doubted).ended)
        assert world.study(doubted).ended == "completed"

    def test_a_study_of_which_nothing_is_told_stops_no_other(self, world, member, liar, lied_to):
        study = world.opened(lied_to, *others(world), rounds=1)
        world.post()
        liar.edit = without(world.client.head().number)
        world.run(lied_to, cycles=2)
        assert 0 in world.round(study, 1).updates
        assert "count" in " ".join(reasons(member, "contradicted"))


class TestAWatchtower:
    @pytest.fixture
    def tower(self, world, beside):
        tower = account("tower", str(world.folder))
        world.client.set_balance(tower.address, ETHER)
        health = Health()
        alerts = Kept(health)
        daemon = Watchtower(beside, Sender(beside.client, tower), health=health, alerts=alerts)
        return daemon, health, alerts

    def hidden(self, alerts):
        return [alert.reason for alert in alerts.kept if alert.what == "the node"]

    @pytest.mark.parametrize("kept", [0, 1], ids=["all of a block", "one of a block"])
    def test_a_log_left_out_for_ever(self, world, liar, tower, kept):
        """Which no study's course depends on: the receipts have it. It is told once, and nothing else stops."""
        daemon, health, alerts = tower
        world.post()
        daemon.execute()
        block = revoke(world, world.members[0], 3) if not kept else several(world)
        liar.edit = keeping(block, kept)
        for _ in range(3):
            daemon.execute()
        (told,) = self.hidden(alerts)
        assert (
            f"block {block} has {kept + 1} events of the contracts by its receipts, it tells of {kept};"
            in told
        )
        assert daemon._fed.client.label in told
        assert b"medfed_events_contradicted_total 3.0" in health.metrics()

    def test_a_log_left_out_once(self, world, liar, tower):
        """All is read anew and is there; nobody is told."""
        daemon, _, alerts = tower
        world.post()
        daemon.execute()
        liar.edit = once(liar, without(revoke(world, world.members[0], 3)))
        for _ in range(2):
            daemon.execute()
        assert liar.edit is None
        assert not self.hidden(alerts)
        assert told(daemon._fed) == told(honest(world))

    def test_one_study_told_otherwise_stops_no_other(self, world, liar, tower):
        daemon, _, alerts = tower
        three = [world.hospital(member) for member in world.members]
        doubted, lied_in = world.opened(*three), world.opened(*three, rounds=1, spec=liars.SPEC)
        world.run(*three)
        world.index.sync()
        block = world.index.events("UpdateSubmitted", study=doubted)[-1].block
        assert block not in {event.block for event in world.index.events("UpdateSubmitted", study=lied_in)}
        liars.publish(world, lied_in)
        liars.attest(world, lied_in, liars.forged_aggregate(world, lied_in, "middle"), [0, 1])
        liar.edit = without(block)
        daemon.execute()
        assert f"nothing is done in study {doubted}" in self.hidden(alerts)[0]
        assert world.round(lied_in, 1).outcome is Outcome.REFUTED


class TestAnAudit:
    @pytest.fixture
    def ended(self, world):
        three = [world.hospital(member) for member in world.members]
        study = world.opened(*three, rounds=1)
        world.run(*three, cycles=4)
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=3)
        assert world.study(study).ended
        return study

    def test_events_left_out_do_not_make_a_study_wrong(self, world, ended, liar):
        """Attestations and pay, left out for ever: the node is named, and the study is not called wrong. Left out once: right."""
        liar.edit = without(world.index.events("Attested", study=ended)[0].block)
        with pytest.raises(Contradicted, match="for `attested` of round 1"):
            audit_study(federation(world, liar.url, None), ended)
        liar.edit = once(liar, liar.edit)
        assert audit_study(federation(world, liar.url, None), ended).ok
        liar.edit = without(world.index.events("Claimed", study=ended)[0].block)
        place = federation(world, liar.url, None)
        report = audit_study(place, ended)
        assert report.verdict.startswith(f"NOT CHECKED: {place.client.label} tells other events")
        assert not report.difference
        liar.edit = once(liar, liar.edit)
        assert audit_study(federation(world, liar.url, None), ended).ok

    def test_consents_left_out_do_not_make_a_cohort_too_large(self, world, ended, liar):
        """Which no storage tells of: the block's receipts do."""
        granted = world.index.events(
            "Granted", contract="ConsentRegistry", dataset_id=world.members[0].dataset
        )
        liar.edit = without(*{event.block for event in granted})
        place = federation(world, liar.url, None)
        report = audit_study(place, ended)
        assert report.verdict.startswith(f"NOT CHECKED: {place.client.label} tells other events")
        assert "by its receipts, and it tells of none" in report.verdict

    def test_without_its_end_it_is_not_audited(self, world, ended, liar):
        liar.edit = without(world.index.events("StudyCompleted", study=ended)[0].block)
        with pytest.raises(Contradicted, match="for `state` of study"):
            audit_study(federation(world, liar.url, None), ended)


def once(liar, edit):
    """Lies in its first answer about events only."""

    def run(request, result):
        changed = edit(request, result)
        if changed != result:
            liar.edit = None
        return changed

    return run


def keeping(block, count):
    """Of the events of a block, only so many are told."""

    def edit(request, result):
        if request["method"] != "eth_getLogs":
            return result
        here = [log for log in result if int(log["blockNumber"], 16) == block]
        return [log for log in result if log not in here[count:]]

    return edit


def several(world):
    """The block of one transaction with two events."""
    patient = world.members[0].wallet.account(4)
    world.client.set_balance(patient.address, ETHER)
    member, now = world.members[0], world.client.head().timestamp
    signed = [
        actions.sign_revoke(world.federation(), member.wallet.account(number), member.dataset, now=now)
        for number in (4, 5)
    ]
    return world.send(patient, world.contracts.consents.revoke_batch(signed)).block


def in_time(act, done=lambda: True):
    """Reading anew has its pauses."""
    end = time.monotonic() + 30
    while True:
        try:
            act()
            if done() or time.monotonic() > end:
                return
        except Contradicted:
            if time.monotonic() > end:
                raise
        time.sleep(0.1)


def honest(world):
    place = world.federation()
    place.sync()
    return place


def others(world):
    return [world.hospital(member) for member in world.members[1:]]
