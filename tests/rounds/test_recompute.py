"""Recomputing a round: every byte that is attested to was fetched, and one wrong word is enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medfed.errors import ContentMissing, ProtocolError
from medfed.protocol.cid import cid_from_digest
from medfed.rounds.recompute import RoundPlace, RoundSum, check_manifest, check_update
from medfed.rounds.study import artefacts, check_terms, fetch_model, fetch_spec, model_cid_of
from medfed.storage.local import LocalStore
from medfed.types import RoundNumber


@pytest.fixture
def told(ended):
    return ended.world.round(ended.study, 1)


@pytest.fixture
def place(ended):
    return place_of(ended, 1)


@pytest.fixture
def entries(ended):
    return {entry.seat: entry for entry in ended.world.study(ended.study).enrolments}


def place_of(ended, number) -> RoundPlace:
    world = ended.world
    spec = fetch_spec(world.store, world.study(ended.study))
    rounds = world.contracts.rounds.address
    return RoundPlace(world.client.chain_id, rounds, ended.study, RoundNumber(number), spec)


class TestAnUpdate:
    def test_is_checked_and_its_words_come_back(self, ended, place, entries, told):
        words = check_update(ended.world.store, place, entries[0], told.updates[0])
        assert words.shape == (place.spec.size,)

    def test_of_another_hospital_round_or_root_is_wrong(self, ended, place, entries, told):
        store, update = ended.world.store, told.updates[0]
        with pytest.raises(ProtocolError):
            check_update(store, place, entries[1], update)
        with pytest.raises(ProtocolError):
            check_update(store, place_of(ended, 2), entries[0], update)
        with pytest.raises(ProtocolError, match="another chunk root"):
            check_update(store, place, entries[0], _changed(update, update_root=bytes(32)))

    def test_with_a_word_out_of_range_for_its_weight_is_wrong(self, ended, place, entries, told):
        """A smaller weight allows smaller words only."""
        with pytest.raises(ProtocolError):
            check_update(ended.world.store, place, entries[0], _changed(told.updates[0], weight=0))

    def test_needs_its_manifest(self, ended, place, entries, told, tmp_path):
        """The bytes alone are not enough: without the manifest the update is missing."""
        store, update = LocalStore(tmp_path / "other"), told.updates[0]
        store.put(ended.world.store.get(cid_from_digest(update.cid), 1 << 20))
        with pytest.raises(ContentMissing, match=cid_from_digest(update.cohort_cid)):
            check_update(store, place, entries[0], update)

    def test_with_the_manifest_of_another_is_wrong(self, ended, place, entries, told):
        other = told.updates[1]
        swapped = _changed(told.updates[0], cohort_cid=other.cohort_cid, cohort_root=other.cohort_root)
        with pytest.raises(ProtocolError, match="The cohort manifest is of study"):
            check_manifest(ended.world.store, place, entries[0], swapped)

    @pytest.mark.parametrize("weight", [0, 8, 15, 17, 48])
    def test_with_a_weight_that_its_manifest_does_not_carry_is_wrong(
        self, ended, place, entries, told, weight
    ):
        with pytest.raises(ProtocolError, match=f"Weight {weight} does not fit"):
            check_manifest(ended.world.store, place, entries[0], _changed(told.updates[0], weight=weight))


class TestTheSum:
    def test_comes_to_what_was_attested(self, ended, place, entries, told):
        total = RoundSum(place, entries)
        total.add(ended.world.store, told.updates)
        model = fetch_model(ended.world.store, place.spec, place.spec.initial_model_cid)
        assert total.outcome(model).aggregate == told.result

    def test_does_not_depend_on_the_order_of_arrival(self, ended, place, entries, told):
        model = fetch_model(ended.world.store, place.spec, place.spec.initial_model_cid)
        found = set()
        for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
            total = RoundSum(place, entries)
            for seat in order:
                total.add(ended.world.store, {seat: told.updates[seat]})
            found.add(total.outcome(model).model_file)
        assert len(found) == 1

    def test_takes_each_update_once(self, ended, place, entries, told):
        total = RoundSum(place, entries)
        for _ in range(2):
            total.add(ended.world.store, told.updates)
        assert total.weights == {0: 16, 1: 16, 2: 16}

    def test_leaves_out_what_is_wrong_and_waits_for_what_is_missing(
        self, ended, place, entries, told, tmp_path
    ):
        """Wrong stays out for good, missing may still come; both are told once."""
        store, heard = LocalStore(tmp_path / "part"), []
        updates = {**told.updates, 1: _changed(told.updates[1], update_root=bytes(32))}
        for seat in (0, 1):
            for digest in (updates[seat].cid, updates[seat].cohort_cid):
                store.put(ended.world.store.get(cid_from_digest(digest), 1 << 20))
        total = RoundSum(place, entries)
        for _ in range(3):
            total.add(store, updates, lambda seat, why: heard.append((seat, why)))
        assert (set(total.weights), set(total.faults), set(total.missing)) == ({0}, {1}, {2})
        assert [seat for seat, _ in heard] == [1, 2]
        for digest in (updates[2].cid, updates[2].cohort_cid):
            store.put(ended.world.store.get(cid_from_digest(digest), 1 << 20))
        total.add(store, updates)
        assert (set(total.weights), set(total.missing)) == ({0, 2}, set())

    def test_of_nothing_is_refused(self, ended, place, entries):
        model = fetch_model(ended.world.store, place.spec, place.spec.initial_model_cid)
        with pytest.raises(ProtocolError, match="no update to add up"):
            RoundSum(place, entries).outcome(model)

    def test_wraps_modulo_two_to_the_32(self, place, entries):
        total = RoundSum(place, entries)
        total.include(0, 16, np.full(place.spec.size, 0xFFFFFFFF, dtype=np.uint32))
        total.include(1, 16, np.full(place.spec.size, 3, dtype=np.uint32))
        added = RoundSum(place, entries)
        added.include(0, 32, np.full(place.spec.size, 2, dtype=np.uint32))
        assert total.sealed() == added.sealed()


class TestAStudysArtefacts:
    def test_each_round_starts_from_the_last_final_model(self, ended, place):
        world, study = ended.world, ended.world.study(ended.study)
        first, second = (model_cid_of(world.index, study, place.spec, number) for number in (1, 2))
        assert first == place.spec.initial_model_cid
        assert second == cid_from_digest(world.round(ended.study, 1).result.model)

    def test_all_of_them_are_in_the_store_once(self, ended, place):
        found = artefacts(ended.world.index, ended.world.study(ended.study), place.spec)
        assert len(found) == len(set(found)) == 2 + 2 * (3 * 2 + 2)
        assert all(ended.world.store.has(cid) for cid in found)

    @pytest.mark.parametrize("name", ["purposes", "rounds", "cohort_step", "max_weight", "max_hospitals"])
    def test_a_spec_that_says_other_than_the_chain_is_refused(self, ended, place, name):
        terms = ended.world.study(ended.study).terms
        other = replace(terms, **{name: getattr(terms, name) + 1})
        with pytest.raises(ProtocolError, match="the chain says"):
            check_terms(place.spec, other)

    @pytest.mark.parametrize("changes", [{"words": 1}, {"steps": 1}, {"weighted": False}])
    def test_vectors_that_are_not_the_specs_are_refused(self, ended, place, changes):
        """Another length, another limit, or words that the contract would judge by another weight."""
        terms = ended.world.study(ended.study).terms
        (vector,) = terms.training
        for other in (
            replace(terms, training=(replace(vector, **changes),)),
            replace(terms, training=(vector, vector)),
            replace(terms, statistics=(vector,)),
        ):
            with pytest.raises(ProtocolError, match="the chain says"):
                check_terms(place.spec, other)


def _changed(update, **values):
    return replace(update, **values)
