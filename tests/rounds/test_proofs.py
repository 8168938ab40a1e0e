"""Proofs: the first wrong chunk of a vector, opened so that the contract's twin follows; a right vector gives none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medfed.errors import ContentMissing
from medfed.learning.rules import aggregate as combine
from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, ChunkHasher, verify_chunk
from medfed.protocol.cid import cid_from_digest, digest_of
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.layout import is_chunk_right
from medfed.protocol.vector import seal, vector_bytes
from medfed.rounds.history import Enrolment
from medfed.rounds.proofs import (
    AggregateProof,
    Unprovable,
    UpdateProof,
    open_vector,
    refute_aggregate,
    refute_update,
)
from medfed.rounds.recompute import RoundPlace
from medfed.types import DatasetId, HospitalId, RoundNumber, Seat, StudyId
from tests.nodes.stores import HidingStore
from tests.rig import studies

HIDDEN, WEIGHT, SEATS = 120, 16, 4
CHAIN = 31337
RULES = [{"kind": "sum"}, {"kind": "median"}, {"kind": "trimmed-mean", "trim": 1}]


def root_of(data):
    tree = ChunkHasher()
    tree.add(data)
    return tree.root()


class Round:
    """A round of random updates, right by `rule`, in a store of its own."""

    def __init__(self, folder, rule, seed=0):
        self.store = HidingStore(folder)
        spec = studies.study(model={"kind": "mlp", "hidden": [HIDDEN]}, rule=rule)
        self.place = RoundPlace(CHAIN, studies.CONTRACT, StudyId(3), RoundNumber(2), spec)
        self.size = spec.size
        random = np.random.default_rng(seed)
        self.limit = spec.codec.word_limit(spec.rule.coded_weight(WEIGHT))
        self.entries, self.updates, self.words = {}, {}, {}
        for number in range(SEATS):
            seat, hospital = Seat(number), HospitalId("0x" + f"{number + 1:02x}" * 20)
            self.entries[seat] = Enrolment(seat, hospital, DatasetId(number + 1), 1, 100)
            signed = random.integers(-50, 50, self.size, endpoint=True).astype(np.int32)
            self.words[seat] = signed.view(np.uint32)
            self.updates[seat] = self.committed(vector_bytes(self.header(seat), self.words[seat]))

    def header(self, seat=None):
        return self.place.header(None if seat is None else self.entries[seat].hospital)

    def committed(self, data, root=None) -> Update:
        cid = self.store.put(data)
        return Update(digest_of(cid), root or root_of(data), b"\1" * 32, b"\2" * 32, WEIGHT)

    def right(self, included=(0, 1, 2, 3)):
        words = combine(self.place.spec.rule, [self.words[Seat(seat)] for seat in included])
        data = vector_bytes(self.header(), words)
        return data, self.named(data, included)

    def named(self, data, included=(0, 1, 2, 3), **changes):
        bits, weight = sum(1 << seat for seat in included), WEIGHT * len(included)
        made = Aggregate(digest_of(self.store.put(data)), root_of(data), b"\3" * 32, bits, weight)
        return replace(made, **changes)

    def judge(self, aggregate):
        """The verdict; the model is the same whatever follows, so that only words decide."""

        def model():
            raise ContentMissing("No reachable node has it yet.", cid="model")

        try:
            return refute_aggregate(self.store, self.place, self.updates, aggregate, model)
        except ContentMissing as exc:
            if exc.cid == "model":
                return None  # all words are right, and the model was asked for last
            raise


@pytest.fixture(params=RULES, ids=lambda rule: rule["kind"])
def round_(request, tmp_path):
    return Round(tmp_path / "store", request.param)


def changed(data, word, by=1):
    at = 4 * word
    value = int.from_bytes(data[at : at + 4], "big") + by & 0xFFFFFFFF
    return data[:at] + value.to_bytes(4, "big") + data[at + 4 :]


def longer(data, leaf):
    """With a word set in a leaf beyond the last of its six chunks."""
    assert len(data) == 6 * CHUNK_BYTES
    return changed(data.ljust((leaf + 1) * CHUNK_BYTES, b"\0"), (leaf + 1) * CHUNK_WORDS - 1)


def parts(proof, depth):
    """The openings cut into records, as the contract cuts them."""
    size = CHUNK_BYTES // 32 + depth
    words, records = list(proof.openings), []
    while len(words) > size:
        records.append((words[0], words[2 : 2 + size]))
        words = words[2 + size :]
    return records, words


class TestAnAggregate:
    def test_that_is_right_gives_no_proof(self, round_):
        assert round_.judge(round_.right()[1]) is None
        assert round_.judge(round_.right((0, 2, 3))[1]) is None

    @pytest.mark.parametrize("place", ["first", "middle", "last", "padding"])
    def test_one_wrong_word_opens_its_chunk(self, round_, place):
        """Every chunk stands below its committed root, and the rule makes something else of the updates' chunks."""
        size = round_.size
        word = {"first": 0, "middle": size // 2, "last": size - 1, "padding": size}[place] + CHUNK_WORDS
        data = changed(round_.right()[0], word)
        proof = round_.judge(round_.named(data))
        assert isinstance(proof, AggregateProof)
        assert proof.index == word // CHUNK_WORDS
        count = len(data) // CHUNK_BYTES
        records, own = parts(proof, (count - 1).bit_length())
        assert [root for root, _ in records] == [update.update_root for update in round_.updates.values()]
        opened = [*records, (root_of(data), own)]
        for root, words in opened:
            assert verify_chunk(root, b"".join(words[:16]), proof.index, words[16:], count)
        chunks = [np.frombuffer(b"".join(words[:16]), ">u4").astype(np.uint32) for _, words in opened]
        assert not np.array_equal(combine(round_.place.spec.rule, chunks[:-1]), chunks[-1])

    def test_the_first_of_several_wrong_chunks_is_opened(self, round_):
        data = changed(changed(round_.right()[0], 300), 200)
        assert round_.judge(round_.named(data)).index == 1

    def test_a_wrong_header_is_opened_alone(self, round_):
        proof = round_.judge(round_.named(changed(round_.right()[0], 5)))
        assert (proof.index, len(proof.openings)) == (0, 16 + 3)

    @pytest.mark.parametrize("leaf", [6, 7])
    def test_words_behind_the_last_chunk_are_opened_alone(self, round_, leaf):
        """The tree of six chunks has eight leaves: a root over another than zeros in them is no vector's."""
        data = longer(round_.right()[0], leaf)
        proof = round_.judge(round_.named(data))
        assert isinstance(proof, AggregateProof)
        assert (proof.index, len(proof.openings)) == (leaf, 16 + 3)
        chunk, neighbours = b"".join(proof.openings[:16]), proof.openings[16:]
        assert verify_chunk(root_of(data), chunk, leaf, neighbours, 6)
        assert any(chunk)

    def test_a_file_without_its_end_is_taken_as_its_tree_is(self, round_):
        """The tree is padded with zeros, so the missing chunk can be opened."""
        data = round_.right()[0][:-CHUNK_BYTES]
        proof = round_.judge(round_.named(data))
        assert isinstance(proof, AggregateProof)
        assert proof.index == len(data) // CHUNK_BYTES

    @pytest.mark.parametrize("lie", ["root", "cid", "long", "withheld"])
    def test_what_no_chunk_shows_is_unprovable(self, round_, lie):
        data, right = round_.right()
        if lie == "root":
            found = round_.judge(replace(right, root=b"\7" * 32))
        elif lie == "cid":
            found = round_.judge(replace(right, cid=digest_of(round_.store.put(b"other"))))
        elif lie == "long":
            found = round_.judge(round_.named(data + bytes(8 * CHUNK_BYTES)))
        else:
            lying = round_.named(changed(data, 200))
            round_.store.hidden = {cid_from_digest(lying.cid)}
            found = round_.judge(lying)
        assert isinstance(found, Unprovable)
        assert found.yet == (lie in ("withheld", "long"))

    def test_a_right_one_is_judged_without_its_own_bytes(self, round_):
        """Whoever has the updates knows its bytes."""
        right = round_.right()[1]
        round_.store.hidden = {cid_from_digest(right.cid)}
        assert round_.judge(right) is None

    def test_without_an_update_nothing_is_said(self, round_):
        right = round_.right()[1]
        round_.store.hidden = {cid_from_digest(round_.updates[Seat(1)].cid)}
        with pytest.raises(ContentMissing):
            round_.judge(right)

    def test_padding_of_updates_counts_as_the_contract_counts_it(self, round_):
        """An update with a word in its padding is wrong, but an aggregate that adds it up is right by the rule."""
        data = changed(
            vector_bytes(round_.header(Seat(0)), round_.words[Seat(0)]), CHUNK_WORDS + round_.size, 9
        )
        round_.updates[Seat(0)] = round_.committed(data)
        rows = [
            open_vector(round_.store, round_.place, update.cid, update.update_root).words[CHUNK_WORDS:]
            for update in round_.updates.values()
        ]
        words = combine(round_.place.spec.rule, rows)
        full = round_.header().chunk() + words.astype(">u4").tobytes()
        assert root_of(full) == seal(round_.header(), words).root
        assert round_.judge(round_.named(full)) is None


class TestAnUpdate:
    @pytest.fixture
    def first(self, round_):
        return Seat(0), vector_bytes(round_.header(Seat(0)), round_.words[Seat(0)])

    def judge(self, round_, seat, update):
        return refute_update(round_.store, round_.place, round_.entries[seat], update)

    @pytest.mark.parametrize("place", [0, 200, -1])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_word_beyond_its_bound_opens_its_chunk(self, round_, first, place, sign):
        seat, data = first
        word = CHUNK_WORDS + place % round_.size
        beyond = sign * (round_.limit + 1) & 0xFFFFFFFF
        data = data[: 4 * word] + beyond.to_bytes(4, "big") + data[4 * word + 4 :]
        update = round_.committed(data)
        proof = self.judge(round_, seat, update)
        assert isinstance(proof, UpdateProof)
        assert proof.index == word // CHUNK_WORDS
        opening, count = proof.opening, len(data) // CHUNK_BYTES
        assert verify_chunk(update.update_root, opening.chunk, proof.index, opening.proof, count)

    def test_the_smallest_word_of_all(self, round_, first):
        """-2^31 has no positive twin, so a comparison of sizes could miss it."""
        seat, data = first
        data = data[:600] + (1 << 31).to_bytes(4, "big") + data[604:]
        assert isinstance(self.judge(round_, seat, round_.committed(data)), UpdateProof)

    def test_padding_that_is_not_zero(self, round_, first):
        seat, data = first
        proof = self.judge(round_, seat, round_.committed(changed(data, CHUNK_WORDS + round_.size)))
        assert proof.index == len(data) // CHUNK_BYTES - 1

    @pytest.mark.parametrize("leaf", [6, 7])
    def test_words_behind_the_last_chunk(self, round_, first, leaf):
        seat, data = first
        update = round_.committed(longer(data, leaf))
        proof = self.judge(round_, seat, update)
        assert isinstance(proof, UpdateProof)
        assert proof.index == leaf
        assert not is_chunk_right(round_.place.vectors, proof.opening.chunk, leaf, WEIGHT)
        assert verify_chunk(update.update_root, proof.opening.chunk, leaf, proof.opening.proof, 6)

    def test_zeros_behind_the_last_chunk_prove_nothing(self, round_, first):
        """The root is the same, so only the file is another than it should be."""
        seat, data = first
        found = self.judge(round_, seat, round_.committed(data + bytes(CHUNK_BYTES)))
        assert isinstance(found, Unprovable)
        assert "bytes" in found.reason

    def test_the_header_of_another(self, round_):
        """Whoever publishes another's bytes as its own is convicted by the first chunk."""
        data = vector_bytes(round_.header(Seat(1)), round_.words[Seat(1)])
        proof = self.judge(round_, Seat(0), round_.committed(data))
        assert proof.index == 0

    def test_bytes_of_another_root_prove_nothing(self, round_, first):
        seat, data = first
        found = self.judge(round_, seat, round_.committed(data, root=b"\5" * 32))
        assert isinstance(found, Unprovable)
        assert "another chunk root" in found.reason

    def test_a_file_of_another_length_proves_nothing(self, round_, first):
        seat, data = first
        found = self.judge(round_, seat, round_.committed(data[: -2 * CHUNK_BYTES]))
        assert isinstance(found, Unprovable)
        assert "bytes" in found.reason

    def test_a_right_one_waits_for_its_manifest(self, round_, first):
        with pytest.raises(ContentMissing):
            self.judge(round_, first[0], round_.updates[first[0]])
