"""Operators' words that they serve a hospital, as `Consortium` takes them, of accounts whose keys the rig holds."""

from __future__ import annotations

from medfed.protocol.typed import ServiceMessage, compact, consortium_domain, digest
from tests.rig.evm import CHAIN_ID, Actor

__all__ = ["FOR_EVER", "pledge"]

FOR_EVER = 2**40 - 1


def pledge(consortium, hospital, operator, deadline=FOR_EVER):
    """The words of a pledge; all zero but for the deadline where nobody holds the operator's key."""
    if not isinstance(operator, Actor):
        return deadline, bytes(32), bytes(32)
    account = getattr(hospital, "address", hospital)
    domain = consortium_domain(CHAIN_ID, consortium.address)
    signature = operator.sign_digest(digest(domain, ServiceMessage(account, deadline)))
    return deadline, *compact(signature)
