"""The reference with one rule wrong at a time. Every one has to be told from the reference by some history."""

from __future__ import annotations

from dataclasses import replace

from tests.consent_reference.reference import (
    Decision,
    Kind,
    Purposes,
    Refused,
    Registry,
    Terms,
    Word,
    last,
)

# The order of consents


class ConsentInTheSecondOfTheWord(Registry):
    def follows(self, decision: Decision, before: Word) -> bool:
        return decision.signed_at >= before.signed_at


class CallReplacesNothingOfItsSecond(Registry):
    def follows(self, decision: Decision, before: Word) -> bool:
        return decision.signed_at > before.signed_at


class CallReplacesARevocationOfItsSecond(Registry):
    def follows(self, decision: Decision, before: Word) -> bool:
        return decision.signed_at >= before.signed_at + (not decision.by_call)


class SignatureReplacesAConsentOfItsSecond(Registry):
    def follows(self, decision: Decision, before: Word) -> bool:
        return decision.signed_at >= before.signed_at + (before.terms is None)


class ConsentAfterThePosting(Registry):
    def follows(self, decision: Decision, before: Word) -> bool:
        return super().follows(decision, replace(before, signed_at=before.posted_at))


class ConsentInAnyOrder(Registry):
    def follows(self, decision: Decision, before: Word) -> bool:
        return True


class RevokeAllStopsNoConsent(Registry):
    def check_order(self, decision: Decision) -> None:
        before = self.word(decision.patient, decision.dataset, self.now)
        if before is not None and not self.follows(decision, before):
            raise Refused


class RevokeAllLetsItsSecondPass(Registry):
    def check_order(self, decision: Decision) -> None:
        everything = self.revoke_all_by(decision.patient, self.now)
        if everything is None or decision.signed_at != everything.signed_at:
            super().check_order(decision)


class RevokeAllLetsCallsOfItsSecondPass(Registry):
    def check_order(self, decision: Decision) -> None:
        everything = self.revoke_all_by(decision.patient, self.now)
        if not decision.by_call or everything is None or decision.signed_at != everything.signed_at:
            super().check_order(decision)


class SignedByItsPosting(Registry):
    def append(self, words: list[Word], decision: Decision) -> bool:
        return super().append(words, replace(decision, signed_at=self.now))


# Terms


class AllowsNothing(Registry):
    def check_terms(self, decision: Decision) -> None:
        if decision.by_call and decision.terms.past(self.now):
            raise Refused


class PastEndRefusedWhenSigned(Registry):
    def check_terms(self, decision: Decision) -> None:
        super().check_terms(replace(decision, by_call=True))


class PastEndAcceptedByCall(Registry):
    def check_terms(self, decision: Decision) -> None:
        super().check_terms(replace(decision, by_call=False))


class PastNarrowingRefused(Registry):
    def check_terms(self, decision: Decision) -> None:
        super().check_terms(replace(decision, by_call=decision.by_call or decision.kind is Kind.NARROW))


class EndOfThisSecondAcceptedByCall(Registry):
    def check_terms(self, decision: Decision) -> None:
        super().check_terms(replace(decision, by_call=decision.by_call and decision.terms.end != self.now))


class DeadlineExclusive(Registry):
    def check_time(self, decision: Decision) -> None:
        super().check_time(decision)
        if self.now == decision.deadline:
            raise Refused


class DeadlineIgnored(Registry):
    def check_time(self, decision: Decision) -> None:
        super().check_time(replace(decision, deadline=None))


class FutureAccepted(Registry):
    def check_time(self, decision: Decision) -> None:
        super().check_time(replace(decision, signed_at=min(decision.signed_at, self.now)))


class PresentRefused(Registry):
    def check_time(self, decision: Decision) -> None:
        super().check_time(decision)
        if not decision.by_call and decision.signed_at == self.now:
            raise Refused


# Narrowings


class NarrowsTheExpired(Registry):
    def narrow(self, decision: Decision) -> bool:
        before = self.word(decision.patient, decision.dataset, self.now)
        expired = before is not None and before.terms is not None and before.terms.past(self.now)
        if not expired or self.ended(decision.patient, before, self.now):
            return super().narrow(decision)
        if not decision.terms.within(before.terms):
            raise Refused
        return self.grant(decision)


class NarrowsTheEnded(Registry):
    def narrow(self, decision: Decision) -> bool:
        before = self.word(decision.patient, decision.dataset, self.now)
        narrower = before is not None and before.terms is not None and decision.terms.within(before.terms)
        if not narrower or before.terms.past(self.now):
            return super().narrow(decision)
        return self.grant(decision)


class NarrowsAtTheEnd(Registry):
    def narrow(self, decision: Decision) -> bool:
        before = self.word(decision.patient, decision.dataset, self.now)
        at_its_end = before is not None and before.terms is not None and before.terms.end == self.now
        if at_its_end and decision.terms.within(before.terms):
            return self.grant(decision)
        return super().narrow(decision)


class NarrowsWhatEndedInItsSecond(Registry):
    def narrow(self, decision: Decision) -> bool:
        before = self.word(decision.patient, decision.dataset, self.now)
        everything = self.revoke_all_by(decision.patient, self.now)
        in_its_second = (
            before is not None and everything is not None and before.signed_at == everything.signed_at
        )
        if in_its_second and before.terms is not None and decision.terms.within(before.terms):
            return self.grant(decision)
        return super().narrow(decision)


class NarrowsTheRevoked(Registry):
    def narrow(self, decision: Decision) -> bool:
        before = self.word(decision.patient, decision.dataset, self.now)
        if before is not None and before.terms is None:
            return self.grant(decision)
        return super().narrow(decision)


class NarrowsTheAbsent(Registry):
    def narrow(self, decision: Decision) -> bool:
        absent = self.word(decision.patient, decision.dataset, self.now) is None
        return self.grant(decision) if absent else super().narrow(decision)


class NarrowedLonger(Registry):
    def narrow(self, decision: Decision) -> bool:
        return self.narrow_within(decision, lambda before: replace(before, end=None))

    def narrow_within(self, decision: Decision, widened) -> bool:
        standing = self.terms(decision.patient, decision.dataset, self.now)
        if standing is None or not decision.terms.within(widened(standing)):
            raise Refused
        return self.grant(decision)


class NarrowedWider(NarrowedLonger):
    def narrow(self, decision: Decision) -> bool:
        return self.narrow_within(decision, lambda before: replace(before, purposes=Purposes(9)))


class NarrowedToFewerConditions(NarrowedLonger):
    def narrow(self, decision: Decision) -> bool:
        return self.narrow_within(
            decision, lambda before: replace(before, purposes=replace(before.purposes, conditions=0))
        )


class NarrowedToLessOnly(Registry):
    def narrow(self, decision: Decision) -> bool:
        if self.terms(decision.patient, decision.dataset, self.now) == decision.terms:
            raise Refused
        return super().narrow(decision)


class NarrowedToOtherYears(NarrowedLonger):
    def narrow(self, decision: Decision) -> bool:
        return self.narrow_within(decision, lambda before: replace(before, years=None))


class NarrowedToFewerYearsOnly(Registry):
    def narrow(self, decision: Decision) -> bool:
        standing = self.terms(decision.patient, decision.dataset, self.now)
        if standing is not None and standing.years is not None and standing.years == decision.terms.years:
            raise Refused
        return super().narrow(decision)


class NarrowedOnAnotherForm(NarrowedLonger):
    def narrow(self, decision: Decision) -> bool:
        return self.narrow_within(decision, lambda before: replace(before, form=decision.terms.form))


class EmptyYearsAccepted(Registry):
    def check_terms(self, decision: Decision) -> None:
        super().check_terms(replace(decision, terms=replace(decision.terms, years=None)))


class DetailsOutliveTheRevocation(Registry):
    def said(self, patient: int, dataset: int) -> tuple[tuple[int, int] | None, str]:
        words = [word for word in self.words.get((patient, dataset), []) if word.terms is not None]
        return (words[-1].terms.years, words[-1].terms.form) if words else (None, "")


class NarrowingKeepsItsGrantsSecond(Registry):
    def narrow(self, decision: Decision) -> bool:
        before = self.word(decision.patient, decision.dataset, self.now)
        super().narrow(decision)
        return self.write(replace(decision, signed_at=before.signed_at))


# Revocations


class RevocationStrictlyAfterTheConsent(Registry):
    def end(self, decision: Decision, before: Word | None) -> bool:
        if before is not None and not decision.by_call and decision.signed_at == before.signed_at:
            raise Refused
        return super().end(decision, before)


class RevocationAgainstThePosting(Registry):
    def end(self, decision: Decision, before: Word | None) -> bool:
        return super().end(decision, before and replace(before, signed_at=before.posted_at))


class RevocationOfAnyAge(Registry):
    def end(self, decision: Decision, before: Word | None) -> bool:
        return self.write(decision)


class AbsentRevocationRefused(Registry):
    def end(self, decision: Decision, before: Word | None) -> bool:
        if before is None:
            raise Refused
        return super().end(decision, before)


class EndedRevocationForgotten(Registry):
    """What a revoke-all ended is not revoked again; so a consent signed in between is let in."""

    def end(self, decision: Decision, before: Word | None) -> bool:
        if before is not None and self.ended(decision.patient, before, self.now):
            return False
        return super().end(decision, before)


class ExpiredRevocationForgotten(Registry):
    def end(self, decision: Decision, before: Word | None) -> bool:
        if before is not None and before.terms.past(self.now):
            return False
        return super().end(decision, before)


class SecondRevocationRefused(Registry):
    def revoke_again(self, decision: Decision, before: Word) -> bool:
        raise Refused


class SecondRevocationForgotten(Registry):
    def revoke_again(self, decision: Decision, before: Word) -> bool:
        return False if decision.by_call else super().revoke_again(decision, before)


class RevocationReplayed(Registry):
    def revoke_again(self, decision: Decision, before: Word) -> bool:
        if decision.signed_at == before.signed_at:
            return self.write(decision)
        return super().revoke_again(decision, before)


class RevocationCallRefusedInItsSecond(Registry):
    def revoke_again(self, decision: Decision, before: Word) -> bool:
        if decision.signed_at == before.signed_at:
            raise Refused
        return super().revoke_again(decision, before)


class OwnerRevokesOnce(Registry):
    def revoke_again(self, decision: Decision, before: Word) -> bool:
        if decision.kind is Kind.REVOKE_FOR:
            raise Refused
        return super().revoke_again(decision, before)


class OwnersSecondRevocationForgotten(Registry):
    def revoke_again(self, decision: Decision, before: Word) -> bool:
        return decision.kind is not Kind.REVOKE_FOR and super().revoke_again(decision, before)


class OwnerRevokesStandingOnly(Registry):
    def revoke(self, decision: Decision) -> bool:
        standing = self.terms(decision.patient, decision.dataset, self.now)
        if decision.kind is Kind.REVOKE_FOR and standing is None:
            raise Refused
        return super().revoke(decision)


class RevokeAllReplayed(Registry):
    def revoke_all(self, decision: Decision) -> bool:
        before = self.revoke_all_by(decision.patient, self.now)
        if before is None or decision.signed_at != before.signed_at:
            return super().revoke_all(decision)
        return self.append(self.revoke_alls[decision.patient], decision)


class RevokeAllOfAnyAge(Registry):
    def revoke_all(self, decision: Decision) -> bool:
        return self.append(self.revoke_alls.setdefault(decision.patient, []), decision)


class SecondRevokeAllRefused(Registry):
    def revoke_all(self, decision: Decision) -> bool:
        if self.revoke_all_by(decision.patient, self.now) is not None:
            raise Refused
        return super().revoke_all(decision)


# What is asked


class RevokeAllSparesItsSecond(Registry):
    def ended(self, patient: int, word: Word, at: int) -> bool:
        everything = self.revoke_all_by(patient, at)
        return everything is not None and everything.signed_at > word.signed_at


class RevokeAllEndsLaterWords(Registry):
    def ended(self, patient: int, word: Word, at: int) -> bool:
        return self.revoke_all_by(patient, at) is not None


class RevokeAllEndsWhatWasPosted(Registry):
    def ended(self, patient: int, word: Word, at: int) -> bool:
        everything = self.revoke_all_by(patient, at)
        return everything is not None and everything.posted_at >= word.posted_at


class RevokeAllFromItsSigning(Registry):
    def ended(self, patient: int, word: Word, at: int) -> bool:
        every = self.revoke_alls.get(patient, [])
        return any(word.signed_at <= each.signed_at <= at for each in every)


class LastRevokeAllSpeaksForThePast(Registry):
    def revoke_all_by(self, patient: int, at: int) -> Word | None:
        return super().revoke_all_by(patient, self.now)


class LastRevokeAllHidesTheOnesBefore(Registry):
    def ended(self, patient: int, word: Word, at: int) -> bool:
        every = self.revoke_alls.get(patient, [])[-1:]
        return any(each.posted_at <= at and each.signed_at >= word.signed_at for each in every)


class LaterWordSpeaksForThePast(Registry):
    def word(self, patient: int, dataset: int, at: int) -> Word | None:
        return super().word(patient, dataset, self.now)


class LaterWordHidesTheOnesBefore(Registry):
    def word(self, patient: int, dataset: int, at: int) -> Word | None:
        return last(self.words.get((patient, dataset), [])[-1:], at)


class WordFromItsSigning(Registry):
    def word(self, patient: int, dataset: int, at: int) -> Word | None:
        signed = [word for word in self.words.get((patient, dataset), []) if word.signed_at <= at]
        return signed[-1] if signed else None


class FirstOfASecondStands(Registry):
    def word(self, patient: int, dataset: int, at: int) -> Word | None:
        words = [word for word in self.words.get((patient, dataset), []) if word.posted_at <= at]
        if not words or at == self.now:
            return words[-1] if words else None
        return next(word for word in words if word.posted_at == words[-1].posted_at)

    def append(self, words: list[Word], decision: Decision) -> bool:
        words.append(Word(self.now, decision.signed_at, decision.terms))
        return True


class CoversItsEnd(Registry):
    def covers(self, patient: int, word: Word, at: int) -> bool:
        at_its_end = word.terms is not None and word.terms.end == at
        return super().covers(patient, word, at - at_its_end)


class EndWraps(Registry):
    def covers(self, patient: int, word: Word, at: int) -> bool:
        wrapped = word.terms and word.terms.end and replace(word.terms, end=word.terms.end % 2**32)
        return super().covers(patient, replace(word, terms=wrapped or word.terms), at)


class OneEndForAll(Registry):
    """A revocation of one dataset ends the patient's others too."""

    def covers(self, patient: int, word: Word, at: int) -> bool:
        words = [self.word(*key, at) for key in self.words if key[0] == patient]
        revoked = any(each is not None and each.terms is None for each in words)
        return not revoked and super().covers(patient, word, at)


class EndForgotten(Registry):
    def covers(self, patient: int, word: Word, at: int) -> bool:
        endless = word.terms and Terms(word.terms.purposes)
        return super().covers(patient, replace(word, terms=endless), at)


MUTANTS = tuple(
    each
    for each in list(globals().values())
    if isinstance(each, type) and issubclass(each, Registry) and each is not Registry
)
