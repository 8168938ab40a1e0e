"""Metrics and /healthz: what a daemon says of itself, over real HTTP, and when it says no."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from medfed.errors import ChainUnavailable, ConfigError
from medfed.nodes.health import Health, serve
from medfed.nodes.loop import Loop
from medfed.protocol.phase import Phase
from medfed.types import BlockStamp
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("quiet")


class Wall:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def health(wall):
    return Health(oldest=600, wall=wall)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def values(text):
    families = text_string_to_metric_families(text.decode())
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


class TestHealthz:
    def test_over_http(self, health, wall):
        with serve(health, "127.0.0.1:0") as url:
            assert get(url + "/healthz") == (200, b'{"ok": true, "trouble": ""}\n')
            wall.now += 601
            status, body = get(url + "/healthz")
            assert status == 503
            assert json.loads(body) == {"ok": False, "trouble": "no cycle has succeeded for 601 s"}
            health.cycle(0.1, failed=False)
            assert get(url + "/healthz")[0] == 200
            assert get(url + "/other")[0] == 404

    def test_failures_pile_up(self, health):
        """Five in a row; one success forgives them."""
        for _ in range(4):
            health.cycle(0.1, failed=True)
        assert health.trouble() == ""
        health.cycle(0.1, failed=True)
        assert health.trouble() == "5 cycles in a row have failed"
        health.cycle(0.1, failed=False)
        assert health.trouble() == ""

    def test_a_failure_is_no_success(self, health, wall):
        """Failing now and then does not hide that nothing has worked for long."""
        wall.now += 400
        health.cycle(0.1, failed=True)
        wall.now += 400
        assert "800 s" in health.trouble()


class TestMetrics:
    def test_over_http(self, health):
        health.cycle(0.2, failed=False)
        health.cycle(0.4, failed=True)
        health.head(BlockStamp(42, b"", 1_700_000_000))
        health.rounds({Phase.TRAINING: 2, Phase.FINAL: 7})
        health.counts(ether=0.25, drift=-3, awaited=4, faults=1)
        with serve(health, "127.0.0.1:0") as url:
            status, body = get(url + "/metrics")
        assert status == 200
        found = values(body)
        expected = {
            "medfed_head_block": 42,
            "medfed_head_timestamp_seconds": 1_700_000_000,
            "medfed_rounds{training}": 2,
            "medfed_rounds{aggregating}": 0,
            "medfed_rounds{final}": 7,
            "medfed_cycle_seconds_count": 2,
            "medfed_cycle_failures_total": 1,
            "medfed_last_success_timestamp_seconds": 1000,
            "medfed_operator_ether": 0.25,
            "medfed_clock_drift_seconds": -3,
            "medfed_updates_awaited": 4,
            "medfed_study_faults": 1,
        }
        assert {name: found[name] for name in expected} == expected
        assert found["medfed_cycle_seconds_sum"] == pytest.approx(0.6)

    def test_every_metric_is_documented(self, health):
        """docs/operations.md names each, and none that is not there."""
        families = text_string_to_metric_families(health.metrics().decode())
        names = {family.name + "_total" * (family.type == "counter") for family in families}
        names = {name for name in names if not name.endswith("_created")}
        text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
        section = text.split("## Metrics and alerts\n", 1)[1].split("\n`/healthz`", 1)[0]
        documented = {name for part in section.split("`")[1::2] if (name := part.split("{")[0])}
        assert documented == names

    def test_two_daemons_in_one_process_count_apart(self):
        one, two = Health(), Health()
        one.cycle(1, failed=True)
        assert values(two.metrics())["medfed_cycle_failures_total"] == 0


class TestServing:
    def test_nothing_listens_without_an_address(self, health):
        with serve(health, "") as url:
            assert url == ""

    def test_the_port_is_free_again(self, health):
        with serve(health, "127.0.0.1:0") as url:
            port = url.rsplit(":", 1)[1]
        with serve(health, f"127.0.0.1:{port}") as again:
            assert get(again + "/healthz")[0] == 200

    def test_a_port_that_is_taken(self, health):
        with serve(health, "127.0.0.1:0") as url, pytest.raises(ConfigError, match="choose another port"):
            serve(health, url.removeprefix("http://")).__enter__()

    @pytest.mark.parametrize("address", ["9464", "localhost", ":9464", "127.0.0.1:x", "127.0.0.1:70000"])
    def test_what_is_no_address(self, health, address):
        with pytest.raises(ConfigError, match="has to be host:port"):
            serve(health, address).__enter__()


class TestALoop:
    """The loop tells its health, whatever a cycle does."""

    class Flaky:
        def __init__(self, *outcomes):
            self.outcomes = list(outcomes)

        def execute(self):
            outcome = self.outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

    def run(self, client, daemon, health, cycles):
        left = iter(range(cycles))
        loop = Loop(client, daemon, threading.Event(), poll=0.001, health=health)
        loop.run(until=lambda: next(left) == cycles - 1)
        return loop

    def test_a_transient_failure_is_tried_again(self, ground, health):
        daemon = self.Flaky(ChainUnavailable("no answer"), False)
        loop = self.run(ground.client, daemon, health, 2)
        found = values(health.metrics())
        assert (found["medfed_cycle_failures_total"], found["medfed_cycle_seconds_count"]) == (1, 2)
        assert loop.failures == 0

    def test_anything_else_ends_it(self, ground, health):
        """A mistake in the program or a broken setting is not hidden by trying again."""
        for reason in (ConfigError("wrong"), KeyError("mistake")):
            with pytest.raises(type(reason)):
                self.run(ground.client, self.Flaky(reason), health, 1)

    def test_stopping_ends_it_at_once(self, ground, health):
        """Even in a long pause after failures."""
        stop = threading.Event()
        daemon = self.Flaky(*[ChainUnavailable("no answer")] * 20)
        thread = threading.Thread(target=Loop(ground.client, daemon, stop, health=health).run)
        thread.start()
        while len(daemon.outcomes) > 14:
            stop.wait(0.01)
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def test_a_daemon_tells_rounds_money_and_bytes(world, three):
    """The numbers of a real cycle: one open round, who is awaited, what the operator has."""
    health = Health()
    member = world.members[0]
    three[0] = type(three[0])(world.federation(), three[0]._site.sender, member.config(), member.home, health)
    world.opened(*three, rounds=1)
    world.run(*three)
    world.run(three[0])
    found = values(health.metrics())
    assert found["medfed_rounds{aggregating}"] == 1
    assert found["medfed_updates_awaited"] == 2
    assert 0 < found["medfed_operator_ether"] < 1
    assert found["medfed_head_block"] == world.client.head().number
