"""Write the vectors of consent, purposes and their typed messages: `python tests/vectors/make_consent.py`.

The Python twin makes them, the Solidity tests must come to the same. A test fails when a committed file differs from
what this script writes. Lists of equal length stand side by side, as forge reads columns more easily than objects.
"""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_hash.auto import keccak

from medfed.protocol import consent, purposes, typed
from medfed.protocol.consent import (
    NO_DETAILS,
    NO_EXPIRY,
    NO_LAST_YEAR,
    AllRevoked,
    Details,
    Granted,
    Narrowed,
    Revoked,
    form_digest,
)
from medfed.protocol.purposes import Purpose

FOLDER = Path(__file__).parent
START = 1_800_000_000
TODAY = START // consent.DAY
KINDS = (Granted, Narrowed, Revoked, AllRevoked)
WINDOW = Details(2015, 2024)
DETAILS = Details(2015, 2024, form_digest(b"the blank form"))

# Where forge deploys the first contract of a test, on the chain id that its test sets.
CHAIN_ID = 31337
CONTRACT = "0x5615dEB798BB3E4dFa0139dFa1b3D433Cc23b72f"


def purpose_vectors() -> dict[str, Any]:
    """`permits[i]` and its neighbours are bitmaps: bit j is the answer for (values[i], values[j])."""
    conditions = [
        0,
        Purpose.IRB,
        Purpose.NPUNCU | Purpose.NGU,
        Purpose.NPOA,
        Purpose.NMDS,
        Purpose.NPOA | Purpose.NMDS | Purpose.RS,
        Purpose.MDS,
        Purpose.MDS | Purpose.NPOA | Purpose.IS,
        Purpose.MDS | Purpose.NMDS,
        1 << 31,
    ]
    # No kind of research, each one, and two; with and without clinical care, and without restriction.
    kinds = [0, 1, 2, 4, 8, 6, 9, 16, 17, 18, 20, 24, 32, 33, 34, 48]
    values = [kind | int(extra) for extra in conditions for kind in kinds]
    undefined = [1, *(1 | 1 << bit for bit in range(32) if not purposes.is_defined(1 << bit))]
    values += [*undefined, *[0] * (16 - len(undefined))]
    return {
        "codes": [code.name for code in Purpose],
        "bits": [int(code) for code in Purpose],
        "values": values,
        "permits": [bitmap(purposes.permits(each, other) for other in values) for each in values],
        "narrows": [bitmap(purposes.narrows(each, other) for other in values) for each in values],
        "permits_study": [bitmap(study(each, other) for other in values) for each in values],
    }


def study(uses: int, requested: int) -> bool:
    """Of another disease, with all but IS confirmed."""
    met = purposes.met(requested, purposes.PARAMETERISED & ~int(Purpose.IS))
    return purposes.permits_study(uses, 1, met, 2)


def bitmap(answers: Any) -> str:
    """As 32 bytes in hex, the first answer in the lowest bit."""
    return "0x" + sum(answer << place for place, answer in enumerate(answers)).to_bytes(32, "big").hex()


def consent_vectors() -> dict[str, Any]:
    """One patient's history of one dataset: the events, each word they leave, and answers for chosen seconds."""
    events = history()
    patient, dataset = events[0].patient, events[0].dataset
    shown = consent.history(events, patient, dataset)
    details = iter(shown.details)
    seconds = sorted({event.at + step for event in events for step in (-1, 0, 1)})
    requests = [int(Purpose.HMB), int(Purpose.DS), int(Purpose.DS | Purpose.IRB), int(Purpose.GRU)]
    queries = [(t, request) for t in seconds for request in requests]
    return {
        "dataset": dataset,
        "events": columns(events, kind=KINDS.index, purposes=0, expiry_day=0, signed_at=0, at=0),
        "words": {
            "purposes": [word.purposes for word in shown.words],
            "posted_at": [word.posted_at for word in shown.words],
            "signed_at": [word.signed_at for word in shown.words],
            "expiry_day": [word.expiry_day for word in shown.words],
            "history": [padded(word.history) for word in shown.words],
            **said([next(details) if word.detailed else NO_DETAILS for word in shown.words]),
        },
        "revoke_alls": {
            "posted_at": [word.posted_at for word in shown.revoke_alls],
            "signed_at": [word.signed_at for word in shown.revoke_alls],
            "history": [padded(word.history) for word in shown.revoke_alls],
        },
        "queries": {
            "t": [t for t, _ in queries],
            "purposes": [request for _, request in queries],
            "active": [
                int(consent.was_active(events, patient, dataset, request, t)) for t, request in queries
            ],
        },
    }


def history() -> list[Any]:
    """All by call, so that forge needs no key."""
    patient, owner, dataset = "0x" + "11" * 20, "0x" + "22" * 20, 7
    hmb, ds, gru = int(Purpose.HMB), int(Purpose.DS), int(Purpose.GRU)

    def granted(at: int, bits: int, day: int = NO_EXPIRY, details: Details = NO_DETAILS) -> Granted:
        return Granted(patient, dataset, bits, day, START + at, START + at, details)

    def revoked(at: int, by: str = patient) -> Revoked:
        return Revoked(patient, dataset, by, START + at, START + at)

    def all_revoked(at: int) -> AllRevoked:
        return AllRevoked(patient, START + at, START + at)

    return [
        revoked(0),
        granted(10, gru),
        granted(10, hmb),
        Narrowed(patient, dataset, ds, TODAY + 2, START + 20, START + 20),
        revoked(30, owner),
        revoked(40),
        revoked(40),
        granted(42, gru, TODAY + 9),
        all_revoked(50),
        all_revoked(50),
        granted(60, hmb),
        all_revoked(60),
        granted(65, gru),
        revoked(65),
        granted(70, ds | int(Purpose.IRB), TODAY + 3),
        granted(80, hmb, NO_EXPIRY, DETAILS),
        granted(81, hmb, NO_EXPIRY, replace(DETAILS, data_until=NO_LAST_YEAR)),
        Narrowed(patient, dataset, ds, NO_EXPIRY, START + 82, START + 82, DETAILS),
        granted(83, ds),
        granted(84, hmb, NO_EXPIRY, DETAILS),
        revoked(84, owner),
        granted(TODAY * consent.DAY + 4 * consent.DAY - START, hmb, TODAY + 5),
    ]


def columns(events: list[Any], **parts: Any) -> dict[str, list[int]]:
    kind = parts.pop("kind")
    found = {"kind": [kind(type(event)) for event in events]}
    for name, missing in parts.items():
        found[name] = [getattr(event, name, missing) for event in events]
    found |= said([getattr(event, "details", NO_DETAILS) for event in events])
    found["by_owner"] = [int(getattr(event, "by", event.patient) != event.patient) for event in events]
    return found


def said(details: list[Details]) -> dict[str, list[Any]]:
    return {"details": [f"0x{each.packed().hex()}" for each in details]}


def padded(value: bytes) -> str:
    return "0x" + value.ljust(32, b"\0").hex()


def typed_vectors() -> dict[str, Any]:
    """Messages by four patients, with digest and signature; forge brings the signatures to a registry at `contract`."""
    domain = typed.consent_domain(CHAIN_ID, CONTRACT)
    made = [
        signed(domain, number, kind) for number, kind in enumerate(("Grant", "Narrow", "Revoke", "RevokeAll"))
    ]
    attestation = typed.AttestationMessage(3, 2, keccak(b"an aggregate"))
    rounds = typed.rounds_domain(CHAIN_ID, CONTRACT)
    return {
        "chain_id": CHAIN_ID,
        "contract": CONTRACT,
        "now": START,
        **{name: [each[name] for each in made] for name in made[0]},
        "attestation": {
            "study": attestation.study,
            "round": attestation.round,
            "aggregate_hash": "0x" + attestation.aggregate_hash.hex(),
            "digest": "0x" + typed.digest(rounds, attestation).hex(),
        },
    }


def signed(domain: typed.Domain, number: int, kind: str) -> dict[str, Any]:
    account = Account.from_key(keccak(b"patient %d" % number))
    times = START, START + 60
    details = {"Grant": DETAILS, "Narrow": WINDOW}.get(kind, NO_DETAILS)
    message = {
        "Grant": typed.GrantMessage(
            account.address, 7, int(Purpose.HMB | Purpose.IRB), TODAY + 30, *astuple(DETAILS), *times
        ),
        "Narrow": typed.NarrowMessage(
            account.address, 7, int(Purpose.DS | Purpose.IRB), TODAY + 9, *astuple(WINDOW), *times
        ),
        "Revoke": typed.RevokeMessage(account.address, 7, START),
        "RevokeAll": typed.RevokeAllMessage(account.address, START),
    }[kind]
    digest = typed.digest(domain, message)
    return {
        "kinds": typed.encode_type(type(message)),
        "patients": account.address,
        "purposes": getattr(message, "purposes", 0),
        "expiry_days": getattr(message, "expiry_day", 0),
        "details": f"0x{details.packed().hex()}",
        "digests": "0x" + digest.hex(),
        "signatures": "0x" + bytes(account.unsafe_sign_hash(digest).signature).hex(),
    }


def render() -> dict[str, str]:
    """File name -> text."""
    made = {"purposes": purpose_vectors(), "consent": consent_vectors(), "typed_consent": typed_vectors()}
    return {f"{name}.json": json.dumps(value, indent=1) + "\n" for name, value in made.items()}


if __name__ == "__main__":
    for name, text in render().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
