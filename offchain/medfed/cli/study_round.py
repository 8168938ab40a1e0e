"""`medfed study enrol`, `attest`, `claim` and so on: a hospital's steps by hand, which its daemon does alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, when

if TYPE_CHECKING:
    from medfed.protocol.commitments import Aggregate
    from medfed.rounds.federation import Federation, OnChain
    from medfed.types import Seat, StudyId

__all__ = [
    "Anyone",
    "Number",
    "absences",
    "abstain",
    "attest",
    "bring_attestations",
    "claim",
    "release",
]

Number = Annotated[int, typer.Argument(help="The study's number.", min=1)]
Round = Annotated[int, typer.Argument(help="The round's number.", min=1)]
Anyone = Annotated[Path, typer.Option("--keystore", help="Keystore of whoever pays the gas.")]
Operator = Annotated[Path, typer.Option("--keystore", help="Keystore of the hospital's operator.")]
Hospital = Annotated[str, typer.Argument(help="The hospital: its admin or operator account, or a keystore.")]

_FORMAT = "medfed/attestation/1"
_SIGNATURE_BYTES = 65


def abstain(
    study: Number,
    number: Round,
    keystore: Anyone,
    hospital: Annotated[
        str, typer.Option(help="A suspended hospital to abstain for (default: the keystore's own).")
    ] = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Be present in a round without work. Without pay, too. Anyone may do so for a suspended hospital."""
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.types import RoundNumber, StudyId

    place = open_chain()
    sender = open_sender(place, open_account(keystore, password_file))
    seat = _seat(place, StudyId(study), hospital or sender.address)
    sender.send(place.contracts.rounds.abstain(StudyId(study), RoundNumber(number), seat))
    show(
        {"study": study, "round": number, "seat": int(seat)},
        as_json=as_json,
        render=lambda: f"Seat {seat} abstains in round {number} of study {study}.",
    )


def attest(
    study: Number,
    number: Round,
    keystore: Operator,
    sign: Annotated[
        Path | None,
        typer.Option(help="Write a signature to this file instead of sending; see `bring-attestations`."),
    ] = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Recompute a round and attest to it.

    Every update is fetched, checked and added. Updates whose bytes cannot be had or are wrong are left out, and said.
    """
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.rounds.attest import recompute_round
    from medfed.types import RoundNumber, StudyId

    federation, account = open_federation(), open_account(keystore, password_file)
    found, left_out = recompute_round(federation, StudyId(study), RoundNumber(number))
    digest = found.aggregate.digest(StudyId(study), RoundNumber(number))
    seat = _seat(federation, StudyId(study), account.address)
    place = (StudyId(study), RoundNumber(number), seat)
    for file in (found.aggregate_file, found.model_file):
        federation.store.put(file)
    if sign is None:
        open_sender(federation, account).send(federation.contracts.rounds.attest(*place, found.aggregate))
        done = f"Seat {seat} attests to {_hex(digest)} in round {number} of study {study}."
    else:
        signature = account.sign_digest(_attestation(federation, place[0], number, digest))
        _write_attestation(sign, (study, number, int(seat)), found.aggregate, signature)
        done = f"Signed into {sign} by seat {seat}; `medfed study bring-attestations {sign}` brings it."
    data = {"study": study, "round": number, "seat": int(seat), "aggregate": digest, "left_out": left_out}
    text = "\n".join([done, *(f"Left out is seat {other}: {why}" for other, why in left_out.items())])
    show(data, as_json=as_json, render=lambda: text)


def bring_attestations(
    files: Annotated[list[Path], typer.Argument(help="Files of `medfed study attest --sign`.")],
    keystore: Anyone,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Bring signed attestations. Those of one round, in one transaction; anyone may."""
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.errors import InputError
    from medfed.types import RoundNumber, Seat, StudyId

    read = [_read_attestation(file) for file in files]
    first = read[0]
    if any(entry[0][:2] != first[0][:2] or entry[1] != first[1] for entry in read):
        raise InputError("The files attest to different rounds or results; bring those that agree.")
    place = open_chain()
    sender = open_sender(place, open_account(keystore, password_file))
    signatures = {Seat(seat): signature for (_, _, seat), _, signature in sorted(read, key=lambda e: e[0][2])}
    study, number = StudyId(first[0][0]), RoundNumber(first[0][1])
    sender.send(place.contracts.rounds.attest_by_sig(study, number, first[1], signatures))
    show(
        {"study": study, "round": number, "seats": sorted(signatures)},
        as_json=as_json,
        render=lambda: f"{len(signatures)} attestations to round {number} of study {study} are brought.",
    )


def absences(
    study: Number,
    number: Round,
    keystore: Anyone,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Record who was silent in a round. Or left out of its result: a warning, then a bounded slash; anyone may."""
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.types import RoundNumber, StudyId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    receipt = actions.record_absences(federation, sender, StudyId(study), RoundNumber(number))
    events = federation.contracts.disputes.events(receipt)
    data = [{"event": event.name, **event.values} for event in events]
    lines = [f"Seat {event['seat']}: {event.name}" for event in events if "seat" in event.values]
    show(data, as_json=as_json, render=lambda: "\n".join(lines))


def claim(
    study: Number,
    hospital: Hospital,
    keystore: Anyone,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Claim a hospital's unlocked pay. It goes to its free balance in the vault; anyone may."""
    from medfed.cli import actions
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.types import StudyId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    seat = _seat(federation, StudyId(study), hospital)
    paid = actions.claim(federation, sender, StudyId(study), seat)
    coin = coin_of(federation, federation.contracts.rounds.study(StudyId(study)).token)
    data = {"study": study, "seat": int(seat), "paid": {int(key): value for key, value in paid.items()}}
    lines = [f"Round {key}: {coin.text(value)}" for key, value in paid.items()]
    lines = lines or [_nothing_to_claim(federation, study)]
    show(data, as_json=as_json, render=lambda: "\n".join(lines))


def release(
    study: Number,
    hospital: Hospital,
    keystore: Anyone,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Free a hospital's stake and dataset. Once the study and its disputes are over; anyone may."""
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.types import StudyId

    place = open_chain()
    sender = open_sender(place, open_account(keystore, password_file))
    seat = _seat(place, StudyId(study), hospital)
    sender.send(place.contracts.rounds.release(StudyId(study), seat))
    show(
        {"study": study, "seat": int(seat)},
        as_json=as_json,
        render=lambda: f"The stake and the dataset of seat {seat} in study {study} are free.",
    )


def _seat(place: OnChain, study: StudyId, hospital: str) -> Seat:
    """The seat of a hospital that is named by its admin or its operator. Raises `InputError`."""
    from medfed.cli.run import party
    from medfed.errors import InputError
    from medfed.types import HospitalId

    account = party(hospital)
    admin = place.contracts.consortium.hospital_of(account) or HospitalId(account)
    seat = place.contracts.rounds.seat_of(study, admin)
    if seat is None:
        raise InputError(
            f"{account} has no seat in study {study}; `medfed study show {study}` lists who has."
        )
    return seat


def _nothing_to_claim(federation: Federation, number: int) -> str:
    from medfed.chain.clock import ChainClock
    from medfed.cli.facts import study_facts
    from medfed.types import StudyId

    now = ChainClock(federation.client).estimate()
    pay_at = study_facts(federation, StudyId(number), now)["pay_at"]
    if pay_at > now:
        return f"Nothing to claim now; the last round's pay unlocks at {when(pay_at)} UTC."
    return "Nothing to claim: all that was earned is paid."


def _attestation(federation: Federation, study: StudyId, number: int, digest: bytes) -> bytes:
    from medfed.protocol.typed import AttestationMessage, rounds_domain
    from medfed.protocol.typed import digest as typed_digest
    from medfed.types import RoundNumber

    domain = rounds_domain(federation.client.chain_id, federation.contracts.rounds.address)
    return typed_digest(domain, AttestationMessage(study, RoundNumber(number), digest))


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _write_attestation(
    path: Path, place: tuple[int, int, int], aggregate: Aggregate, signature: bytes
) -> None:
    from dataclasses import asdict

    from medfed.cli.output import plain

    study, number, seat = place
    said = {"format": _FORMAT, "study": study, "round": number, "seat": seat}
    said |= {"aggregate": plain(asdict(aggregate)), "signature": _hex(signature)}
    path.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def _read_attestation(path: Path) -> tuple[tuple[int, int, int], Aggregate, bytes]:
    from medfed.errors import InputError
    from medfed.protocol.commitments import Aggregate

    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != _FORMAT:
            raise ValueError
        values: dict[str, Any] = {
            key: bytes.fromhex(value[2:]) if isinstance(value, str) else int(value)
            for key, value in said["aggregate"].items()
        }
        signature = bytes.fromhex(said["signature"][2:])
        if len(signature) != _SIGNATURE_BYTES:
            raise ValueError
        place = (int(said["study"]), int(said["round"]), int(said["seat"]))
        return place, Aggregate(**values), signature
    except OSError as exc:
        raise InputError(f"The file {path} cannot be read: {exc.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"The file {path} holds no attestation; `medfed study attest --sign` makes one."
        ) from None
