"""Chain time: judged by the chain, awaited by the wall."""

from __future__ import annotations

import pytest

from medfed.chain.clock import ChainClock


class Hands:
    """A wall clock and a monotonic one that the test moves."""

    def __init__(self, wall):
        self.wall, self.running = wall, 0.0

    def forward(self, seconds):
        self.wall += seconds
        self.running += seconds

    def clock(self, client):
        return ChainClock(client, wall=lambda: self.wall, monotonic=lambda: self.running)


@pytest.fixture
def head(embedded):
    return embedded.mine()


def test_now_stands_still_while_nothing_is_mined(embedded, head):
    """`now` is the newest block's time, however late it is on the wall."""
    hands = Hands(head.timestamp)
    clock = hands.clock(embedded)
    hands.forward(1000)
    assert clock.now() == head.timestamp


def test_estimate_on_a_public_chain(embedded, head):
    """With a chain that keeps to the wall, the estimate is the wall clock."""
    hands = Hands(head.timestamp)
    clock = hands.clock(embedded)
    clock.now()
    hands.forward(100)
    assert clock.estimate() == head.timestamp + 100


def test_estimate_on_a_chain_that_runs_ahead(embedded, head):
    """A chain that was moved a day ahead goes on from there, second by second."""
    hands = Hands(head.timestamp - 86_400)
    clock = hands.clock(embedded)
    clock.now()
    hands.forward(7)
    assert clock.estimate() == head.timestamp + 7


def test_estimate_on_an_idle_chain(embedded, head):
    """A chain that mined nothing for an hour would mine at today's time."""
    clock = Hands(head.timestamp + 3600).clock(embedded)
    assert clock.estimate() == head.timestamp + 3600


def test_remaining(embedded, head):
    """Seconds until the next block lies past a deadline; none when it would already."""
    hands = Hands(head.timestamp)
    clock = hands.clock(embedded)
    assert clock.remaining(head.timestamp + 9) == 10
    hands.forward(10)
    assert clock.remaining(head.timestamp + 9) == 0


def test_wait_past(embedded, head):
    """Waiting ends when a block mined now would lie past the deadline, and that block does."""
    hands = Hands(head.timestamp)
    hands.clock(embedded).wait_past(head.timestamp + 30, sleep=hands.forward)
    assert hands.wall == pytest.approx(head.timestamp + 31)


def test_drift(embedded, head):
    """How far the chain is ahead of the wall."""
    assert Hands(head.timestamp - 50).clock(embedded).drift() == 50
