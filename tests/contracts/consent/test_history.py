"""isActive and wasActive: what they need to be shown, and that they agree with the reference over random histories."""

from __future__ import annotations

from dataclasses import astuple, replace

from hypothesis import HealthCheck, given, settings

from medfed.protocol import consent, typed
from tests.contracts.consent.conftest import DS, GRU, HMB, NO_EXPIRY
from tests.protocol import consent_steps as steps
from tests.rig.evm import GENESIS_TIME, Revert

SPACES = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def four_words(consents):
    """Granted at 0, revoked at 10, granted anew at 20 and 30, revoked by revoke-alls at 5 and 25 in between."""
    patient, start = consents.patient, consents.evm.now

    def granted(at, bits):
        return consent.Granted(patient.address, 7, bits, NO_EXPIRY, start + at, start + at)

    def all_revoked(at):
        return consent.AllRevoked(patient.address, start + at, start + at)

    events = [
        granted(0, HMB),
        all_revoked(5),
        consent.Revoked(patient.address, 7, patient.address, start + 10, start + 10),
        granted(20, GRU),
        all_revoked(25),
        granted(30, DS),
    ]
    for event in events:
        consents.evm.travel(event.at - consents.evm.now)
        match event:
            case consent.Granted():
                consents.grant(7, event.purposes, event.expiry_day, sender=patient)
            case consent.Revoked():
                consents.revoke(7, sender=patient)
            case consent.AllRevoked():
                consents.revokeAll(sender=patient)
    consents.evm.travel(10)
    return start, consent.history(events, patient.address, 7)


def lists_of(history):
    return history.words, history.details, history.revoke_alls


def was_active(consents, t, words, revoke_alls, purposes=DS, details=()):
    words, revoke_alls = (tuple(map(astuple, each)) for each in (words, revoke_alls))
    shown = words, [each.packed() for each in details], revoke_alls
    return consents.wasActive(consents.patient, 7, purposes, t, *shown)


class TestWasActive:
    def test_second_that_is_not_past__reverts(self, consents):
        """More may happen in it."""
        now = consents.evm.now
        with consents.evm.reverts("NotYetPast", now, now):
            was_active(consents, now, (), ())
        assert not was_active(consents, now - 1, (), ())

    def test_words_that_stop_short__reverts(self, consents):
        """It never answers no for want of words."""
        start, history = four_words(consents)
        for shown in range(4):
            with consents.evm.reverts("HistoryTooShort", shown):
                was_active(consents, start, history.words[:shown], history.revoke_alls)
        for shown in range(2):
            with consents.evm.reverts("HistoryTooShort", shown):
                was_active(consents, start + 4, history.words, history.revoke_alls[:shown])

    def test_word_that_is_not_the_chains__reverts(self, consents):
        """Every field counts, in the first word and in those behind it."""
        start, history = four_words(consents)
        changes = {
            "purposes": 3,
            "posted_at": start,
            "signed_at": start,
            "expiry_day": 30_000,
            "history": bytes(18),
        }
        for place in (0, 1):
            for name, value in changes.items():
                words = list(history.words)
                words[place] = replace(words[place], **{name: value})
                with consents.evm.reverts("BrokenHistory", place):
                    was_active(consents, start, words, history.revoke_alls)

    def test_revoke_all_that_is_not_the_chains__reverts(self, consents):
        start, history = four_words(consents)
        for name, value in {"posted_at": start, "signed_at": start, "history": bytes(24)}.items():
            broken = [replace(history.revoke_alls[0], **{name: value}), *history.revoke_alls[1:]]
            with consents.evm.reverts("BrokenHistory", 0):
                was_active(consents, start, history.words, broken)

    def test_words_out_of_order__reverts(self, consents):
        start, history = four_words(consents)
        with consents.evm.reverts("BrokenHistory", 0):
            was_active(consents, start, history.words[::-1], history.revoke_alls)
        with consents.evm.reverts("BrokenHistory", 1):
            was_active(consents, start, (history.words[0], history.words[2]), history.revoke_alls)

    def test_words_of_another_patient__reverts(self, consents):
        start, history = four_words(consents)
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.owner)
        consents.evm.travel(1)
        shown = [tuple(map(astuple, each)) for each in lists_of(history)]
        with consents.evm.reverts("BrokenHistory", 0):
            consents.wasActive(consents.owner, 7, HMB, start, *shown)

    def test_words_that_reach_the_second_suffice(self, consents):
        start, history = four_words(consents)
        assert was_active(consents, start + 30, history.words[:1], history.revoke_alls[:1])
        assert was_active(consents, start + 24, history.words[:2], history.revoke_alls)
        assert not was_active(consents, start + 25, history.words[:2], history.revoke_alls[:1])
        with consents.evm.reverts("HistoryTooShort", 1):
            was_active(consents, start + 24, history.words[:2], history.revoke_alls[:1])

    def test_every_second_is_judged(self, consents):
        start, history = four_words(consents)
        found = [
            s for s in range(-1, 40) if was_active(consents, start + s, history.words, history.revoke_alls)
        ]
        assert found == [*range(5), *range(20, 25), *range(30, 40)]

    def test_withheld_revoke_all_ends_from_its_posting_what_was_signed_before_it(self, consents):
        """Signed at 10 and posted at 30: it ends the consent of dataset 8, and not the one of 7 that was signed at 20."""
        patient, start = consents.patient, consents.evm.now
        consents.grant(8, DS, NO_EXPIRY, sender=patient)
        consents.evm.travel(10)
        item = consents.revoke_all_of()
        consents.evm.travel(10)
        consents.grant(7, DS, NO_EXPIRY, sender=patient)
        consents.evm.travel(10)
        consents.revokeAllBySig(item, sender=consents.relayer)
        consents.evm.travel(10)
        revoke_alls = [tuple(consents.revokeAllOf(patient))]
        for dataset, wanted in ((7, range(20, 40)), (8, range(30))):
            words = [tuple(consents.wordOf(patient, dataset))]
            seconds = range(40)
            for found in (
                [s for s in seconds if consents.isActive(patient, dataset, DS, start + s)],
                [
                    s
                    for s in seconds
                    if consents.wasActive(patient, dataset, DS, start + s, words, [], revoke_alls)
                ],
            ):
                assert found == list(wanted)


class TestIsActive:
    def test_seconds_before_the_word_are_denied(self, consents):
        start, _ = four_words(consents)
        assert [consents.active(purposes=DS, at=start + s) for s in (0, 22, 29, 30, 99)] == [False] * 3 + [
            True
        ] * 2

    def test_second_before_two_revoke_alls_is_denied(self, consents):
        """Only the history tells whether the first of them had ended the consent."""
        start = consents.evm.now
        consents.grant(7, HMB, NO_EXPIRY, sender=consents.patient)
        consents.evm.travel(10)
        consents.revokeAll(sender=consents.patient)
        assert [consents.active(at=start + s) for s in (0, 9, 10, 11)] == [True, True, False, False]
        consents.evm.travel(10)
        consents.revokeAll(sender=consents.patient)
        assert not any(consents.active(at=start + s) for s in range(30))

    def test_request_that_means_nothing_is_denied(self, consents):
        consents.grant(7, GRU, NO_EXPIRY, sender=consents.patient)
        for purposes in (0, HMB | DS, HMB | 1 << 31, 1 << 13, 2**32 - 1):
            assert not consents.active(purposes=purposes)


class Chain:
    """The contract, taking the steps that the reference takes."""

    def __init__(self, consents):
        self.consents = consents
        self.signed = []

    def play(self, step):
        match step:
            case steps.Wait():
                self.consents.evm.travel(step.seconds)
            case steps.Sign():
                self.signed.append(self.sign(step))
            case steps.Change():
                return self.outcome(*self.call(step))
            case steps.Post() if self.signed:
                function, item = self.signed[step.which % len(self.signed)]
                return self.outcome(function, item, sender=self.consents.relayer)
        return None

    def call(self, change):
        consents, name = self.consents, {"revoke_all": "revokeAll"}.get(change.kind, change.kind)
        terms = (change.dataset, change.purposes, change.expiry_day)
        args = {"grant": terms, "narrow": terms, "revoke": terms[:1], "revokeAll": ()}
        if change.kind == "revoke_for":
            return lambda: consents.revokeFor(consents.patient, change.dataset, sender=consents.owner), None
        return lambda: getattr(consents, name)(*args[name], sender=consents.patient), None

    def sign(self, step):
        consents, change = self.consents, step.change
        make = getattr(consents, f"{change.kind}_of")
        function = {"revoke_all": "revokeAllBySig"}.get(change.kind, f"{change.kind}BySig")
        item = make(
            dataset_id=change.dataset,
            purposes=change.purposes,
            expiry_day=change.expiry_day,
            issued_at=consents.evm.now - step.age,
            deadline=consents.evm.now + step.life,
        )
        return getattr(consents, function), item

    def outcome(self, function, item, **options):
        try:
            function() if item is None else function(item, **options)
        except Revert as revert:
            return revert.name
        return None


def agree(consents, reference):
    """Words, and the answers for every second at which anything changes, for every dataset and request."""
    consents.evm.travel(1)
    now, patient = consents.evm.now, steps.PATIENT
    expiries = {word.expiry_day * 86_400 for d in steps.DATASETS for word in shown(reference, d).words}
    times = (
        {event.at for event in reference.events}
        | {end for end in expiries if steps.START < end < now}
        | {now}
    )
    for dataset in steps.DATASETS:
        history, state = shown(reference, dataset), reference.state(dataset)
        lists = [tuple(map(astuple, each)) for each in lists_of(history)]
        assert tuple(consents.wordOf(consents.patient, dataset)) == astuple(state.word)
        assert tuple(consents.revokeAllOf(consents.patient)) == astuple(state.revoke_all)
        for t in sorted(times):
            for request in steps.REQUESTS[t % 3 :: 3]:
                found = consents.isActive(consents.patient, dataset, request, t)
                assert found == consent.is_active(state, request, t)
                wanted = consent.was_active(reference.events, patient, dataset, request, t - 1)
                assert consents.wasActive(consents.patient, dataset, request, t - 1, *lists) == wanted


def shown(reference, dataset):
    return consent.history(reference.events, steps.PATIENT, dataset)


@SPACES
@given(history=steps.HISTORIES)
def test_contract_and_reference_agree_over_random_histories(consents, history):
    """Step by step the same outcome, by call and by signature, and in the end the same words and answers."""
    assert steps.START == GENESIS_TIME
    datasets = consents.evm.at("OpenDatasets", consents.DATASETS())
    token = consents.evm.snapshot()
    for dataset in steps.DATASETS:
        datasets.give(dataset, consents.owner)
    consents.evm.travel(steps.START - consents.evm.now)
    chain, reference = Chain(consents), steps.Reference()
    try:
        for step in history:
            assert chain.play(step) == reference.play(step), step
        agree(consents, reference)
    finally:
        consents.evm.restore(token)


def test_messages_are_those_of_the_domain_on_chain(consents):
    """Name, version, chain and contract as EIP-5267 publishes them."""
    domain = consents.eip712Domain()
    mine = consents.domain
    assert domain[1:5] == (mine.name, "1", mine.chain_id, mine.contract)
    assert typed.consent_domain(mine.chain_id, mine.contract) == mine
