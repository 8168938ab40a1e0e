"""Nodes that end studies which go on: daemons hold the end of a study against the contracts, too, and let nothing go on their word."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from medfed.chain.calls import Log
from medfed.chain.deployment import found_from, open_index
from medfed.chain.nodes import Nodes
from medfed.protocol.consent import DAY
from tests.adversary.evidence.forger import topic
from tests.nodes.test_keeping import files, settled, started


@pytest.fixture
def liar(world, monkeypatch):
    """What the node tells besides, or instead."""
    changes, truth = [], world.client.logs

    def logs(first, last, addresses):
        told = truth(first, last, addresses)
        for change in changes:
            told = change(told, first, last)
        return told

    monkeypatch.setattr(world.client, "logs", logs)
    return changes.append


def ending(world, study, name):
    """An event that the contracts never wrote, in the newest block."""
    head = world.client.mine()
    place = world.contracts.rounds.address
    log = Log(
        bytes.fromhex(place[2:]),
        (topic("FederatedRounds", name), int(study).to_bytes(32, "big")),
        b"",
        head.number,
        head.hash,
        0,
        bytes(32),
        head.timestamp,
    )
    return lambda told, first, last: [*told, *([log] if first <= head.number <= last else [])]


@pytest.mark.parametrize("name", ["StudyCompleted", "StudyAborted"])
def test_an_end_that_never_was_stops_nobody_silently(world, three, liar, name):
    study = world.opened(*three)
    liar(ending(world, study, name))
    world.run(*three, cycles=2)
    assert study in three[0]._site.census.doubtful


def hiding(name, study):
    """All events of a kind that a study has are left out."""

    def change(told, *_):
        return [
            log
            for log in told
            if log.topics[:2] != (topic("FederatedRounds", name), int(study).to_bytes(32, "big"))
        ]

    return change


def test_a_result_that_is_hidden_later_is_kept_all_the_same(world, liar):
    """The keep time is over, and by the node's word the study never had its last model."""
    study = settled(world, started(world))
    everything, _ = files(world, study)
    keepers = started(world)
    world.run(*keepers)
    liar(hiding("RoundFinal", study))
    assert keepers[0]._site.census.read_anew("asked to")
    world.client.travel(3 * DAY)
    world.run(*keepers, cycles=2)
    assert study in keepers[0]._site.census.doubtful
    assert everything <= world.store.pins()


def test_a_block_of_years_ahead_lets_nothing_go(world, monkeypatch):
    """Where blocks come by themselves none is much ahead of the clock: such a date is a node's word alone."""
    keepers = started(world)
    study = settled(world, keepers)
    head = world.client.head()
    monkeypatch.setattr(type(world.client), "is_development", False)
    monkeypatch.setattr(time, "time", lambda: head.timestamp + 60)
    far = replace(head, timestamp=head.timestamp + 9 * 365 * DAY)
    assert keepers[0]._keeping.due(far) == []
    monkeypatch.setattr(time, "time", lambda: far.timestamp)
    assert keepers[0]._keeping.due(head) == []
    assert keepers[0]._keeping.due(far) == [study]


class Beside:
    """A node of its own before the same chain, which dates events `late` seconds later than they were."""

    def __init__(self, inner, late=0):
        self.inner, self.late, self.label = inner, late, f"node {late}"

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def logs(self, *asked):
        return [log._replace(time=log.time + self.late) for log in self.inner.logs(*asked)]


def test_of_three_nodes_one_dates_events_otherwise(world):
    """It comes first, and is believed as little as in anything else."""
    nodes = Nodes([Beside(world.client, late) for late in (9, 0, 0)])
    contracts = world.contracts
    found = found_from(nodes, contracts.rounds.address, contracts.first, nodes.head())
    index = open_index(found, None, confirmations=0)
    index.sync()
    world.index.sync()
    times = [[event.time for event in each.events("HospitalAdmitted")] for each in (index, world.index)]
    assert times[0] == times[1]
