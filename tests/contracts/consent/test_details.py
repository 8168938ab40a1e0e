"""What a consent says beyond its word: a window of data and the form, by call and by signature, now and in the past."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from medfed.protocol import consent
from medfed.protocol.consent import Details, Word
from medfed.protocol.purposes import DETAILS
from tests.contracts.consent.conftest import DS, GRU, HMB, NO_DETAILS, NO_EXPIRY, packed

FORM, OTHER_FORM = consent.form_digest(b"form"), consent.form_digest(b"another form")
WINDOW, BOTH = (2015, 2024, bytes(28)), (2015, 2024, FORM)


@pytest.mark.parametrize("change", ["grant", "narrow"])
class TestTerms:
    """What neither a grant nor a narrowing may say."""

    @pytest.fixture(autouse=True)
    def consented(self, consents):
        consents.grant(7, GRU, NO_EXPIRY, sender=consents.patient)
        consents.evm.travel(1)

    def test_window_that_ends_before_it_begins__reverts(self, consents, change):
        with consents.evm.reverts("EmptyWindow", 2016, 2015):
            getattr(consents, change)(7, HMB, NO_EXPIRY, (2016, 2015, bytes(28)), sender=consents.patient)

    def test_no_bound_is_written_in_one_way__reverts(self, consents, change):
        last = (2015).to_bytes(2, "big") + b"\xff\xff" + bytes(28)
        with consents.evm.reverts("EmptyWindow", 2015, 65_535):
            getattr(consents.registry, change)(7, HMB, NO_EXPIRY, last, sender=consents.patient)

    def test_bit_of_details_is_the_contracts_own__reverts(self, consents, change):
        with consents.evm.reverts("UndefinedPurposes", HMB | DETAILS, DETAILS):
            getattr(consents, change)(7, HMB | DETAILS, NO_EXPIRY, WINDOW, sender=consents.patient)


class TestGrant:
    @pytest.mark.parametrize(
        "details", [WINDOW, BOTH, (0, 65_535, FORM), (0, 2024, bytes(28)), (2015, 65_535, bytes(28))]
    )
    def test_details_are_kept_and_told(self, consents, details):
        """And judged by nobody here: the consent is active for its purposes."""
        receipt = consents.grant(7, HMB, NO_EXPIRY, details, sender=consents.patient)
        now = consents.evm.now
        (told,) = receipt.named("Granted")
        assert told["details"] == packed(details)
        assert told["purposes"] == HMB
        assert consents.word() == (HMB | DETAILS, now, now, NO_EXPIRY, bytes(18))
        assert consents.details() == details
        assert consents.active()
        assert consents.details(consents.owner) == NO_DETAILS
        assert consents.detailsOf(consents.patient, 8) == bytes(32)

    def test_without_details_nothing_is_kept(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, NO_DETAILS, sender=consents.patient)
        assert consents.word()[0] == HMB
        assert consents.details() == NO_DETAILS

    def test_nobody_asks_for_the_bit(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, BOTH, sender=consents.patient)
        assert not consents.active(purposes=HMB | DETAILS)

    @pytest.mark.parametrize("end", ["grant", "revoke", "revokeFor"])
    def test_next_word_without_details_clears_them(self, consents, end):
        """The history has their digest."""
        first = consents.evm.now
        consents.grant(7, HMB, NO_EXPIRY, BOTH, sender=consents.patient)
        consents.evm.travel(5)
        {
            "grant": lambda: consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient),
            "revoke": lambda: consents.revoke(7, sender=consents.patient),
            "revokeFor": lambda: consents.revokeFor(consents.patient, 7, sender=consents.owner),
        }[end]()
        assert consents.details() == NO_DETAILS
        closed = Word(HMB | DETAILS, first, first, NO_EXPIRY)
        assert consents.word()[-1] == closed.digest(Details(*BOTH)) != closed.digest(Details(*WINDOW))

    def test_in_its_second_they_are_replaced(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, BOTH, sender=consents.patient)
        consents.grant(7, HMB, NO_EXPIRY, WINDOW, sender=consents.patient)
        assert consents.details() == WINDOW
        assert consents.word()[-1] == bytes(18)


class TestNarrow:
    @pytest.fixture(autouse=True)
    def consented(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, BOTH, sender=consents.patient)
        consents.evm.travel(1)

    @pytest.mark.parametrize(
        "details",
        [
            NO_DETAILS,
            (0, 65_535, FORM),
            (2014, 2024, FORM),
            (2015, 2025, FORM),
            WINDOW,
            (2015, 2024, OTHER_FORM),
        ],
    )
    def test_window_is_neither_dropped_nor_widened_and_the_form_stays__reverts(self, consents, details):
        with consents.evm.reverts("WiderDetails", packed(BOTH), packed(details)):
            consents.narrow(7, DS, NO_EXPIRY, details, sender=consents.patient)
        with consents.evm.reverts("WiderDetails", packed(BOTH), packed(details)):
            said = dict(zip(("data_from", "data_until", "form"), details, strict=True))
            consents.narrowBySig(consents.narrow_of(purposes=DS, **said), sender=consents.relayer)

    @pytest.mark.parametrize("details", [BOTH, (2016, 2024, FORM), (2015, 2023, FORM), (2020, 2020, FORM)])
    def test_window_stays_or_shrinks(self, consents, details):
        receipt = consents.narrow(7, DS, NO_EXPIRY, details, sender=consents.patient)
        (told,) = receipt.named("Narrowed")
        assert told["details"] == packed(details)
        assert consents.details() == details

    def test_window_may_be_added_and_a_form_not(self, consents):
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        with consents.evm.reverts("WiderDetails", bytes(32), packed(BOTH)):
            consents.narrow(7, HMB, NO_EXPIRY, BOTH, sender=consents.patient)
        consents.narrow(7, HMB, NO_EXPIRY, WINDOW, sender=consents.patient)
        assert consents.details() == WINDOW


def test_signed_details_count_as_signed(consents):
    item = consents.grant_of(data_from=2015, data_until=2024, form=FORM)
    consents.grantBySig(item, sender=consents.relayer)
    assert consents.details() == BOTH


class TestHistory:
    """A consent with details, one without, one with others, and a revocation, each ten seconds after the other."""

    @pytest.fixture
    def told(self, consents):
        start, events = consents.evm.now, []
        for details in (BOTH, NO_DETAILS, WINDOW):
            consents.grant(7, HMB, NO_EXPIRY, details, sender=consents.patient)
            at = consents.evm.now
            said = HMB, NO_EXPIRY, at, at, Details(*details)
            events.append(consent.Granted(consents.patient.address, 7, *said))
            consents.evm.travel(10)
        consents.revoke(7, sender=consents.patient)
        at = consents.evm.now
        events.append(consent.Revoked(consents.patient.address, 7, consents.patient.address, at, at))
        consents.evm.travel(10)
        return start, consent.history(events, consents.patient.address, 7)

    def was_active(self, consents, t, words, details):
        return consents.wasActive(
            consents.patient, 7, HMB, t, list(map(astuple, words)), [each.packed() for each in details], []
        )

    def test_every_second_is_proved_over_both(self, consents, told):
        start, history = told
        assert history.details == (Details(*WINDOW), Details(*BOTH))
        found = [self.was_active(consents, start + s, history.words, history.details) for s in range(-1, 40)]
        assert found == [False, *[True] * 30, *[False] * 10]

    def test_details_of_words_behind_the_second_are_not_asked_for(self, consents, told):
        start, history = told
        assert self.was_active(consents, start + 20, history.words[:2], history.details[:1])
        assert self.was_active(consents, start + 15, history.words[:3], history.details[:1])

    def test_details_that_are_not_the_chains__reverts(self, consents, told):
        start, history = told
        first, second = history.details
        for changed in (
            replace(second, data_from=2014),
            replace(second, data_until=2025),
            replace(second, form=bytes(28)),
        ):
            with consents.evm.reverts("BrokenHistory", 3):
                self.was_active(consents, start, history.words, (first, changed))

    def test_details_that_lack__reverts(self, consents, told):
        start, history = told
        with consents.evm.reverts("BrokenHistory", 1):
            self.was_active(consents, start, history.words, ())
        with consents.evm.reverts("BrokenHistory", 3):
            self.was_active(consents, start, history.words, history.details[:1])

    def test_bit_cannot_be_taken_from_a_word__reverts(self, consents, told):
        start, history = told
        words = [replace(word, purposes=word.allowed) for word in history.words]
        with consents.evm.reverts("BrokenHistory", 1):
            self.was_active(consents, start, words, ())
