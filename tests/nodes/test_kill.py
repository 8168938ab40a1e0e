"""Daemons and the chain are killed at every change of state and started again: no round is lost, none is repeated."""

from __future__ import annotations

import json
import os
import threading
import time
import zlib
from collections import Counter

import pytest

from medfed.nodes.journal import check_log
from medfed.rounds.audit import audit_study
from tests.nodes.federation import STAKE, deploy
from tests.nodes.processes import Chain, Daemon, Killer
from tests.rig import studies

ROUNDS, HOSPITALS, PATIENTS = 2, 3, 16  # no more patients than a step, so that all of them train on any chain
SPEC = {"rounds": ROUNDS, "codec": {**studies.fields()["codec"], "max_hospitals": HOSPITALS}}
DISPUTE = 3600  # longer than any machine needs for this
SECONDS = 900.0
DEEP = pytest.mark.skipif("MEDFED_DEEP" not in os.environ, reason="takes minutes; set MEDFED_DEEP=1")


@pytest.fixture
def chain(tmp_path):
    running = Chain(tmp_path)
    yield running
    running.stop()


def prepared(folder, rpc):
    """Admitted hospitals with a study in which they have seats 0, 1, 2; its first round is not open yet."""
    world = deploy(folder, rpc).world(folder, HOSPITALS, PATIENTS)
    hours = {"training_seconds": 36_000, "aggregating_seconds": 36_000, "dispute_seconds": DISPUTE}
    study = world.post(draft=studies.draft(**SPEC), **hours)
    for member in world.members:
        spec = world.study(study).terms.spec
        world.send(member.operator, world.contracts.rounds.enrol(study, member.dataset, spec, STAKE))
    return world, study


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The models of the same study where nothing is killed, in one process on another chain."""
    world, study = prepared(tmp_path_factory.mktemp("undisturbed"), "embedded:")
    daemons = [world.hospital(member) for member in world.members]
    world.run(*daemons, cycles=8)
    return [world.round(study, number).result.model for number in range(1, ROUNDS + 1)]


def every_step(hospital, step):
    """Every hospital at each of its steps."""
    return True


def the_first_of_each_kind(hospital, step):
    """At the first step of each kind one hospital or another: a change of state of each kind, in the time CI has."""
    return step.endswith(" 1") and zlib.crc32(step.encode()) % HOSPITALS == hospital


@pytest.mark.anvil
@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("chosen", [the_first_of_each_kind, pytest.param(every_step, marks=DEEP)])
def test_killed_at_every_step(chain, tmp_path, undisturbed, chosen):
    """Same models, every round final with everybody in it, every transaction sent once, every audit log whole."""
    world, study = prepared(tmp_path, chain.url)
    settings = tmp_path / "medfed.toml"
    settings.write_text(
        f'rpc = "{chain.url}"\nstore = "local:store"\nstate_dir = "."\nconfirmations = 0\nlog_format = "json"\n'
    )
    killers = [
        Killer(Daemon(member, settings), lambda step, number=number: chosen(number, step))
        for number, member in enumerate(world.members)
    ]
    chain.tick(0.05)
    try:
        play(world, study, chain, killers)
    finally:
        for killer in killers:
            killer.daemon.kill()
    assert [world.round(study, number).result.model for number in range(1, ROUNDS + 1)] == undisturbed
    assert_nothing_was_lost(world, study)
    assert_nothing_was_repeated(world, killers)
    killed = {step for killer in killers for step in killer.killed}
    assert len(killed) >= 15, killed
    assert {step.split()[0] for step in killed} >= {"stored", "signed", "mined", "collected", "noted"}


def play(world, study, chain, killers):
    """Watch and kill until all stakes are back. The chain is killed once too, in the middle."""
    stop, failed = threading.Event(), []

    def hunt(killer):
        try:
            while not stop.wait(0.002):
                killer.look()
        except Exception as exc:  # noqa: BLE001 - shown by the test, which this thread cannot fail
            failed.append(exc)

    threads = [threading.Thread(target=hunt, args=(killer,)) for killer in killers]
    for thread in threads:
        thread.start()
    try:
        wait(world, failed, lambda: world.round(study, 1).final_at)
        chain.kill_and_restart()
        wait(world, failed, lambda: world.study(study).ended)
        wait(world, failed, lambda: all(world.round(study, n).attested == 7 for n in range(1, ROUNDS + 1)))
        chain.client.request("anvil_setBlockTimestampInterval", DISPUTE + 1)
        chain.client.request("evm_mine")
        chain.client.request("anvil_setBlockTimestampInterval", 1)
        wait(world, failed, lambda: len(world.index.events("StakeReleased", study=study)) == HOSPITALS)
        wait(
            world,
            failed,
            lambda: (
                not any(
                    killer.daemon.member.home.glob("work/*/[0-9]*")
                    and list(killer.daemon.member.home.glob("work/*/[0-9]*"))
                    for killer in killers
                )
            ),
        )
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def wait(world, failed, happened):
    end = time.monotonic() + SECONDS
    while True:
        world.index.sync()
        if happened():
            return
        assert not failed, failed
        assert time.monotonic() < end, "no progress"
        time.sleep(0.05)


def assert_nothing_was_lost(world, study):
    assert world.study(study).ended == "completed"
    for number in range(1, ROUNDS + 1):
        found = world.round(study, number)
        assert (found.submitted, found.attested, found.result.included) == (7, 7, 7)
        assert not found.abstained
    assert len(world.index.events("Claimed", study=study)) == ROUNDS * HOSPITALS
    assert audit_study(world.federation(), study).ok


def assert_nothing_was_repeated(world, killers):
    """No operator's transaction was mined twice or reverted, but for `advance`, where all race."""
    advance = world.contracts.rounds.advance(1).data[:4]
    mined = Counter()
    for number in range(world.client.head().number + 1):
        for sent in world.client.request("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if not sent["input"].startswith("0x" + advance.hex()):
                mined[sent["from"], sent["input"]] += 1
                assert world.client.receipt(bytes.fromhex(sent["hash"][2:])).ok
    for member in world.members:
        own = {
            data: times
            for (sender, data), times in mined.items()
            if sender == member.operator.address.lower()
        }
        assert len(own) == 1 + 1 + 2 * ROUNDS + 1 + 1  # register, enrol, submit and attest, claim, release
        assert set(own.values()) == {1}
        check_log(member.home / "audit.jsonl")
        lines = [json.loads(line) for line in (member.home / "audit.jsonl").read_text().splitlines()]
        done = Counter(
            (line["event"], line.get("round"))
            for line in lines
            if line["event"] in ("trained", "submit", "attest")
        )
        assert set(done.values()) <= {1}
        assert "refused" not in {line["event"] for line in lines}, lines
