"""What a node could have a patient sign: another dataset than the one on the screen, or a moment to come."""

from __future__ import annotations

import time

import pytest

from medfed.cli import actions
from medfed.cli.meaning import meaning
from medfed.errors import InputError, ProtocolError
from medfed.protocol.purposes import Purpose
from medfed.types import DatasetId
from tests.nodes.federation import DAY, deploy

HMB, NO_EXPIRY = int(Purpose.HMB), 0xFFFF


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return deploy(tmp_path_factory.mktemp("ground"))


@pytest.fixture(scope="module")
def world(ground, tmp_path_factory):
    """Two hospitals with a dataset each."""
    return ground.world(tmp_path_factory.mktemp("world"), 2)


@pytest.fixture
def first(world):
    return world.members[0]


def sign(world, member, kind=actions.sign_grant):
    now = actions.signing_moment(world.federation(), member.wallet.account(0).address, member.dataset)
    return kind(world.federation(), member.wallet.account(0), member.dataset, HMB, NO_EXPIRY, now=now)


class Telling:
    """Stands before the contract's reader and tells other words, for some answers."""

    def __init__(self, monkeypatch, datasets, *words):
        kind, self.words, self.truth = type(datasets), list(words), type(datasets).describe
        monkeypatch.setattr(kind, "describe", lambda own, number, block=None: self.tell(own, number))

    def tell(self, own, number):
        if not self.words:
            return self.truth(own, number)
        word = self.words.pop(0)
        return (self.truth(own, word)[0] if isinstance(word, int) else word), False


class TestWords:
    @pytest.mark.parametrize("kind", [actions.sign_grant, actions.sign_narrow])
    def test_another_datasets_words_are_not_signed(self, world, first, monkeypatch, kind):
        """They would be a consent for that one, under this account, whatever the screen shows."""
        Telling(monkeypatch, world.contracts.datasets, int(world.members[1].dataset))
        with pytest.raises(ProtocolError, match="nothing is signed"):
            sign(world, first, kind)

    @pytest.mark.parametrize("tail", ["0", " ", "", ' "x"', " of", "\n", "\u200b, x"])
    def test_nor_what_only_begins_like_its_own(self, world, first, monkeypatch, tail):
        own = f"dataset {first.dataset}"
        words = own + tail if tail else own[:-1]
        Telling(monkeypatch, world.contracts.datasets, words)
        with pytest.raises(ProtocolError, match="nothing is signed"):
            sign(world, first)

    def test_the_screen_shows_what_was_signed(self, world, first, monkeypatch):
        """A node that gives one title to be signed and another to be shown: the file's words are shown."""
        lie = f'dataset {first.dataset}, "Sale of data"'
        Telling(monkeypatch, world.contracts.datasets, lie)
        signed = sign(world, first)
        [said, *_] = meaning(world.federation(), signed.message)
        assert lie in said
        call = world.contracts.consents.grant_batch([signed])
        [skipped] = world.contracts.consents.skipped(world.send(world.sponsor, call))
        assert skipped.reason == "InvalidSignature", "the chain takes no other words than its own"


class TestMoments:
    @pytest.fixture
    def elsewhere(self, world, monkeypatch):
        """A chain that is no development chain."""
        monkeypatch.setattr(type(world.client), "is_development", False)

    def moment(self, world, first):
        return actions.signing_moment(world.federation(), first.wallet.account(0).address, first.dataset)

    def test_a_block_of_next_year_dates_nothing(self, world, first, elsewhere):
        """A consent of next year would outlive every revocation until then; a revocation would be none until then."""
        world.client.travel(int(time.time()) + 365 * DAY - world.client.head().timestamp)
        world.client.mine()
        with pytest.raises(InputError, match="Nothing is signed for a time to come"):
            self.moment(world, first)

    def test_a_word_of_next_year_dates_nothing(self, world, first, elsewhere, monkeypatch):
        consents = world.contracts.consents
        word = consents.word(first.wallet.account(0).address, DatasetId(first.dataset))
        later = type(word)(word.purposes, 2**32 - 2, 2**32 - 2, word.expiry_day)
        monkeypatch.setattr(type(consents), "word", lambda *_: later)
        with pytest.raises(InputError, match="Nothing is signed for a time to come"):
            self.moment(world, first)
