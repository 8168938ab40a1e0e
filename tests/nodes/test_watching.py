"""What a daemon warns of: gas money, clocks, an encryption key that is not the published one."""

from __future__ import annotations

import io
import json

import pytest

from medfed.chain.clock import ChainClock
from medfed.chain.encryption import save_encryption_key
from medfed.log import configure
from medfed.nodes.health import Health
from medfed.nodes.watching import Watching
from tests.nodes.federation import PASSWORD


@pytest.fixture
def said():
    """The log's lines so far."""
    out = io.StringIO()
    configure("info", "json", out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    configure("error")


@pytest.fixture
def site(world):
    world.index.sync()
    return world.hospital(world.members[0])._site


def look(world, site):
    Watching(site, Health()).look(world.client.head())


def test_enough_is_no_news(world, site, said):
    look(world, site)
    assert said() == []


def test_gas_money(world, site, said):
    """Below the hospital's own mark, the line names the account to send ether to."""
    world.client.set_balance(site.sender.address, 10**16)
    look(world, site)
    (line,) = said()
    assert (line["event"], line["operator"], line["ether"]) == (
        "gas money runs out",
        site.sender.address,
        0.01,
    )


def test_clocks(world, site, said):
    """On a chain that is no development chain, a wall clock that is far from the newest block's time."""

    class Real(type(world.client)):
        """The same chain, of which nobody says that it is for trying out."""

        is_development = False

    for ahead, expected in ((30, []), (-30, []), (90, [-90]), (-90, [90])):
        said_before = len(said())
        site.clock = ChainClock(world.client, wall=lambda: world.client.head().timestamp + ahead)  # noqa: B023
        kind = type(world.client)
        world.client.__class__ = Real
        try:
            look(world, site)
        finally:
            world.client.__class__ = kind
        assert [line["seconds"] for line in said()[said_before:]] == expected


def test_an_encryption_key_that_is_not_the_published_one(world, site, said):
    """What others seal for this hospital could not be opened; said once, with what to do."""
    file = world.members[0].folder / "encryption.json"
    file.unlink()
    save_encryption_key(file, b"\5" * 32, PASSWORD, trial=True)
    look(world, site)
    look(world, site)
    assert [line["event"] for line in said()] == ["encryption key"]
    assert "rotate-encryption-key" in said()[0]["reason"]


def test_once_a_minute_is_enough(world, site, said):
    world.client.set_balance(site.sender.address, 1)
    watching = Watching(site, Health())
    for _ in range(5):
        watching.look(world.client.head())
    assert len(said()) == 1
