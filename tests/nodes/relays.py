"""Patients who sign and a relayer's queue, on a deployment of their own; files come in any order, kills at any line."""

from __future__ import annotations

import hashlib
import itertools
import random
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

from medfed.chain.consent_file import Signed
from medfed.chain.contracts.consents import SignedMessage
from medfed.chain.deployment import open_index
from medfed.chain.keys import Account, account_from_key
from medfed.chain.sender import Sender
from medfed.nodes.relaying import Relayer
from medfed.protocol import consent
from medfed.protocol.purposes import Purpose
from medfed.protocol.typed import (
    GrantMessage,
    NarrowMessage,
    RevokeAllMessage,
    RevokeMessage,
    consent_domain,
    digest,
)
from medfed.rounds.federation import OnChain
from medfed.types import DatasetId

__all__ = ["FOREVER", "Office"]

FOREVER = (1 << 32) - 1
_numbers = itertools.count(1)


@dataclass
class Office:
    """A relayer's place of work: `place` is the chain, `folder` has its queue and the journal of its key."""

    place: OnChain
    account: Account
    folder: Path
    now: float = 1_000_000.0
    """The relayer's own clock."""
    start: int = field(init=False)

    def __post_init__(self):
        self.start = self.place.client.head().timestamp - 1000

    @property
    def domain(self):
        return consent_domain(self.place.client.chain_id, self.place.contracts.consents.address)

    def sender(self) -> Sender:
        return Sender(self.place.client, self.account, self.folder / "sent")

    def relayer(self, **settings) -> Relayer:
        """As a restart makes it."""
        return Relayer(
            self.place, self.sender(), self.folder, wall=lambda: self.now, draw=random.Random(7), **settings
        )

    def patient(self) -> Account:
        return account_from_key(hashlib.sha256(f"patient {self.folder} {next(_numbers)}".encode()).digest())

    # -- what is signed; `at` in seconds after `start` ---------------------------------------------------------------

    def grant(self, who, at, dataset=1, purposes=Purpose.GRU, deadline=FOREVER) -> Signed:
        terms = int(purposes), consent.NO_EXPIRY, *astuple(consent.NO_DETAILS), self.start + at, deadline
        return self.sign(who, GrantMessage(who.address, DatasetId(dataset), *terms))

    def narrow(self, who, at, dataset=1, purposes=Purpose.HMB) -> Signed:
        terms = int(purposes), consent.NO_EXPIRY, *astuple(consent.NO_DETAILS), self.start + at, FOREVER
        return self.sign(who, NarrowMessage(who.address, DatasetId(dataset), *terms))

    def revoke(self, who, at, dataset=1) -> Signed:
        return self.sign(who, RevokeMessage(who.address, DatasetId(dataset), self.start + at))

    def revoke_all(self, who, at) -> Signed:
        return self.sign(who, RevokeAllMessage(who.address, self.start + at))

    def sign(self, who, message) -> Signed:
        return Signed(self.domain, SignedMessage(message, who.sign_digest(digest(self.domain, message))))

    def forged(self, signed: Signed, signature: bytes = b"\1" * 64 + b"\x1b") -> Signed:
        return replace(signed, item=replace(signed.item, signature=signature))

    # -- what the chain says -----------------------------------------------------------------------------------------

    def events(self, *patients) -> list[tuple]:
        """(name, account, dataset, signed at, transaction) of what counted, in the order of the chain."""
        index, wanted = open_index(self.place.contracts, None), {who.address for who in patients}
        index.sync()
        found = [
            event
            for name in ("Granted", "Narrowed", "Revoked", "AllRevoked")
            for event in index.events(name, contract="ConsentRegistry")
            if event["patient"] in wanted
        ]
        found.sort(key=lambda event: (event.block, event.log_index))
        return [
            (
                event.name,
                event["patient"],
                event.values.get("dataset_id"),
                event["signed_at"] - self.start,
                event.tx_hash,
            )
            for event in found
        ]
