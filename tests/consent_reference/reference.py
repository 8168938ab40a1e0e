"""Consent as a list of everything that was said, read as the rules read: slow, plain, and nobody's twin.

Choices where the prose leaves one:

- An end is the first second that is not covered, so a consent that ends in the second of its posting is past it.
- A deadline is the last second of posting.
- A narrowing that is past its end is treated as such a grant is: accepted when signed, refused by call.
- `revoke_for` does what the patient's own call does, also where nothing stands.
- Years from the first to the last that there is are all years, as none are.
- A second still to come is answered from what is known now. Nothing requested is never allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

EVERY_YEAR = (0, 65_535)


class Kind(Enum):
    """What a decision says."""

    GRANT = "grant"
    NARROW = "narrow"
    REVOKE = "revoke"
    REVOKE_ALL = "revoke all"
    REVOKE_FOR = "revoke for"


@dataclass(frozen=True)
class Purposes:
    """How wide a use is allowed or asked for (0: none at all), and the conditions demanded or promised (bits)."""

    width: int
    conditions: int = 0

    def within(self, other: Purposes) -> bool:
        """Whether nothing is asked for that the other does not allow, and all is promised that it demands."""
        return 0 < self.width <= other.width and other.conditions & ~self.conditions == 0


@dataclass(frozen=True)
class Terms:
    """What is consented to, up to `end` (exclusive; none: for good): of which `years` (first and last; none: of all), and on
    which form."""

    purposes: Purposes
    end: int | None = None
    years: tuple[int, int] | None = None
    form: str = ""

    def past(self, at: int) -> bool:
        return self.end is not None and at >= self.end

    def within(self, other: Terms) -> bool:
        no_longer = other.end is None or (self.end is not None and self.end <= other.end)
        return no_longer and self.purposes.within(other.purposes) and self.says_no_more(other)

    def says_no_more(self, other: Terms) -> bool:
        """Whether it is the same form, and no year is meant that the other does not mean."""
        mine, theirs = self.years or EVERY_YEAR, other.years or EVERY_YEAR
        return self.form == other.form and theirs[0] <= mine[0] and mine[1] <= theirs[1]


@dataclass(frozen=True)
class Decision:
    """What somebody decided at second `signed_at`. Consents carry terms and, when signed, a deadline."""

    kind: Kind
    patient: int
    dataset: int
    signed_at: int
    by_call: bool = False
    terms: Terms | None = None
    deadline: int | None = None


@dataclass(frozen=True)
class Word:
    """A decision that counted: of one patient about one dataset, or about all. Without terms, a revocation."""

    posted_at: int
    signed_at: int
    terms: Terms | None = None


class Refused(Exception):
    """A decision that does not count; nothing changed."""


@dataclass
class Registry:
    """The state machine. It keeps every word with its seconds; the last of one second of posting stands."""

    now: int = 0
    words: dict[tuple[int, int], list[Word]] = field(default_factory=dict)
    revoke_alls: dict[int, list[Word]] = field(default_factory=dict)

    # What is asked

    def word(self, patient: int, dataset: int, at: int) -> Word | None:
        """The last word posted by a second."""
        return last(self.words.get((patient, dataset), []), at)

    def revoke_all_by(self, patient: int, at: int) -> Word | None:
        """The last revoke-all posted by a second."""
        return last(self.revoke_alls.get(patient, []), at)

    def terms(self, patient: int, dataset: int, at: int) -> Terms | None:
        """The consent that covers a second, if any does."""
        word = self.word(patient, dataset, at)
        return word.terms if word is not None and self.covers(patient, word, at) else None

    def said(self, patient: int, dataset: int) -> tuple[tuple[int, int] | None, str]:
        """Years and form of the present word; none of a revocation."""
        word = self.word(patient, dataset, self.now)
        return (word.terms.years, word.terms.form) if word is not None and word.terms else (None, "")

    def active(self, patient: int, dataset: int, requested: Purposes, at: int) -> bool:
        terms = self.terms(patient, dataset, at)
        return terms is not None and requested.within(terms.purposes)

    def covers(self, patient: int, word: Word, at: int) -> bool:
        return word.terms is not None and not word.terms.past(at) and not self.ended(patient, word, at)

    def ended(self, patient: int, word: Word, at: int) -> bool:
        """Whether a revoke-all posted by that second ended the word."""
        everything = self.revoke_all_by(patient, at)
        return everything is not None and everything.signed_at >= word.signed_at

    # What is said

    def post(self, decision: Decision) -> bool:
        """Apply a decision in the present second; False where it silently changes nothing."""
        self.check_time(decision)
        match decision.kind:
            case Kind.GRANT:
                return self.grant(decision)
            case Kind.NARROW:
                return self.narrow(decision)
            case Kind.REVOKE_ALL:
                return self.revoke_all(decision)
            case _:
                return self.revoke(decision)

    def check_time(self, decision: Decision) -> None:
        if decision.by_call:
            assert decision.signed_at == self.now
        if decision.signed_at > self.now:
            raise Refused("signed in the future")
        if decision.deadline is not None and self.now > decision.deadline:
            raise Refused("posted after its deadline")

    def grant(self, decision: Decision) -> bool:
        self.check_terms(decision)
        self.check_order(decision)
        return self.write(decision)

    def narrow(self, decision: Decision) -> bool:
        self.check_terms(decision)
        self.check_order(decision)
        standing = self.terms(decision.patient, decision.dataset, self.now)
        if standing is None:
            raise Refused("nothing stands that could be narrowed")
        if not decision.terms.within(standing):
            raise Refused("not narrower")
        return self.write(decision)

    def check_terms(self, decision: Decision) -> None:
        if not decision.terms.purposes.width:
            raise Refused("allows nothing")
        if decision.terms.years is not None and not span(decision.terms.years):
            raise Refused("means no year")
        if decision.by_call and decision.terms.past(self.now):
            raise Refused("past its end")

    def check_order(self, decision: Decision) -> None:
        """A consent comes after whatever was signed before it."""
        everything = self.revoke_all_by(decision.patient, self.now)
        if everything is not None and decision.signed_at <= everything.signed_at:
            raise Refused("signed before the last revoke-all")
        before = self.word(decision.patient, decision.dataset, self.now)
        if before is not None and not self.follows(decision, before):
            raise Refused("signed before what stands")

    def follows(self, decision: Decision, before: Word) -> bool:
        """Strictly; but a call may replace a consent signed in its second."""
        replaces = decision.by_call and before.terms is not None and decision.signed_at == before.signed_at
        return replaces or decision.signed_at > before.signed_at

    def revoke(self, decision: Decision) -> bool:
        """Also of what was never granted: it stops consents signed before it."""
        before = self.word(decision.patient, decision.dataset, self.now)
        if before is None or before.terms is not None:
            return self.end(decision, before)
        return self.revoke_again(decision, before)

    def end(self, decision: Decision, before: Word | None) -> bool:
        if before is not None and decision.signed_at < before.signed_at:
            raise Refused("signed before the consent")
        return self.write(decision)

    def revoke_again(self, decision: Decision, before: Word) -> bool:
        """Remembered, as it stops the consents signed between the two."""
        if decision.signed_at > before.signed_at:
            return self.write(decision)
        if decision.by_call:
            return False
        raise Refused("signed before the revocation that stands")

    def revoke_all(self, decision: Decision) -> bool:
        before = self.revoke_all_by(decision.patient, self.now)
        if before is None or decision.signed_at > before.signed_at:
            return self.append(self.revoke_alls.setdefault(decision.patient, []), decision)
        if decision.by_call:
            return False
        raise Refused("signed before the last revoke-all")

    def write(self, decision: Decision) -> bool:
        return self.append(self.words.setdefault((decision.patient, decision.dataset), []), decision)

    def append(self, words: list[Word], decision: Decision) -> bool:
        """Words posted within one second replace one another."""
        if words and words[-1].posted_at == self.now:
            words.pop()
        words.append(Word(self.now, decision.signed_at, decision.terms))
        return True


def span(years: tuple[int, int]) -> range:
    first, final = years
    return range(first, final + 1)


def last(words: list[Word], at: int) -> Word | None:
    posted = [word for word in words if word.posted_at <= at]
    return posted[-1] if posted else None
