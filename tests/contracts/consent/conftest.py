"""A registry, two datasets of a hospital, and patients who sign."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import pytest

from medfed.protocol import typed
from medfed.protocol.consent import Details
from medfed.protocol.purposes import Purpose, is_defined
from tests.rig import roles
from tests.rig.evm import CHAIN_ID, Actor, Contract, Evm
from tests.rig.pledges import pledge

HMB, DS, GRU, IRB = (int(bit) for bit in (Purpose.HMB, Purpose.DS, Purpose.GRU, Purpose.IRB))
CODES = sum(1 << bit for bit in range(32) if is_defined(1 << bit))
NO_EXPIRY = 0xFFFF
NO_DETAILS = (0, 0xFFFF, bytes(28))
DETAILS = ("data_from", "data_until", "form")


def packed(details):
    """Details as the contract takes them."""
    return Details(*details).packed()


@dataclass
class Consents:
    """The registry under test and who acts on it; `dataset` belongs to `owner`, a hospital that actor 0 admitted. Messages say
    `now` and live 60 s."""

    evm: Evm
    consortium: Contract
    registry: Contract
    owner: Actor
    patient: Actor
    relayer: Actor
    dataset: int = 7

    def __getattr__(self, name):
        return getattr(self.registry, name)

    @property
    def today(self):
        return self.evm.now // 86_400

    @property
    def domain(self):
        return typed.consent_domain(CHAIN_ID, self.registry.address)

    def grant(self, dataset, purposes, expiry_day, details=NO_DETAILS, *, sender):
        return self.registry.grant(dataset, purposes, expiry_day, packed(details), sender=sender)

    def narrow(self, dataset, purposes, expiry_day, details=NO_DETAILS, *, sender):
        return self.registry.narrow(dataset, purposes, expiry_day, packed(details), sender=sender)

    def terms(self, kind, patient, **changes):
        """A message of the patient, with sensible values where none are given."""
        values = {
            "patient": patient.address,
            "dataset_id": self.dataset,
            "purposes": HMB,
            "expiry_day": NO_EXPIRY,
            **dict(zip(DETAILS, NO_DETAILS, strict=True)),
            "issued_at": self.evm.now,
            "deadline": self.evm.now + 60,
            "dataset": "",
        } | changes
        return kind(**{name: values[name] for name in kind.__dataclass_fields__})

    def digest_of(self, message, domain=None):
        """What is signed; bits without a code have no words."""
        if hasattr(message, "purposes"):
            message = replace(message, purposes=message.purposes & CODES)
        return typed.digest(domain or self.domain, message)

    def signed(self, message, signer=None, domain=None):
        """The message as the contract's struct, signed by `signer`."""
        digest = self.digest_of(message, domain)
        names = {"dataset_id": "datasetId", "expiry_day": "expiryDay", "issued_at": "issuedAt"}
        fields = {names.get(name, name): value for name, value in asdict(message).items()}
        details = [fields.pop(name) for name in DETAILS if name in fields]
        fields.pop("dataset", None)
        fields |= {"details": packed(details)} if details else {}
        return fields | {"signature": (signer or self.patient).sign_digest(digest)}

    def grant_of(self, patient=None, *, signer=None, domain=None, **changes):
        patient = patient or self.patient
        return self.signed(self.terms(typed.GrantMessage, patient, **changes), signer or patient, domain)

    def narrow_of(self, patient=None, *, signer=None, domain=None, **changes):
        patient = patient or self.patient
        return self.signed(self.terms(typed.NarrowMessage, patient, **changes), signer or patient, domain)

    def revoke_of(self, patient=None, *, signer=None, domain=None, **changes):
        patient = patient or self.patient
        return self.signed(self.terms(typed.RevokeMessage, patient, **changes), signer or patient, domain)

    def revoke_all_of(self, patient=None, *, signer=None, domain=None, **changes):
        patient = patient or self.patient
        return self.signed(self.terms(typed.RevokeAllMessage, patient, **changes), signer or patient, domain)

    def active(self, patient=None, purposes=HMB, at=None):
        at = self.evm.now if at is None else at
        return self.registry.isActive(patient or self.patient, self.dataset, purposes, at)

    def word(self, patient=None):
        return tuple(self.registry.wordOf(patient or self.patient, self.dataset))

    def details(self, patient=None):
        found = Details.unpack(self.registry.detailsOf(patient or self.patient, self.dataset))
        return found.data_from, found.data_until, found.form


def deploy(evm: Evm, *datasets: int) -> Consents:
    """A registry and these datasets, all of one hospital."""
    owner, patient, relayer, operator = evm.actors[1:5]
    manager = evm.deploy("AccessManager", evm.actors[0])
    consortium = evm.deploy("Consortium", manager)
    roles.open_to(manager, roles.CONSORTIUM, consortium, "admit", "proposeAdmin")
    roles.give(manager, roles.CONSORTIUM, evm.actors[0])
    consortium.admit(owner, operator, b"\x11" * 32, b"\x22" * 32, pledge(consortium, owner, operator))
    owners = evm.deploy("OpenDatasets")
    for dataset in datasets:
        owners.give(dataset, owner)
    registry = evm.deploy("ConsentRegistry", consortium, owners)
    return Consents(evm, consortium, registry, owner, patient, relayer)


@pytest.fixture(scope="module")
def deployed(evm_module: Evm) -> Consents:
    return deploy(evm_module, 7, 8)


@pytest.fixture
def consents(deployed: Consents, evm: Evm) -> Consents:
    """The registry as it was deployed; what a test does to it is undone."""
    assert evm is deployed.evm
    return deployed
