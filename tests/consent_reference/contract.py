"""The contract on an EVM as an adapter."""

from __future__ import annotations

from dataclasses import asdict, astuple
from typing import Any

from medfed.protocol import consent, typed
from tests.consent_reference.adapter import Answer, details
from tests.consent_reference.reference import Decision, Kind, Purposes
from tests.consent_reference.twin import bits, dataset_id, expiry_day
from tests.contracts.consent.conftest import Consents
from tests.rig.evm import Actor, Receipt, Revert

FUNCTIONS = {
    Kind.GRANT: "grant",
    Kind.NARROW: "narrow",
    Kind.REVOKE: "revoke",
    Kind.REVOKE_ALL: "revokeAll",
    Kind.REVOKE_FOR: "revokeFor",
}
MESSAGES = {
    Kind.GRANT: typed.GrantMessage,
    Kind.NARROW: typed.NarrowMessage,
    Kind.REVOKE: typed.RevokeMessage,
    Kind.REVOKE_ALL: typed.RevokeAllMessage,
}
EVENTS = {
    each.__name__: each for each in (consent.Granted, consent.Narrowed, consent.Revoked, consent.AllRevoked)
}
REFUSALS = {
    "EmptyWindow",
    "ExpiryPassed",
    "NoPermission",
    "NotNarrower",
    "NothingToNarrow",
    "Overtaken",
    "SignatureExpired",
    "SignatureFromFuture",
    "WiderDetails",
}


class ContractAdapter:
    """Sends each decision to the registry, in a batch of its own where it is signed and `in_batches`.

    It keeps the events, from which the twin makes the history that `wasActive` is shown.
    """

    def __init__(self, consents: Consents, *, in_batches: bool = False) -> None:
        self.consents = consents
        self.suffix = "Batch" if in_batches else "BySig"
        self.events: list[consent.Event] = []

    def advance(self, second: int) -> None:
        self.consents.evm.travel(second - self.consents.evm.now)

    def post(self, decision: Decision) -> Answer:
        try:
            receipt = self.call(decision) if decision.by_call else self.show(decision)
        except Revert as revert:
            assert revert.name in REFUSALS, revert
            return Answer.REFUSED
        if receipt.named("SignatureSkipped"):
            return Answer.REFUSED
        self.events += map(told, receipt.events)
        return Answer.COUNTED if receipt.events else Answer.NOTHING

    def call(self, decision: Decision) -> Receipt:
        patient, dataset = self.patient(decision.patient), dataset_id(decision.dataset)
        about: tuple[Any, ...] = () if decision.kind is Kind.REVOKE_ALL else (dataset,)
        if decision.kind is Kind.REVOKE_FOR:
            about, patient = (patient, dataset), self.consents.owner
        *terms, details = said(decision) or (None,)
        terms = [*terms, astuple(details)] if details else []
        return getattr(self.consents, FUNCTIONS[decision.kind])(*about, *terms, sender=patient)

    def show(self, decision: Decision) -> Receipt:
        """Somebody else brings the patient's signature."""
        patient, terms = self.patient(decision.patient), said(decision)
        message = self.consents.terms(
            MESSAGES[decision.kind],
            patient,
            dataset_id=dataset_id(decision.dataset),
            issued_at=decision.signed_at,
            deadline=decision.deadline,
            **dict(zip(("purposes", "expiry_day"), terms[:2], strict=False)),
            **(asdict(terms[2]) if terms else {}),
        )
        signed = self.consents.signed(message, patient)
        function = FUNCTIONS[decision.kind] + self.suffix
        shown = [signed] if self.suffix == "Batch" else signed
        return getattr(self.consents, function)(shown, sender=self.consents.relayer)

    def patient(self, number: int) -> Actor:
        return self.consents.evm.actors[10 + number]

    def details(self, patient: int, dataset: int) -> consent.Details:
        return consent.Details.unpack(self.consents.detailsOf(self.patient(patient), dataset_id(dataset)))

    def is_active(self, patient: int, dataset: int, requested: Purposes, at: int) -> bool:
        return self.consents.isActive(self.patient(patient), dataset_id(dataset), bits(requested), at)

    def was_active(self, patient: int, dataset: int, requested: Purposes, at: int) -> bool:
        account, number = self.patient(patient), dataset_id(dataset)
        history = consent.history(self.events, account.address, number)
        words, last = (tuple(map(astuple, each)) for each in (history.words, history.revoke_alls))
        shown = words, [each.packed() for each in history.details], last
        return self.consents.wasActive(account, number, bits(requested), at, *shown)


def said(decision: Decision) -> tuple[Any, ...]:
    """Purposes, day of expiry and details; nothing of a revocation."""
    terms = decision.terms
    if terms is None:
        return ()
    return bits(terms.purposes), expiry_day(terms), details(terms.years, terms.form)


def told(event: Any) -> consent.Event:
    """An event in the form of the twin."""
    values = dict(event.args)
    said = {"details": consent.Details.unpack(values.pop("details"))} if "details" in values else {}
    made: consent.Event = EVENTS[event.name](*values.values(), **said)
    return made
