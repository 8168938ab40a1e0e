"""Studies and rounds as events tell them, and who consented at which second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain.contracts.consents import consent_event
from medfed.errors import InputError
from medfed.protocol import consent
from medfed.protocol.phase import Outcome, Phase, phase_of
from medfed.rounds.history import ConsentBook, consented, read_round, read_study, study_ids
from medfed.types import RoundNumber, StudyId


class TestAStudy:
    def test_is_told_from_beginning_to_end(self, ended):
        study = read_study(ended.world.index, ended.study)
        assert (study.rounds, study.ended, len(study.enrolments)) == (2, "completed", 3)
        assert [entry.seat for entry in study.enrolments] == [0, 1, 2]
        assert study.enrolment(ended.world.members[1].id).dataset == ended.world.members[1].dataset
        assert study.created_at < read_round(ended.world.index, study.study, RoundNumber(1)).opened_at
        assert ended.study in study_ids(ended.world.index)

    def test_has_no_seat_for_a_stranger(self, ended):
        assert read_study(ended.world.index, ended.study).enrolment(ended.world.sponsor.address) is None

    def test_that_is_not_there_is_named(self, ended):
        with pytest.raises(InputError, match=r"no study 4711.*medfed study list"):
            read_study(ended.world.index, StudyId(4711))


class TestARound:
    def test_is_what_the_contract_keeps(self, ended):
        """Times, weights and bitmaps, one by one."""
        for number in (1, 2):
            told = read_round(ended.world.index, ended.study, RoundNumber(number))
            kept = ended.world.contracts.rounds.round(ended.study, number)
            assert (told.opened_at, told.closed_at) == (kept.opened_at, kept.closed_at)
            assert (told.submitted, told.attested, told.weight) == (
                kept.submitted,
                kept.attested,
                kept.total_weight,
            )
            ballot = ended.world.contracts.rounds.ballot(ended.study, number, told.final_hash)
            assert (told.final_at, told.attesters[told.final_hash]) == (ballot.final_at, ballot.attesters)

    def test_that_has_not_opened_is_all_zero(self, ended):
        told = read_round(ended.world.index, ended.study, RoundNumber(3))
        assert (told.opened_at, told.updates, told.result, told.void) == (0, {}, None, False)

    def test_has_the_phase_of_its_facts(self, ended):
        told = read_round(ended.world.index, ended.study, RoundNumber(1))
        facts = told.facts(read_study(ended.world.index, ended.study).terms)
        assert facts.outcome is Outcome.FINAL
        assert phase_of(facts, told.final_at) is Phase.FINAL


class TestConsents:
    def test_of_any_second_are_what_the_contract_says(self, ended):
        """`wasActive` and the index agree on every patient of the first hospital, round by round."""
        world, member = ended.world, ended.world.members[0]
        contract = world.contracts.consents
        for number in (1, 2):
            at = world.round(ended.study, number).opened_at - 1
            told = consented(world.index, member.dataset, 2, at)
            for index in range(18):
                patient = member.wallet.account(index).address
                state = contract.states([patient], member.dataset)[0]
                shown = history_of(world, patient, member.dataset)
                assert (patient in told) == contract.was_active(patient, member.dataset, 2, at, shown), state

    def test_revocations_count_from_the_next_round_on(self, ended):
        world, member = ended.world, ended.world.members[0]
        first, second = (
            consented(world.index, member.dataset, 2, world.round(ended.study, number).opened_at - 1)
            for number in (1, 2)
        )
        assert first.keys() - second.keys() == {
            member.wallet.account(index).address for index in ended.revoked
        }

    @given(st.data())
    def test_a_book_asked_in_ascending_order_agrees_with_asking_once(self, ended, data):
        world, member = ended.world, ended.world.members[0]
        last = world.index.checkpoint.timestamp
        moments = sorted(data.draw(st.lists(st.integers(last - 2000, last + 10), min_size=1, max_size=6)))
        book = ConsentBook(world.index, member.dataset)
        for at in moments:
            assert book.active(2, at) == consented(world.index, member.dataset, 2, at)


def history_of(world, patient, dataset):
    """A patient's words newest first, as `wasActive` is shown them."""
    names = ("Granted", "Narrowed", "Revoked", "AllRevoked")
    events = [event for name in names for event in world.index.events(name)]
    events.sort(key=lambda event: (event.block, event.log_index))
    return consent.history(map(consent_event, events), patient, dataset)
