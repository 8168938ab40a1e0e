"""The reference of consent: examples of each rule, and a state machine against a model without words or hashes."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from medfed.errors import ContractRevert
from medfed.protocol import consent, purposes
from medfed.protocol.consent import (
    NO_EXPIRY,
    AllRevoked,
    Granted,
    Narrowed,
    RevokeAll,
    Revoked,
    State,
    Word,
)
from medfed.protocol.purposes import Purpose
from tests.protocol import consent_steps as steps
from tests.protocol.consent_steps import OWNER, PATIENT, START, TODAY, Change, Post, Sign

HMB, DS, GRU, IRB = (int(bit) for bit in (Purpose.HMB, Purpose.DS, Purpose.GRU, Purpose.IRB))
OTHER = "0x" + "33" * 20


def granted(at, bits=HMB, day=NO_EXPIRY, dataset=1, signed_at=None):
    return Granted(PATIENT, dataset, bits, day, signed_at or at, at)


def narrowed(at, bits=DS, day=NO_EXPIRY, signed_at=None):
    return Narrowed(PATIENT, 1, bits, day, signed_at or at, at)


def revoked(at, by=PATIENT, signed_at=None):
    return Revoked(PATIENT, 1, by, signed_at or at, at)


def all_revoked(at, signed_at=None):
    return AllRevoked(PATIENT, signed_at or at, at)


def active(events, t, bits=HMB):
    return consent.was_active(events, PATIENT, 1, bits, t)


def state_after(*events):
    return consent.replay(events, PATIENT, 1)


def brought(state, *events):
    """The state after a relayer has tried each of these signatures, whether it counts or not."""
    for event in events:
        try:
            consent.check_signed(state, event)
        except ContractRevert as refusal:
            assert refusal.name == "Overtaken"
        else:
            state = consent.apply(state, event)
    return state


def refused(name, state, event):
    with pytest.raises(ContractRevert) as caught:
        consent.apply(state, event)
    assert caught.value.name == name


def refused_call(name, state, event):
    with pytest.raises(ContractRevert) as caught:
        consent.check_call(state, event)
    assert caught.value.name == name


def refused_signed(name, state, event, deadline=None):
    with pytest.raises(ContractRevert) as caught:
        consent.check_signed(state, event, deadline)
    assert caught.value.name == name


def test_without_events_nothing_is_active():
    assert not active([], START)
    assert not consent.is_active(State(), HMB, 0)


def test_grant_is_active_from_its_own_second():
    """And not before."""
    events = [granted(START)]
    assert [active(events, START + d) for d in (-1, 0, 1)] == [False, True, True]


def test_signed_grant_is_active_from_the_second_of_its_posting():
    """The chain did not know of it before."""
    events = [granted(START, signed_at=START - 60)]
    assert [active(events, START + d) for d in (-60, -1, 0, 1)] == [False, False, True, True]


def test_revocation_ends_consent_in_its_own_second():
    events = [granted(START), revoked(START + 5)]
    assert [active(events, START + d) for d in (0, 4, 5, 6)] == [True, True, False, False]


def test_consent_ends_as_the_expiry_day_begins():
    events = [granted(START, day=TODAY + 2)]
    end = (TODAY + 2) * 86_400
    assert [active(events, t) for t in (end - 1, end)] == [True, False]


def test_grant_and_revocation_in_one_second_leave_nothing_active():
    events = [granted(START), revoked(START)]
    assert not active(events, START)
    assert state_after(*events).word == Word(0, START, START)


@pytest.mark.parametrize("change", [granted, narrowed])
def test_nothing_is_granted_in_the_second_of_a_revocation(change):
    """Nor of a revoke-all: in one and the same second, revoking wins."""
    for revocation in (revoked(START), revoked(START, OWNER), all_revoked(START)):
        state = state_after(granted(START - 9), revocation)
        refused_call("Overtaken", state, change(START))
        refused_signed("Overtaken", state, change(START))
        later = consent.apply(state, granted(START + 1))
        assert consent.is_active(later, HMB, START + 1)


def test_a_call_replaces_what_was_granted_in_its_second_a_signature_does_not():
    """A call cannot be shown again, so it needs no order within its second."""
    state = state_after(granted(START, GRU))
    consent.check_call(state, granted(START))
    consent.check_call(state, narrowed(START))
    refused_signed("Overtaken", state, granted(START))
    refused_signed("Overtaken", state, narrowed(START))


def test_a_change_within_the_second_replaces_without_chaining():
    first = state_after(granted(START))
    again = state_after(granted(START), granted(START + 1), granted(START + 1, DS))
    assert again.word.history == Word(HMB, START, START, NO_EXPIRY).digest()
    assert state_after(granted(START, GRU), granted(START)).word == first.word


def test_grant_chains_the_word_before():
    events = [granted(START), granted(START + 7, DS)]
    assert state_after(*events).word.history == Word(HMB, START, START, NO_EXPIRY).digest()
    assert [active(events, START + d) for d in (6, 7)] == [True, False]
    assert active(events, START + 7, DS)


def test_word_says_when_it_was_posted_and_when_signed():
    state = state_after(granted(START, DS, TODAY + 9, signed_at=START - 60))
    assert state.word == Word(DS, START, START - 60, TODAY + 9)
    assert state_after(all_revoked(START, START - 60)).revoke_all == RevokeAll(START, START - 60)


def test_revocation_is_a_word_of_its_own():
    """A re-grant chains to it, and it to the consent."""
    events = [granted(START), revoked(START + 3), granted(START + 7)]
    closed = Word(0, START + 3, START + 3, 0, Word(HMB, START, START, NO_EXPIRY).digest())
    assert state_after(*events[:2]).word == closed
    assert state_after(*events).word.history == closed.digest()
    assert [active(events, START + d) for d in (2, 3, 6, 7)] == [True, False, False, True]


def test_revocation_without_a_word_leaves_a_tombstone():
    """So a grant that was signed before it never counts."""
    state = state_after(revoked(START))
    assert state.word == Word(0, START, START)
    refused_signed("Overtaken", state, granted(START + 5, signed_at=START))
    consent.check_signed(state, granted(START + 5, signed_at=START + 1), START + 5)


def test_second_revocation_chains():
    """Within one second it stays as it is."""
    state = state_after(granted(START), revoked(START + 1))
    assert consent.apply(state, revoked(START + 1)) == state
    assert consent.apply(state, revoked(START + 9)).word == Word(
        0, START + 9, START + 9, 0, state.word.digest()
    )


def test_owner_revokes_as_the_patient_does():
    """Also what is revoked already: no grant counts that was signed before."""
    assert not active([granted(START), revoked(START + 1, OWNER)], START + 1)
    assert state_after(revoked(START, OWNER)).word == Word(0, START, START)
    state = state_after(granted(START), revoked(START + 1), revoked(START + 9, OWNER))
    assert state.word.signed_at == START + 9


def test_revoke_all_ends_consents_of_its_second_and_before():
    events = [granted(START), granted(START, dataset=2), all_revoked(START + 4)]
    assert [active(events, START + d) for d in (3, 4, 5)] == [True, False, False]
    assert not consent.was_active(events, PATIENT, 2, HMB, START + 4)
    assert not active([granted(START), all_revoked(START)], START)


def test_revoke_all_twice_chains():
    """Within one second it stays as it is."""
    first = RevokeAll(START, START)
    assert state_after(all_revoked(START), all_revoked(START)).revoke_all == first
    assert state_after(all_revoked(START), all_revoked(START + 9)).revoke_all == RevokeAll(
        START + 9, START + 9, first.digest()
    )


def test_later_of_two_revoke_alls_posted_in_one_second_stands():
    """The earlier one replaces nothing, and the later one replaces it without chaining."""
    state = state_after(all_revoked(START + 9, START), all_revoked(START + 9, START + 5))
    assert state.revoke_all == RevokeAll(START + 9, START + 5)
    refused_signed("Overtaken", state, all_revoked(START + 9, START + 5))
    refused_signed("Overtaken", state, all_revoked(START + 9, START))


def test_regrant_after_two_revoke_alls():
    events = [
        granted(START),
        all_revoked(START + 2),
        granted(START + 4),
        all_revoked(START + 6),
        granted(START + 8),
    ]
    wanted = [True, False, True, False, True]
    assert [active(events, START + d) for d in (1, 3, 5, 7, 9)] == wanted


def test_is_active_denies_a_past_second_that_it_cannot_judge():
    """The current word stood at START + 1, but only the history knows whether a revoke-all had ended it."""
    state = state_after(granted(START), all_revoked(START + 5))
    assert consent.is_active(state, HMB, START + 1)
    later = consent.apply(state, all_revoked(START + 9))
    assert not consent.is_active(later, HMB, START + 1)


def test_narrowing_takes_away_only():
    state = state_after(granted(START, HMB, TODAY + 30))
    for bits, day in ((GRU, TODAY + 30), (HMB, TODAY + 31), (HMB, NO_EXPIRY), (GRU | IRB, TODAY + 2)):
        refused("NotNarrower", state, narrowed(START + 1, bits, day))
    events = [granted(START, HMB, TODAY + 30), narrowed(START + 1, DS | IRB, TODAY + 2)]
    assert active(events, START + 1, DS | IRB)
    assert not active(events, START + 1, DS)


def test_narrowing_never_revives_a_consent():
    """Not an absent, a revoked, an expired one, nor one that a revoke-all ended."""
    ended = [
        State(),
        state_after(granted(START), revoked(START + 1)),
        state_after(granted(START, day=TODAY + 1)),
        state_after(granted(START), all_revoked(START + 1)),
        state_after(granted(START), all_revoked(START)),
    ]
    for state in ended:
        refused("NothingToNarrow", state, narrowed(START + 2 * consent.DAY))


@pytest.mark.parametrize("change", [granted, narrowed])
def test_terms_that_mean_nothing_are_refused(change):
    state = state_after(granted(START - 1, GRU))
    for check in (refused_call, refused_signed):
        check("UndefinedPurposes", state, change(START, HMB | 1 << 31))
        check("NoPermission", state, change(START, IRB))
        check("NoPermission", state, change(START, 0))
    refused_call("ExpiryPassed", state, change(START, HMB, TODAY))


def test_signature_counts_from_issue_to_deadline():
    consent.check_signed(State(), granted(START), START)
    refused_signed("SignatureExpired", State(), granted(START, signed_at=START - 1), START - 1)
    refused_signed("SignatureFromFuture", State(), granted(START, signed_at=START + 1))


@pytest.mark.parametrize("change", [granted, narrowed])
def test_signed_grant_must_follow_every_decision_known(change):
    for state in (
        state_after(granted(START)),
        state_after(granted(START - 5), revoked(START)),
        state_after(granted(START - 5), all_revoked(START)),
    ):
        refused_signed("Overtaken", state, change(START + 9, signed_at=START))
    consent.check_signed(state_after(granted(START)), change(START + 9, signed_at=START + 1))


@pytest.mark.parametrize("change", [granted, narrowed])
def test_signed_grant_that_has_expired_replaces_a_longer_one(change):
    """The patient had shortened it: a relayer who comes late makes it no longer."""
    events = [granted(START), change(START + 2 * consent.DAY, day=TODAY + 1, signed_at=START + 1)]
    consent.check_signed(state_after(events[0]), events[1])
    assert [active(events, events[1].at + d, DS) for d in (-1, 0, 1)] == [True, False, False]


def test_signed_revocation_counts_from_the_second_of_the_grant():
    """An older one never ends a newer grant, and none works twice."""
    state = state_after(granted(START))
    refused_signed("Overtaken", state, revoked(START + 9, signed_at=START - 1))
    revocation = revoked(START + 9, signed_at=START)
    consent.check_signed(state, revocation)
    refused_signed("Overtaken", consent.apply(state, revocation), revocation)


def test_signed_revocation_is_measured_by_the_signing_of_the_grant_not_by_its_posting():
    """A relayer who posts the grant late does not outlive a revocation that was signed after it."""
    state = state_after(granted(START + 60, signed_at=START))
    consent.check_signed(state, revoked(START + 70, signed_at=START + 5))


def test_signed_revocation_never_expires():
    """It only ends what was signed before it."""
    consent.check_signed(state_after(granted(START)), revoked(START + 10**8, signed_at=START + 1))
    consent.check_signed(state_after(granted(START)), all_revoked(START + 10**8, START + 1))


def test_signed_revoke_all_is_overtaken_by_another_only():
    state = state_after(granted(START + 5))
    consent.check_signed(state, all_revoked(START + 9, START))
    done = consent.apply(state, all_revoked(START + 9))
    refused_signed("Overtaken", done, all_revoked(START + 10, START + 9))


def test_withheld_revoke_all_ends_nothing_that_was_signed_after_it():
    """Whoever keeps one back has no weapon: it ends what the patient wanted ended, and nothing else."""
    signed_before = granted(START, dataset=2)
    signed_after = granted(START + 5)
    late = all_revoked(START + 9, START + 1)
    events = [signed_before, signed_after, late]
    consent.check_signed(consent.replay(events[:2], PATIENT, 1), late)
    assert active(events, START + 9)
    assert not consent.was_active(events, PATIENT, 2, HMB, START + 9)
    assert consent.was_active(events, PATIENT, 2, HMB, START + 8)


DECISIONS = [
    lambda *times: granted(times[1], GRU, signed_at=times[0]),
    lambda *times: granted(times[1], DS, signed_at=times[0]),
    lambda *times: revoked(times[1], signed_at=times[0]),
    lambda *times: all_revoked(times[1], times[0]),
]


@pytest.mark.parametrize("signed", list(permutations(range(4))))
def test_what_was_signed_later_wins_in_every_order_of_posting(signed):
    """Two grants, a revocation and a revoke-all, signed in each order; they end as if posted as they were signed."""
    decisions = [DECISIONS[place] for place in signed]
    in_order = [make(START + number, START + number) for number, make in enumerate(decisions)]
    wanted = [consent.is_active(state_after(*in_order), bits, START + 99) for bits in (GRU, DS)]
    assert wanted == {0: [True, True], 1: [False, True]}.get(signed[-1], [False, False])
    for order in permutations(range(4)):
        posted = [decisions[which](START + which, START + 10 + place) for place, which in enumerate(order)]
        once = brought(State(), *posted)
        assert [consent.is_active(once, bits, START + 99) for bits in (GRU, DS)] == wanted
        assert brought(once, *posted, *posted[::-1]) == once, "a replay counted"


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_ties_in_one_second_fall_to_the_revocation(order):
    """All four are signed in one second: posted in whatever order, in one second or in four, nothing is active."""
    for step in (0, 1):
        posted = [DECISIONS[which](START, START + place * step) for place, which in enumerate(order)]
        found = brought(State(), *posted)
        assert not any(consent.is_active(found, bits, START + 9) for bits in (GRU, DS))
        assert brought(found, *posted) == found


def test_signed_narrowings_of_one_consent_end_narrowest_once_it_stands():
    """A narrowing that comes before what it narrows is refused, and counts when it is brought again."""
    base = granted(START + 20, GRU, signed_at=START)
    first, last = (narrowed(START + 20, bits, signed_at=START + d) for bits, d in ((HMB, 1), (DS, 2)))
    refused_signed("NothingToNarrow", State(), last)
    for order in ((base, first, last), (base, last, first)):
        found = brought(State(), *order)
        assert [consent.is_active(found, bits, START + 20) for bits in (HMB, DS)] == [False, True]


def test_cohort_is_every_patient_with_an_active_consent_sorted():
    events = [
        Granted(OTHER, 1, GRU, NO_EXPIRY, START, START),
        granted(START),
        Granted("0x44", 1, DS, NO_EXPIRY, START, START),
        Granted("0x55", 2, HMB, NO_EXPIRY, START, START),
        AllRevoked("0x66", START, START),
        revoked(START + 2),
    ]
    assert consent.active_patients(events, 1, HMB, START) == [PATIENT, OTHER]
    assert consent.active_patients(events, 1, HMB, START + 2) == [OTHER]
    assert consent.active_patients(events, 1, DS, START + 9) == [OTHER, "0x44"]


def check_links(history, state):
    """Each word shown is the one that its successor, at last the chain's, commits to; the last has none."""
    for shown, head, empty in (
        (history.words, state.word, bytes(18)),
        (history.revoke_alls, state.revoke_all, bytes(24)),
    ):
        links = [head.digest(), *(word.history for word in shown)] if shown else [empty]
        assert links[-1] == empty
        assert [word.digest() for word in shown] == links[:-1]


class ConsentMachine(RuleBasedStateMachine):
    """The reference against a model that keeps, for each dataset, nothing but what is consented to right now."""

    def __init__(self):
        super().__init__()
        self.reference = steps.Reference()
        self.latest = dict.fromkeys(
            steps.DATASETS, (0, 0, 0)
        )  # (signed, purposes, expiry day) of the decision
        self.ended = 0  # when the last revoke-all was signed
        self.past = {}  # (dataset, request, second) -> whether active when the second had ended
        self.used = []

    def is_active(self, dataset, request, t):
        signed_at, bits, day = self.latest[dataset]
        if signed_at <= self.ended or (day != NO_EXPIRY and t >= day * 86_400):
            return False
        return purposes.permits(bits, request)

    def note(self):
        """What the model says of the second that now lies behind: later changes must not alter it."""
        for dataset in steps.DATASETS:
            for request in steps.REQUESTS:
                key = dataset, request, self.reference.now
                self.past[key] = self.is_active(*key)

    def take(self, change, signed_at):
        if change.kind == "revoke_all":
            self.ended = signed_at
        else:
            terms = (change.purposes, change.expiry_day) if change.kind in ("grant", "narrow") else (0, 0)
            self.latest[change.dataset] = signed_at, *terms

    def refuses(self, change):
        """Whether a call does not count."""
        now, (signed_at, bits, _) = self.reference.now, self.latest[change.dataset]
        if change.kind in ("grant", "narrow"):
            revoked_now = now in (self.ended, None if bits else signed_at)
            return revoked_now or change.expiry_day * 86_400 <= now or self.means_nothing(change)
        return False

    def refuses_signed(self, signed):
        change, now, (signed_at, bits, _) = (
            signed.change,
            self.reference.now,
            self.latest[signed.change.dataset],
        )
        if signed.issued_at > now:
            return True
        if change.kind == "revoke_all":
            return signed.issued_at <= self.ended
        if change.kind == "revoke":
            return signed.issued_at < signed_at or (signed.issued_at == signed_at and not bits)
        overtaken = signed.issued_at <= max(signed_at, self.ended)
        return overtaken or signed.deadline < now or self.means_nothing(change)

    def means_nothing(self, change):
        """Whether a grant or narrowing says nothing that the one before lets it say."""
        if not change.purposes & 0xF or change.purposes & 1 << 7:
            return True
        return change.kind == "narrow" and self.widens(change)

    def widens(self, change):
        signed_at, bits, day = self.latest[change.dataset]
        if (
            not bits
            or signed_at <= self.ended
            or self.reference.now >= day * 86_400
            or change.expiry_day > day
        ):
            return True
        requests = [
            1 << kind | extra for kind in range(4) for extra in (0, IRB, Purpose.NPUNCU, IRB | Purpose.NPUNCU)
        ]
        return any(
            purposes.permits(change.purposes, each) and not purposes.permits(bits, each) for each in requests
        )

    @rule(wait=steps.WAITS)
    def wait(self, wait):
        if wait.seconds:
            self.note()
        self.reference.play(wait)

    @rule(change=steps.CALLS)
    def call(self, change):
        refused_by_model = self.refuses(change)
        refusal = self.reference.play(change)
        assert (refusal is not None) == refused_by_model, refusal
        if refusal is None:
            self.take(change, self.reference.now)

    @rule(sign=steps.SIGNS)
    def sign(self, sign):
        self.reference.play(sign)

    @precondition(lambda self: self.reference.signed)
    @rule(which=st.integers(0, 5))
    def post(self, which):
        number = which % len(self.reference.signed)
        signed = self.reference.signed[number]
        refused_by_model = self.refuses_signed(signed)
        refusal = self.reference.play(Post(which))
        assert (refusal is not None) == refused_by_model, refusal
        if refusal is None:
            assert number not in self.used, "a signature worked twice"
            self.used.append(number)
            self.take(signed.change, signed.issued_at)

    @invariant()
    def now_is_judged_alike(self):
        now = self.reference.now
        for dataset in steps.DATASETS:
            state = self.reference.state(dataset)
            for request in steps.REQUESTS:
                assert consent.is_active(state, request, now) == self.is_active(dataset, request, now)

    @invariant()
    def words_link(self):
        for dataset in steps.DATASETS:
            history = consent.history(self.reference.events, PATIENT, dataset)
            check_links(history, self.reference.state(dataset))

    def teardown(self):
        """Whatever came after, every second that passed is judged as it was when it ended."""
        self.note()
        for (dataset, request, t), wanted in self.past.items():
            assert consent.was_active(self.reference.events, PATIENT, dataset, request, t) == wanted


TestConsentMachine = ConsentMachine.TestCase
TestConsentMachine.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


def test_signed_revocation_works_once_even_within_its_second():
    """The patient revokes by signature and cannot grant before the next second; by then the signature is spent."""
    reference = steps.Reference()
    revoke = Change("revoke", 1, 0, 0)
    grant = Change("grant", 1, HMB, NO_EXPIRY)
    for step in (grant, Sign(revoke, 0, 60), Post(0)):
        assert reference.play(step) is None
    assert reference.play(Post(0)) == "Overtaken"
    assert reference.play(grant) == "Overtaken"
    reference.play(steps.Wait(1))
    assert reference.play(grant) is None
    assert reference.play(Post(0)) == "Overtaken"
