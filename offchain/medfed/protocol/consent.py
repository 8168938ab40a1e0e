"""The reference of consent: a list of events in, who consented to what at any second out.

The twin of `ConsentRegistry.sol`. One `State` is what the chain keeps of one patient and one dataset: the word of the
latest consent and the patient's latest revoke-all, each holding the hash of its predecessor. In it:

1. Each decision (a grant, a narrowing, a revocation) is a word of its own, which chains to the one before. It keeps when it
   was posted and when it was signed; a call is signed in its own second. A change within the second in which the word was
   posted replaces it: what counts for a second is how it ended.
2. A revocation is a word that permits nothing, also where there was none, so that a grant signed earlier and not posted
   yet never counts.
3. What was signed later wins, in whatever order it is posted. A grant or narrowing counts iff it was signed after the
   word's decision and after the last revoke-all; a revocation iff it was signed at or after the consent that it ends, or
   after the revocation that stands; a revoke-all iff it was signed after the last one, and it ends every word that was
   signed at or before it. A call may also replace what was granted in its own second.
4. A consent is active at t iff its word stood at t, t lies before the expiry, its purposes permit the request, and no
   revoke-all posted by t was signed at or after it.
5. A signature counts only from its `issued_at`; one of a grant or narrowing only until its deadline.
6. A consent may have details: a window of years, outside of which no record is used, and the form that the patient read.
   Bit 31 of its purposes says so. A narrowing keeps the form, and keeps or shrinks the window.

All times are seconds of chain time. What the contract refuses is raised as `ContractRevert` under the same name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import NoReturn

from eth_hash.auto import keccak

from medfed.errors import ContractRevert, InputError
from medfed.protocol import purposes as duo
from medfed.types import Address, DatasetId

__all__ = [
    "DAY",
    "NO_DETAILS",
    "NO_EXPIRY",
    "NO_LAST_YEAR",
    "AllRevoked",
    "Details",
    "Event",
    "Granted",
    "History",
    "Narrowed",
    "RevokeAll",
    "Revoked",
    "State",
    "Word",
    "active_patients",
    "apply",
    "check_call",
    "check_signed",
    "form_digest",
    "history",
    "is_active",
    "replay",
    "stands",
    "was_active",
]

DAY = 86_400
NO_EXPIRY = 0xFFFF
"""The expiry day of a consent without an end."""
NO_LAST_YEAR = 0xFFFF
"""The last year of a window without an end."""


@dataclass(frozen=True, slots=True)
class Details:
    """What a consent may say beyond its word: which records it is about, and what the patient read."""

    data_from: int = 0
    """Calendar year of the earliest clinical date, inclusive; 0 for no bound."""
    data_until: int = NO_LAST_YEAR
    """Calendar year of the latest, inclusive."""
    form: bytes = bytes(28)
    """See `form_digest`; zero for none."""

    @property
    def bounded(self) -> bool:
        """Whether there are records that the consent is not about."""
        return bool(self.data_from) or self.data_until != NO_LAST_YEAR

    def covers(self, year: int | None) -> bool:
        """Whether a record is meant whose clinical date lies in `year`; one without a date only where there is no bound."""
        return not self.bounded if year is None else self.data_from <= year <= self.data_until

    def narrows(self, before: Details) -> bool:
        """Whether this is about no other records than `before` was, and names the same form."""
        within = before.data_from <= self.data_from and self.data_until <= before.data_until
        return within and self.form == before.form

    def within(self, other: Details) -> Details:
        """These details for the records that both are about."""
        return Details(
            max(self.data_from, other.data_from), min(self.data_until, other.data_until), self.form
        )

    def packed(self) -> bytes:
        """The slot's 32 bytes, first field first; the last year is 0 there for no bound. Raises `InputError` for a year 0."""
        if not self.data_until:
            raise InputError("No data are of year 0; name the last year, or none.")
        last = 0 if self.data_until == NO_LAST_YEAR else self.data_until
        return self.data_from.to_bytes(2, "big") + last.to_bytes(2, "big") + self.form

    @classmethod
    def unpack(cls, slot: bytes) -> Details:
        """From the slot's 32 bytes."""
        last = int.from_bytes(slot[2:4], "big") or NO_LAST_YEAR
        return cls(int.from_bytes(slot[:2], "big"), last, slot[4:])


NO_DETAILS = Details()
"""What is not kept on chain."""


def form_digest(form: bytes) -> bytes:
    """What stands on chain of a blank form: the first 28 bytes of the SHA-256 of its file."""
    return sha256(form).digest()[:28]


@dataclass(frozen=True, slots=True)
class Word:
    """One decision as its storage slot holds it; all zero when there is none."""

    purposes: int = 0
    """With bit 31 where there are details; 0 in a revocation."""
    posted_at: int = 0
    signed_at: int = 0
    expiry_day: int = 0
    """Days since 1970: the consent ends when this day begins in UTC."""
    history: bytes = bytes(18)
    """Digest of the word before this one and of its details; zero for the first."""

    @property
    def allowed(self) -> int:
        """The codes alone."""
        return self.purposes & ~duo.DETAILS

    @property
    def detailed(self) -> bool:
        """Whether details belong to it."""
        return bool(self.purposes & duo.DETAILS)

    def digest(self, details: Details = NO_DETAILS) -> bytes:
        """The first 18 bytes of keccak256 over the fields, packed big-endian in their order, and over the details if it has
        some."""
        sizes = ((self.purposes, 4), (self.posted_at, 4), (self.signed_at, 4), (self.expiry_day, 2))
        packed = b"".join(value.to_bytes(size, "big") for value, size in sizes) + self.history
        return keccak(packed + details.packed() if self.detailed else packed)[:18]

    def ends(self) -> float:
        """The second from which the consent is expired."""
        return float("inf") if self.expiry_day == NO_EXPIRY else self.expiry_day * DAY


@dataclass(frozen=True, slots=True)
class RevokeAll:
    """A patient's latest revoke-all as its storage slot holds it; all zero when there is none."""

    posted_at: int = 0
    signed_at: int = 0
    history: bytes = bytes(24)

    def digest(self) -> bytes:
        """The first 24 bytes of keccak256 over the fields, packed big-endian in their order."""
        return keccak(self.posted_at.to_bytes(4, "big") + self.signed_at.to_bytes(4, "big") + self.history)[
            :24
        ]


@dataclass(frozen=True, slots=True)
class Granted:
    """The patient consents, in place of what was before."""

    patient: Address
    dataset: DatasetId
    purposes: int
    expiry_day: int
    signed_at: int
    at: int
    """When it was posted."""
    details: Details = NO_DETAILS


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The patient takes some of the consent away and keeps the rest."""

    patient: Address
    dataset: DatasetId
    purposes: int
    expiry_day: int
    signed_at: int
    at: int
    details: Details = NO_DETAILS


@dataclass(frozen=True, slots=True)
class Revoked:
    """The consent ends. `by` is the patient or, on the patient's behalf, the dataset's owner."""

    patient: Address
    dataset: DatasetId
    by: Address
    signed_at: int
    at: int


@dataclass(frozen=True, slots=True)
class AllRevoked:
    """Every consent of the patient that was signed by then ends."""

    patient: Address
    signed_at: int
    at: int


Event = Granted | Narrowed | Revoked | AllRevoked


@dataclass(frozen=True, slots=True)
class State:
    """What the chain keeps of one patient and one dataset."""

    word: Word = field(default_factory=Word)
    revoke_all: RevokeAll = field(default_factory=RevokeAll)
    details: Details = NO_DETAILS
    """Those of the word."""


@dataclass(frozen=True, slots=True)
class History:
    """What `wasActive` is shown: every word, the details of those that have some, and every revoke-all, newest first."""

    words: tuple[Word, ...]
    details: tuple[Details, ...]
    revoke_alls: tuple[RevokeAll, ...]


def apply(state: State, event: Event) -> State:
    """The state after one event of this patient and dataset. Raises `ContractRevert` where the contract refuses, be it by
    call or by signature; `check_signed` and `check_call` know the difference."""
    match event:
        case Granted():
            return replace(state, word=_opened(state, event), details=event.details)
        case Narrowed():
            return replace(state, word=_narrowed(state, event), details=event.details)
        case Revoked():
            return replace(state, word=_revoked(state, event), details=NO_DETAILS)
        case AllRevoked():
            return replace(state, revoke_all=_all_revoked(state.revoke_all, event))


def check_signed(state: State, event: Event, deadline: int | None = None) -> None:
    """Raise `ContractRevert` unless a signature may bring this event about now: what a relayer asks first.

    `deadline` is the signature's; a revocation has none.
    """
    if deadline is not None and deadline < event.at:
        _refuse("SignatureExpired", f"The signature was good until {deadline}; sign again.")
    if event.signed_at > event.at:
        _refuse(
            "SignatureFromFuture", f"The signature is issued at {event.signed_at}, which has not come yet."
        )
    latest = _earliest_issue(state, event) - 1
    if event.signed_at <= latest:
        _refuse("Overtaken", f"The patient decided otherwise at second {latest}; sign again.")
    apply(state, event)


def check_call(state: State, event: Granted | Narrowed) -> None:
    """Raise `ContractRevert` unless the patient's own call may bring this event about now."""
    if event.expiry_day * DAY <= event.at:
        _refuse("ExpiryPassed", f"Day {event.expiry_day} has begun already; choose a later expiry.")
    replaces = bool(state.word.purposes) and event.at > state.revoke_all.signed_at
    if event.at < _earliest_issue(state, event) and not replaces:
        _refuse("Overtaken", "This was revoked in this very second; try again in the next.")
    apply(state, event)


def is_active(state: State, purposes: int, at: int) -> bool:
    """What the contract's `isActive` says: the current word judged for second `at`, no wherever it cannot tell.

    It cannot tell when revoke-alls came after `at` and others before them; `was_active` can.
    """
    return stands(state, at) and duo.permits(state.word.purposes, purposes)


def stands(state: State, at: int) -> bool:
    """Whether there is a consent at second `at`, whatever it permits; no wherever the present words cannot tell."""
    word, last = state.word, state.revoke_all
    if not word.purposes or not word.posted_at <= at < word.ends():
        return False
    return last.signed_at < word.signed_at or (last.posted_at > at and not any(last.history))


def was_active(events: Iterable[Event], patient: Address, dataset: DatasetId, purposes: int, t: int) -> bool:
    """Whether the patient's consent for the dataset permitted `purposes` when second `t` had ended.

    `events` stand in the order of the chain; those of others and those after `t` are passed over.
    """
    until = (event for event in events if event.at <= t)
    return is_active(replay(until, patient, dataset), purposes, t)


def active_patients(events: Iterable[Event], dataset: DatasetId, purposes: int, t: int) -> list[Address]:
    """The cohort of second `t`: all patients whose consent for the dataset was active, sorted. One pass."""
    states: defaultdict[Address, State] = defaultdict(State)
    for event in events:
        if event.at <= t and _concerns(event, dataset):
            states[event.patient] = apply(states[event.patient], event)
    return sorted(patient for patient, state in states.items() if is_active(state, purposes, t))


def replay(events: Iterable[Event], patient: Address, dataset: DatasetId) -> State:
    """The state of one patient and one dataset after `events`, which stand in the order of the chain."""
    state = State()
    for event in events:
        if event.patient == patient and _concerns(event, dataset):
            state = apply(state, event)
    return state


def history(events: Iterable[Event], patient: Address, dataset: DatasetId) -> History:
    """Every word and every revoke-all that `events` made, newest first, as `wasActive` wants them."""
    words: dict[int, tuple[Word, Details]] = {}
    revoke_alls: dict[int, RevokeAll] = {}
    state = State()
    for event in events:
        if event.patient == patient and _concerns(event, dataset):
            state = apply(state, event)
            words[state.word.posted_at] = state.word, state.details
            revoke_alls[state.revoke_all.posted_at] = state.revoke_all
    words.pop(0, None)  # of a patient who has only revoked everything
    revoke_alls.pop(0, None)
    newest = list(reversed(words.values()))
    return History(
        tuple(word for word, _ in newest),
        tuple(details for word, details in newest if word.detailed),
        tuple(reversed(revoke_alls.values())),
    )


def _concerns(event: Event, dataset: DatasetId) -> bool:
    return isinstance(event, AllRevoked) or event.dataset == dataset


def _narrowed(state: State, event: Narrowed) -> Word:
    word = state.word
    if not word.purposes or word.signed_at <= state.revoke_all.signed_at or event.at >= word.ends():
        _refuse("NothingToNarrow", "No consent is active that could be narrowed.")
    narrowed = _opened(state, event)
    if event.expiry_day > word.expiry_day or not duo.narrows(word.purposes, event.purposes):
        _refuse("NotNarrower", "A narrowing permits no more and no longer than before; grant instead.")
    if not event.details.narrows(state.details):
        _refuse("WiderDetails", "A narrowing keeps the form, and the window or less of it; grant instead.")
    return narrowed


def _revoked(state: State, event: Revoked) -> Word:
    return Word(0, event.at, event.signed_at, 0, _link(state, event.at))


def _all_revoked(last: RevokeAll, event: AllRevoked) -> RevokeAll:
    replaces = last.posted_at in (0, event.at)
    return RevokeAll(event.at, event.signed_at, last.history if replaces else last.digest())


def _opened(state: State, event: Granted | Narrowed) -> Word:
    try:
        duo.check_consent(event.purposes)
    except InputError as error:
        _refuse(_refusal(event.purposes), str(error))
    if event.details.data_from > event.details.data_until:
        _refuse("EmptyWindow", "The window of data ends before it begins.")
    purposes = event.purposes if event.details == NO_DETAILS else event.purposes | duo.DETAILS
    return Word(purposes, event.at, event.signed_at, event.expiry_day, _link(state, event.at))


def _link(state: State, at: int) -> bytes:
    """What the word that follows the present one at second `at` holds as its history."""
    word = state.word
    return word.history if word.posted_at in (0, at) else word.digest(state.details)


def _refusal(purposes: int) -> str:
    """The contract's error for purposes that cannot be consented to."""
    if not duo.is_defined(purposes) or purposes & duo.Purpose.MDS:
        return "UndefinedPurposes"
    return "RestrictedNRES" if purposes & duo.Purpose.NRES else "NoPermission"


def _earliest_issue(state: State, event: Event) -> int:
    """The first `issued_at` with which a signature for `event` is not overtaken."""
    word, ended = state.word, state.revoke_all.signed_at
    match event:
        case Granted() | Narrowed():
            return max(word.signed_at, ended) + 1
        case Revoked():
            return word.signed_at if word.purposes else word.signed_at + 1
        case AllRevoked():
            return ended + 1


def _refuse(name: str, message: str) -> NoReturn:
    raise ContractRevert(message, name=name)
