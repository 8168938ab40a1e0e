"""`medfed study enrol`, `attest`, `claim` and so on: a hospital's steps by hand, which its daemon does alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed import durable
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, when

if TYPE_CHECKING:
    from medfed.chain.calls import Event
    from medfed.chain.coin import Coin
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
    "lack",
    "release",
    "settle",
]

Number = Annotated[int, typer.Argument(help="The study's number.", min=1)]
Round = Annotated[int, typer.Argument(help="The round's number.", min=1)]
Anyone = Annotated[Path, typer.Option("--keystore", help="Keystore of whoever pays the gas.")]
Operator = Annotated[Path, typer.Option("--keystore", help="Keystore of the hospital's operator.")]
Hospital = Annotated[
    str, typer.Argument(help="The hospital: the account it was admitted with, its operator, or a keystore.")
]

_FORMAT = "medfed/attestation/1"
_SIGNATURE_BYTES = 65


def abstain(
    study: Number,
    number: Round,
    keystore: Anyone,
    hospital: Annotated[
        str, typer.Option(help="A hospital that cannot submit, to abstain for (default: the keystore's own).")
    ] = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Be present in a round without work. Without pay, too. Anyone may do so for a suspended hospital.

    Or for one that submits no more, since an update, a claim or an attestation of it was proved wrong.
    """
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
    Answer only for what was recomputed: whoever attests to a wrong result loses its whole stake.
    """
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.rounds.attest import recompute_round
    from medfed.rounds.history import read_round
    from medfed.types import RoundNumber, StudyId

    federation, account = open_federation(), open_account(keystore, password_file)
    found, left_out = recompute_round(federation, StudyId(study), RoundNumber(number))
    digest = found.aggregate.digest(StudyId(study), RoundNumber(number))
    seat = _seat(federation, StudyId(study), account.address)
    place = (StudyId(study), RoundNumber(number), seat)
    for file in (found.aggregate_file, found.model_file):
        federation.store.put(file)
    if sign is None:
        others = read_round(federation.index, *place[:2]).left_out_updates(found.aggregate.included)
        call = federation.contracts.rounds.attest(*place, found.aggregate, others)
        open_sender(federation, account).send(call)
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
    """Bring signed attestations. Those of one round, in one transaction; anyone may.

    One that counts already, or does not count any more, is no reason for the others not to count.
    """
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.errors import InputError
    from medfed.rounds.history import read_round
    from medfed.types import RoundNumber, Seat, StudyId

    read = [_read_attestation(file) for file in files]
    first = read[0]
    if any(entry[0][:2] != first[0][:2] or entry[1] != first[1] for entry in read):
        raise InputError("The files attest to different rounds or results; bring those that agree.")
    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    signatures = {Seat(seat): signature for (_, _, seat), _, signature in sorted(read, key=lambda e: e[0][2])}
    study, number = StudyId(first[0][0]), RoundNumber(first[0][1])
    others = read_round(federation.index, study, number).left_out_updates(first[1].included)
    rounds = federation.contracts.rounds
    sender.send(rounds.attest_by_sig(study, number, first[1], signatures, others))
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
    """Record who was silent in a round. Or did nothing for a void one: a warning, then a bounded slash; anyone may.

    In a study's first round there is no warning: who was silent there never took part. In a round that ended void although
    enough had submitted, a submitter is absent that neither attested, objected, claimed nor said whose bytes it lacks. A
    hospital that was suspended in the round is not absent, and nobody is where nobody submitted.
    """
    from medfed.cli import actions
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.types import RoundNumber, StudyId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    found = actions.record_absences(federation, sender, StudyId(study), RoundNumber(number))
    coin = coin_of(federation, federation.contracts.rounds.enrolment(StudyId(study)).token)
    lines = [f"Seat {seat} is warned." for seat in found.warned]
    lines += [
        f"Seat {seat} loses {coin.text(amount)} of its stake." for seat, amount in found.slashed.items()
    ]
    data = {"study": study, "round": number, "warned": found.warned, "slashed": found.slashed}
    show(data, as_json=as_json, render=lambda: lines)


def claim(
    study: Number,
    hospital: Hospital,
    keystore: Anyone,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Claim a hospital's unlocked pay. It goes to its free balance in the vault; anyone may.

    For all of its rounds that can be claimed: final ones, and void ones in which a lost stake is shared out.
    """
    from medfed.cli import actions
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.types import StudyId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    seat = _seat(federation, StudyId(study), hospital)
    paid = actions.claim(federation, sender, StudyId(study), seat)
    coin = coin_of(federation, federation.contracts.rounds.enrolment(StudyId(study)).token)
    data = {"study": study, "seat": int(seat), "paid": {int(key): value for key, value in paid.items()}}
    lines = [f"Round {key}: {coin.text(value)}" for key, value in paid.items()]
    lines = lines or [_nothing_to_claim(federation, StudyId(study), seat)]
    show(data, as_json=as_json, render=lambda: "\n".join(lines))


def release(
    study: Number,
    hospital: Hospital,
    keystore: Anyone,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Free a hospital's stake and dataset. Once the study and its disputes are over; anyone may."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.types import StudyId

    place = open_chain()
    sender, studies = open_sender(place, open_account(keystore, password_file)), place.contracts.studies
    seat = _seat(place, StudyId(study), hospital)
    (released,) = studies.events(sender.send(studies.release(StudyId(study), seat)))
    coin = coin_of(place, place.contracts.rounds.enrolment(StudyId(study)).token)
    left = coin.text(released["amount"])
    show(
        {"study": study, "seat": int(seat), "amount": released["amount"]},
        as_json=as_json,
        render=lambda: f"Of seat {seat} in study {study} {left} of stake and the dataset are free.",
    )


def lack(
    study: Number,
    number: Round,
    keystore: Operator,
    missing: Annotated[
        list[int],
        typer.Option("--missing", help="A seat whose bytes nobody serves you; once for each.", min=0, max=63),
    ],
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Say whose bytes nobody serves you. So that a round which ends void does not count you as absent."""
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.protocol.commitments import bitmap
    from medfed.types import RoundNumber, Seat, StudyId

    place = open_chain()
    sender = open_sender(place, open_account(keystore, password_file))
    seat, seats = _seat(place, StudyId(study), sender.address), sorted({Seat(each) for each in missing})
    sender.send(place.contracts.claims.lack(StudyId(study), RoundNumber(number), seat, bitmap(seats)))
    named = ", ".join(map(str, seats))
    show(
        {"study": study, "round": number, "seat": int(seat), "missing": seats},
        as_json=as_json,
        render=lambda: f"Seat {seat} lacks the bytes of seat {named} in round {number} of study {study}.",
    )


def settle(
    study: Number,
    number: Round,
    keystore: Anyone,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Give back the bonds of a round's claims. Those of liars are slashed; anyone may.

    Half of a liar's bond at most is for who proved the lie; the rest is burnt.
    """
    from medfed.cli import actions
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.types import RoundNumber, StudyId

    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    settled = actions.settle(federation, sender, StudyId(study), RoundNumber(number))
    coin = coin_of(federation, federation.contracts.rounds.enrolment(StudyId(study)).token)
    lines = [_settlement(event, coin) for event in settled]
    lines = lines or [f"No claim of round {number} of study {study} awaits that."]
    show([event.values for event in settled], as_json=as_json, render=lambda: lines)


def _settlement(event: Event, coin: Coin) -> str:
    taken = {"its author": event["from_author"], "who objected": event["from_objector"]}
    lost = " and ".join(f"{who} lost {coin.text(amount)}" for who, amount in taken.items() if amount)
    return f"Claim {event['attempt']} is settled: {lost or 'all bonds are free'}."


def _seat(place: OnChain, study: StudyId, hospital: str) -> Seat:
    """The seat of a hospital that is named by its own account or its operator's. Raises `InputError`."""
    from medfed.cli.run import party
    from medfed.errors import InputError
    from medfed.types import HospitalId

    account = party(hospital)
    admitted = place.contracts.consortium.hospital_of(account) or HospitalId(account)
    seat = place.contracts.rounds.seat_of(study, admitted)
    if seat is None:
        raise InputError(
            f"{account} has no seat in study {study}; `medfed study show {study}` lists who has."
        )
    return seat


def _nothing_to_claim(federation: Federation, study: StudyId, seat: Seat) -> str:
    from medfed.rounds.history import read_round, read_study
    from medfed.rounds.settle import unpaid_rounds

    history = read_study(federation.index, study)
    waiting = unpaid_rounds(federation.index, history, seat)
    if not waiting:
        return "Nothing to claim: all that was earned is paid."
    unlocks = read_round(federation.index, study, waiting[0]).unlocked_at(history.terms)
    return f"Nothing to claim now; the pay of round {waiting[0]} unlocks at {when(unlocks)} UTC."


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
    durable.write(path, json.dumps(said, indent=1) + "\n")


def _read_attestation(path: Path) -> tuple[tuple[int, int, int], Aggregate, bytes]:
    from medfed.errors import InputError
    from medfed.protocol.canonical import parse_json
    from medfed.protocol.commitments import Aggregate

    try:
        said: dict[str, Any] = parse_json(path.read_bytes())
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
