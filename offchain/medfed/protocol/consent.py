"""The reference of consent: a list of events in, who consented to what at any second out.

The twin of `ConsentRegistry.sol`. One `State` is what the chain keeps of one patient and one dataset: the word of the
latest consent and the patient's latest revoke-all, each holding the hash of its predecessor. In it:

1. A grant or a narrowing closes the word before it (`revoked_at`, written once) and chains to it. A change within the
   second of `granted_at` replaces the word instead: what counts for a second is how it ended.
2. A revocation closes the word. Where there is none, or it is closed already, a tombstone follows: a word that permits
   nothing, so that a grant signed earlier and not posted yet never counts.
3. A revoke-all ends every word granted in or before its second; nothing is granted in that second any more.
4. A consent is active at t iff granted_at ≤ t < revoked_at, t lies before the expiry, its purposes permit the request,
   and no revoke-all lies in [granted_at, t].
5. A signature counts only from its `issued_at` to its deadline. A signed grant or narrowing must be issued after the
   word's last change and the last revoke-all, so it works once and never undoes a later revocation. A signed revocation
   must be issued in or after the second of the grant it ends, and after any revocation known. A signed revoke-all must
   be issued after the last one; nothing else overtakes it.

All times are seconds of chain time. What the contract refuses is raised as `ContractRevert` under the same name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from eth_hash.auto import keccak

from medfed.errors import ContractRevert, InputError
from medfed.protocol import purposes as duo
from medfed.types import Address, DatasetId

__all__ = [
    "DAY",
    "NO_EXPIRY",
    "AllRevoked",
    "Event",
    "Granted",
    "History",
    "Narrowed",
    "RevokeAll",
    "Revoked",
    "Signed",
    "State",
    "Word",
    "active_patients",
    "apply",
    "check_signed",
    "history",
    "is_active",
    "replay",
    "was_active",
]

DAY = 86_400
NO_EXPIRY = 0xFFFF
"""The expiry day of a consent without an end."""


@dataclass(frozen=True, slots=True)
class Word:
    """One consent as its storage slot holds it; all zero when there is none."""

    purposes: int = 0
    granted_at: int = 0
    expiry_day: int = 0
    """Days since 1970: the consent ends when this day begins in UTC."""
    revoked_at: int = 0
    """0 while nothing closed it."""
    history: bytes = bytes(16)
    """Digest of the word before this one; zero for the first."""

    def digest(self) -> bytes:
        """The first 16 bytes of keccak256 over the fields, packed big-endian in their order."""
        sizes = ((self.purposes, 4), (self.granted_at, 5), (self.expiry_day, 2), (self.revoked_at, 5))
        return keccak(b"".join(value.to_bytes(size, "big") for value, size in sizes) + self.history)[:16]

    def ends(self) -> float:
        """The second from which the consent is expired."""
        return float("inf") if self.expiry_day == NO_EXPIRY else self.expiry_day * DAY


@dataclass(frozen=True, slots=True)
class RevokeAll:
    """A patient's latest revoke-all as its storage slot holds it; all zero when there is none."""

    moment: int = 0
    history: bytes = bytes(27)

    def digest(self) -> bytes:
        """The first 27 bytes of keccak256 over the fields, packed big-endian in their order."""
        return keccak(self.moment.to_bytes(5, "big") + self.history)[:27]


@dataclass(frozen=True, slots=True)
class Granted:
    """The patient consents, in place of what was before."""

    patient: Address
    dataset: DatasetId
    purposes: int
    expiry_day: int
    at: int


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The patient takes some of the consent away and keeps the rest."""

    patient: Address
    dataset: DatasetId
    purposes: int
    expiry_day: int
    at: int


@dataclass(frozen=True, slots=True)
class Revoked:
    """The consent ends. `by` is the patient or, on the patient's behalf, the dataset's owner."""

    patient: Address
    dataset: DatasetId
    by: Address
    at: int


@dataclass(frozen=True, slots=True)
class AllRevoked:
    """Every consent of the patient ends."""

    patient: Address
    at: int


Event = Granted | Narrowed | Revoked | AllRevoked


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature says about its own time."""

    issued_at: int
    deadline: int


@dataclass(frozen=True, slots=True)
class State:
    """What the chain keeps of one patient and one dataset."""

    word: Word = field(default_factory=Word)
    revoke_all: RevokeAll = field(default_factory=RevokeAll)


@dataclass(frozen=True, slots=True)
class History:
    """What `wasActive` is shown: every word and every revoke-all, newest first."""

    words: tuple[Word, ...]
    revoke_alls: tuple[RevokeAll, ...]


def apply(state: State, event: Event) -> State:
    """The state after one event of this patient and dataset. Raises `ContractRevert` where the contract refuses."""
    match event:
        case Granted():
            return replace(state, word=_granted(state, event))
        case Narrowed():
            return replace(state, word=_narrowed(state, event))
        case Revoked():
            return replace(state, word=_revoked(state.word, event))
        case AllRevoked():
            return replace(state, revoke_all=_all_revoked(state.revoke_all, event.at))


def check_signed(state: State, event: Event, signed: Signed) -> None:
    """Raise `ContractRevert` unless a signature of these times may still bring this event about (rule 5)."""
    if signed.deadline < event.at:
        _refuse("SignatureExpired", f"The signature was good until {signed.deadline}; sign again.")
    if signed.issued_at > event.at:
        _refuse(
            "SignatureFromFuture", f"The signature is issued at {signed.issued_at}, which has not come yet."
        )
    latest = _earliest_issue(state, event) - 1
    if signed.issued_at <= latest:
        _refuse(
            "SignatureOvertaken", f"The signature is older than the change of second {latest}; sign again."
        )


def is_active(state: State, purposes: int, at: int) -> bool:
    """What the contract's `isActive` says: the current word judged for second `at`, no wherever it cannot tell.

    It cannot tell when revoke-alls came after `at` and others before them; `was_active` can.
    """
    word, last = state.word, state.revoke_all
    if not word.granted_at or not word.granted_at <= at < min(word.revoked_at or float("inf"), word.ends()):
        return False
    if last.moment >= word.granted_at and (last.moment <= at or any(last.history)):
        return False
    return duo.permits(word.purposes, purposes)


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
    words: dict[int, Word] = {}
    revoke_alls: dict[int, RevokeAll] = {}
    state, last = State(), Word()
    for event in events:
        if event.patient != patient or not _concerns(event, dataset):
            continue
        state = apply(state, event)
        if last.granted_at not in (0, state.word.granted_at):
            words[last.granted_at] = _closed(last, state.word.granted_at)
        last = words[state.word.granted_at] = state.word
        revoke_alls[state.revoke_all.moment] = state.revoke_all
    words.pop(0, None)  # of a patient who has only revoked everything
    revoke_alls.pop(0, None)
    return History(tuple(reversed(words.values())), tuple(reversed(revoke_alls.values())))


def _concerns(event: Event, dataset: DatasetId) -> bool:
    return isinstance(event, AllRevoked) or event.dataset == dataset


def _granted(state: State, event: Granted) -> Word:
    if state.revoke_all.moment == event.at:
        _refuse("GrantInRevokeAllSecond", "All consents are revoked in this second; grant again in the next.")
    _check_terms(event)
    return _opened(state.word, event)


def _narrowed(state: State, event: Narrowed) -> Word:
    word = state.word
    alive = word.granted_at > state.revoke_all.moment and not word.revoked_at and event.at < word.ends()
    if not alive:
        _refuse("NothingToNarrow", "No consent is active that could be narrowed.")
    _check_terms(event)
    if event.expiry_day > word.expiry_day or not duo.narrows(word.purposes, event.purposes):
        _refuse("NotNarrower", "A narrowing permits no more and no longer than before; grant instead.")
    return _opened(word, event)


def _revoked(word: Word, event: Revoked) -> Word:
    if word.granted_at and not word.revoked_at:
        return replace(word, revoked_at=event.at)
    if word.revoked_at and event.by != event.patient:
        _refuse("AlreadyRevoked", f"The consent was revoked at {word.revoked_at}.")
    if word.revoked_at == event.at:
        return word
    return Word(0, event.at, 0, event.at, _link(word, event.at))


def _all_revoked(last: RevokeAll, at: int) -> RevokeAll:
    if last.moment == at:
        return last
    return RevokeAll(at, last.digest() if last.moment else last.history)


def _opened(word: Word, event: Granted | Narrowed) -> Word:
    return Word(event.purposes, event.at, event.expiry_day, 0, _link(word, event.at))


def _link(word: Word, at: int) -> bytes:
    """What the word that follows `word` at second `at` holds as its history."""
    replaces = word.granted_at in (0, at)
    return word.history if replaces else _closed(word, at).digest()


def _closed(word: Word, at: int) -> Word:
    return word if word.revoked_at else replace(word, revoked_at=at)


def _check_terms(event: Granted | Narrowed) -> None:
    try:
        duo.check_consent(event.purposes)
    except InputError as error:
        _refuse("NoPermission" if duo.is_defined(event.purposes) else "UndefinedPurposes", str(error))
    if event.expiry_day * DAY <= event.at:
        _refuse("ExpiryPassed", f"Day {event.expiry_day} has begun already; choose a later expiry.")


def _earliest_issue(state: State, event: Event) -> int:
    """The first `issued_at` with which a signature for `event` is not overtaken."""
    word, moment = state.word, state.revoke_all.moment
    match event:
        case Granted() | Narrowed():
            return max(word.granted_at, word.revoked_at, moment) + 1
        case Revoked():
            return max(word.granted_at, word.revoked_at + 1)
        case AllRevoked():
            return moment + 1


def _refuse(name: str, message: str) -> NoReturn:
    raise ContractRevert(message, name=name)
