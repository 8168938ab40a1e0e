"""The reference of consent: examples of each rule, and a state machine against a model without words or hashes."""

from __future__ import annotations

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
    Signed,
    State,
    Word,
)
from medfed.protocol.purposes import Purpose
from tests.protocol import consent_steps as steps
from tests.protocol.consent_steps import OWNER, PATIENT, START, TODAY, Change, Post, Sign

HMB, DS, GRU, IRB = (int(bit) for bit in (Purpose.HMB, Purpose.DS, Purpose.GRU, Purpose.IRB))
OTHER = "0x" + "33" * 20


def granted(at, bits=HMB, day=NO_EXPIRY, dataset=1):
    return Granted(PATIENT, dataset, bits, day, at)


def narrowed(at, bits=DS, day=NO_EXPIRY):
    return Narrowed(PATIENT, 1, bits, day, at)


def revoked(at, by=PATIENT):
    return Revoked(PATIENT, 1, by, at)


def all_revoked(at):
    return AllRevoked(PATIENT, at)


def active(events, t, bits=HMB):
    return consent.was_active(events, PATIENT, 1, bits, t)


def state_after(*events):
    return consent.replay(events, PATIENT, 1)


def refused(name, state, event):
    with pytest.raises(ContractRevert) as caught:
        consent.apply(state, event)
    assert caught.value.name == name


def refused_signed(name, state, event, issued_at, deadline=10**10):
    with pytest.raises(ContractRevert) as caught:
        consent.check_signed(state, event, Signed(issued_at, deadline))
    assert caught.value.name == name


def test_without_events_nothing_is_active():
    assert not active([], START)
    assert not consent.is_active(State(), HMB, 0)


def test_grant_is_active_from_its_own_second():
    """And not before."""
    events = [granted(START)]
    assert [active(events, START + d) for d in (-1, 0, 1)] == [False, True, True]


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
    assert state_after(*events).word == Word(HMB, START, NO_EXPIRY, START)


def test_revocation_and_grant_in_one_second_leave_the_grant_active():
    events = [granted(START), revoked(START + 1), granted(START + 1, DS)]
    assert active(events, START + 1, DS)
    assert not active(events, START + 1, HMB)


def test_a_change_within_the_second_replaces_without_chaining():
    first = state_after(granted(START))
    again = state_after(granted(START), granted(START + 1), granted(START + 1, DS))
    assert again.word.history == Word(HMB, START, NO_EXPIRY, START + 1).digest()
    assert state_after(granted(START, GRU), granted(START)).word == first.word


def test_grant_closes_and_chains_the_word_before():
    events = [granted(START), granted(START + 7, DS)]
    assert state_after(*events).word.history == Word(HMB, START, NO_EXPIRY, START + 7).digest()
    assert [active(events, START + d) for d in (6, 7)] == [True, False]
    assert active(events, START + 7, DS)


def test_revoked_at_is_written_once():
    """A re-grant keeps the moment of the revocation in the word it closes."""
    events = [granted(START), revoked(START + 3), granted(START + 7)]
    assert state_after(*events).word.history == Word(HMB, START, NO_EXPIRY, START + 3).digest()
    assert [active(events, START + d) for d in (2, 3, 6, 7)] == [True, False, False, True]


def test_revocation_without_a_word_leaves_a_tombstone():
    """So a grant that was signed before it never counts."""
    state = state_after(revoked(START))
    assert state.word == Word(0, START, 0, START)
    refused_signed("SignatureOvertaken", state, granted(START + 5), START)
    consent.check_signed(state, granted(START + 5), Signed(START + 1, START + 5))


def test_second_revocation_leaves_a_tombstone_after_the_word():
    state = state_after(granted(START), revoked(START + 1), revoked(START + 9))
    closed = Word(HMB, START, NO_EXPIRY, START + 1)
    assert state.word == Word(0, START + 9, 0, START + 9, closed.digest())


def test_second_revocation_in_the_same_second_changes_nothing():
    once = state_after(granted(START), revoked(START + 1))
    assert consent.apply(once, revoked(START + 1)) == once


def test_owner_revokes_an_open_consent_and_nothing_else():
    """An owner could otherwise lengthen a patient's history at will."""
    assert not active([granted(START), revoked(START + 1, OWNER)], START + 1)
    assert state_after(revoked(START, OWNER)).word == Word(0, START, 0, START)
    refused("AlreadyRevoked", state_after(granted(START), revoked(START + 1)), revoked(START + 2, OWNER))


def test_revoke_all_ends_consents_of_its_second_and_before():
    events = [granted(START), granted(START, dataset=2), all_revoked(START + 4)]
    assert [active(events, START + d) for d in (3, 4, 5)] == [True, False, False]
    assert not consent.was_active(events, PATIENT, 2, HMB, START + 4)
    assert not active([granted(START), all_revoked(START)], START)


def test_nothing_is_granted_in_the_second_of_a_revoke_all():
    state = state_after(all_revoked(START))
    refused("GrantInRevokeAllSecond", state, granted(START))
    assert consent.is_active(consent.apply(state, granted(START + 1)), HMB, START + 1)


def test_revoke_all_twice_chains():
    """Within one second it stays as it is."""
    first = RevokeAll(START, bytes(27))
    assert state_after(all_revoked(START), all_revoked(START)).revoke_all == first
    assert state_after(all_revoked(START), all_revoked(START + 9)).revoke_all == RevokeAll(
        START + 9, first.digest()
    )


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
    refused("UndefinedPurposes", state, change(START, HMB | 1 << 30))
    refused("NoPermission", state, change(START, IRB))
    refused("NoPermission", state, change(START, 0))
    refused("ExpiryPassed", state, change(START, HMB, TODAY))


def test_signature_counts_from_issue_to_deadline():
    consent.check_signed(State(), granted(START), Signed(START, START))
    refused_signed("SignatureExpired", State(), granted(START), START - 1, START - 1)
    refused_signed("SignatureFromFuture", State(), granted(START), START + 1)


@pytest.mark.parametrize("change", [granted, narrowed])
def test_signed_grant_must_follow_every_decision_known(change):
    for state in (
        state_after(granted(START)),
        state_after(granted(START - 5), revoked(START)),
        state_after(granted(START - 5), all_revoked(START)),
    ):
        refused_signed("SignatureOvertaken", state, change(START + 9), START)
        consent.check_signed(state, change(START + 9), Signed(START + 1, START + 9))


def test_signed_revocation_counts_from_the_second_of_the_grant():
    """An older one never ends a newer grant, and none works twice."""
    state = state_after(granted(START))
    refused_signed("SignatureOvertaken", state, revoked(START + 9), START - 1)
    consent.check_signed(state, revoked(START + 9), Signed(START, START + 9))
    refused_signed("SignatureOvertaken", consent.apply(state, revoked(START)), revoked(START + 9), START)


def test_signed_revoke_all_is_overtaken_by_another_only():
    state = state_after(granted(START + 5))
    consent.check_signed(state, all_revoked(START + 9), Signed(START, START + 9))
    done = consent.apply(state, all_revoked(START + 9))
    refused_signed("SignatureOvertaken", done, all_revoked(START + 10), START + 9)


def test_cohort_is_every_patient_with_an_active_consent_sorted():
    events = [
        Granted(OTHER, 1, GRU, NO_EXPIRY, START),
        granted(START),
        Granted("0x44", 1, DS, NO_EXPIRY, START),
        Granted("0x55", 2, HMB, NO_EXPIRY, START),
        AllRevoked("0x66", START),
        revoked(START + 2),
    ]
    assert consent.active_patients(events, 1, HMB, START) == [PATIENT, OTHER]
    assert consent.active_patients(events, 1, HMB, START + 2) == [OTHER]
    assert consent.active_patients(events, 1, DS, START + 9) == [OTHER, "0x44"]


def check_links(history, state):
    """Each word shown is the one that its successor, at last the chain's, commits to; the last has none."""
    for shown, head, empty in (
        (history.words, state.word, bytes(16)),
        (history.revoke_alls, state.revoke_all, bytes(27)),
    ):
        links = [head.digest(), *(word.history for word in shown)] if shown else [empty]
        assert links[-1] == empty
        assert [word.digest() for word in shown] == links[:-1]


class ConsentMachine(RuleBasedStateMachine):
    """The reference against a model that keeps, for each dataset, nothing but what is consented to right now."""

    def __init__(self):
        super().__init__()
        self.reference = steps.Reference()
        self.open = dict.fromkeys(steps.DATASETS)  # (purposes, expiry day, second of the grant)
        self.past = {}  # (dataset, request, second) -> whether active when the second had ended
        self.decided = {dataset: [] for dataset in steps.DATASETS}  # seconds of changes
        self.all_revoked = []
        self.used = []

    def is_active(self, dataset, request, t):
        held = self.open[dataset]
        if held is None or (held[1] != NO_EXPIRY and t >= held[1] * 86_400):
            return False
        return purposes.permits(held[0], request)

    def note(self):
        """What the model says of the second that now lies behind: later changes must not alter it."""
        for dataset in steps.DATASETS:
            for request in steps.REQUESTS:
                key = dataset, request, self.reference.now
                self.past[key] = self.is_active(*key)

    def take(self, change):
        now = self.reference.now
        if change.kind == "revoke_all":
            self.open = dict.fromkeys(steps.DATASETS)
            self.all_revoked.append(now)
        else:
            terms = (change.purposes, change.expiry_day, now)
            self.open[change.dataset] = terms if change.kind in ("grant", "narrow") else None
            self.decided[change.dataset].append(now)

    def refuses(self, change):
        now, held = self.reference.now, self.open[change.dataset]
        if change.kind == "grant" and now in self.all_revoked:
            return True
        if change.kind in ("grant", "narrow"):
            nonsense = not change.purposes & 0xF or change.purposes & 1 << 5
            if nonsense or change.expiry_day * 86_400 <= now:
                return True
        if change.kind == "narrow":
            if held is None or now >= held[1] * 86_400 or change.expiry_day > held[1]:
                return True
            requests = [
                1 << kind | bits
                for kind in range(4)
                for bits in (0, IRB, Purpose.NPUNCU, IRB | Purpose.NPUNCU)
            ]
            return any(
                purposes.permits(change.purposes, bits) and not purposes.permits(held[0], bits)
                for bits in requests
            )
        if change.kind == "revoke_for":
            word = self.reference.state(change.dataset).word
            return word.revoked_at != 0
        return False

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
            self.take(change)

    @rule(sign=steps.SIGNS)
    def sign(self, sign):
        self.reference.play(sign)

    @precondition(lambda self: self.reference.signed)
    @rule(which=st.integers(0, 5))
    def post(self, which):
        number = which % len(self.reference.signed)
        change, times = self.reference.signed[number]
        held, refused_by_model = self.open[change.dataset], self.refuses(change)
        refusal = self.reference.play(Post(which))
        if refusal is None:
            assert not refused_by_model
            self.check_accepted(number, change, times, held)
            self.take(change)
        elif change.kind in ("revoke", "revoke_all"):
            self.check_refused_revocation(change, times, held)

    def check_accepted(self, number, change, times, held):
        now, kind = self.reference.now, change.kind
        assert times.issued_at <= now <= times.deadline
        if kind in ("grant", "narrow"):
            later = [*self.decided[change.dataset], *self.all_revoked]
            assert all(at < times.issued_at for at in later), "an old signature undid a later decision"
        if kind == "revoke" and held is not None:
            assert times.issued_at >= held[2], "an old revocation ended a newer grant"
        same_second = kind == "revoke" and times.issued_at == now
        assert number not in self.used or same_second, "a signature worked twice"
        self.used.append(number)

    def check_refused_revocation(self, change, times, held):
        """In its time, a revocation of an open consent is refused only when it is older than that consent, and a
        revoke-all only when a later one came."""
        if not times.issued_at <= self.reference.now <= times.deadline:
            return
        if change.kind == "revoke":
            assert held is None or times.issued_at < held[2]
        else:
            assert any(at >= times.issued_at for at in self.all_revoked)

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


def test_revocation_by_signature_wins_within_the_second_of_a_regrant():
    """The one second in which a signature counts again: the patient revoked by signature, then granted by call."""
    reference = steps.Reference()
    revoke = Change("revoke", 1, 0, 0)
    grant = Change("grant", 1, HMB, NO_EXPIRY)
    for step in (grant, Sign(revoke, 0, 60), Post(0), grant, Post(0)):
        assert reference.play(step) is None
    assert not active(reference.events, START)
    reference.play(steps.Wait(1))
    assert reference.play(grant) is None
    assert reference.play(Post(0)) == "SignatureOvertaken"
