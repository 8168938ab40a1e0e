"""`medfed patient revoke-all`: every account's revocation by call, at once or each at a moment of its own.

Side by side in time, the accounts of a wallet show that they are one person's. A spread sets them apart. Its moments are kept
in a file that nobody else may read, so that it goes on after a kill; which accounts are left is asked of the chain.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli import patient_sign
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, in_words, note, show, when

if TYPE_CHECKING:
    from medfed.chain.keys import Account
    from medfed.chain.wallet import Wallet
    from medfed.rounds.federation import OnChain
    from medfed.types import Address

__all__ = ["REVOKED", "revoke_all"]

REVOKED = (
    "Revoked. Rounds that open from now on will not use your record; the one now running does unless its training is still to come. "
    "A model that has learned from it cannot forget it."
)
_LINKED = (
    "{count} accounts are revoked side by side, so that whoever reads the chain may take them for one person's. To set them "
    "apart, add `--spread 2d`: until each one's moment its consent stands."
)
_SPREAD = (
    "{count} accounts are revoked one by one until {end} UTC; until its moment a consent stands. Let this run; should it stop, "
    "`medfed patient revoke-all` goes on, and with --now it takes back at once what is left."
)


def revoke_all(
    keystore: patient_sign.Keystore,
    spread: Annotated[
        str, typer.Option(help="Revoke each account at a random moment within this time, e.g. 6h or 2d.")
    ] = "",
    now: Annotated[
        bool, typer.Option("--now", help="Revoke at once, also what an earlier spread has left.")
    ] = False,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take every consent of the wallet back. Each account pays the gas of its own revocation.

    Where nobody is asked for a consent you object dataset by dataset: those are named.

    At once, as being revoked soon matters most. That shows which accounts belong together, unless you --spread.
    A spread that was stopped goes on with the next call. Exit code 75 when some are not revoked yet.
    Accounts with numbers of their own (--account) are not known here: revoke theirs one by one.
    """
    from medfed.cli.patient_status import unasked, unasked_lines
    from medfed.cli.run import open_chain, open_wallet
    from medfed.cli.spans import seconds_of
    from medfed.errors import InputError

    if spread and now:
        raise InputError("Choose one of --spread and --now.")
    place, wallet = open_chain(), open_wallet(keystore, password_file)
    accounts = {account.address: account for account in patient_sign.consenting(place, wallet)}
    plan = _plan_file(wallet)
    due = _moments(accounts, {} if now else _load(plan), seconds_of(spread) if spread else 0)
    _save(plan, due)
    _announce(due)
    revoked, failed = _revoke(place, accounts, due)
    if not failed:
        plan.unlink(missing_ok=True)
    text = REVOKED if revoked else "No account of this wallet has a consent that could be revoked."
    lines = [text] if revoked or not failed else []
    lines += [f"{entry['patient']} is not revoked yet: {entry['reason']}" for entry in failed]
    silent = unasked(place, wallet)
    lines += unasked_lines(silent)
    show(
        {"revoked": revoked, "failed": failed, "unasked": silent},
        as_json=as_json,
        render=lambda: "\n".join(lines),
    )
    if failed:
        raise typer.Exit(75)


def _moments(accounts: Iterable[Address], planned: Mapping[str, int], span: int) -> dict[Address, int]:
    """When each account is due, in seconds since 1970: as planned before, else within `span` from now."""
    start = int(time.time())
    return {
        address: planned.get(address, start + secrets.randbelow(span + 1) if span else 0)
        for address in accounts
    }


def _announce(due: Mapping[Address, int]) -> None:
    """What is about to happen, and what it shows."""
    end = max(due.values(), default=0)
    if end > time.time():
        note(_SPREAD.format(count=len(due), end=when(end)))
    elif len(due) > 1:
        note(_LINKED.format(count=len(due)))


def _revoke(
    place: OnChain, accounts: Mapping[Address, Account], due: Mapping[Address, int]
) -> tuple[list[Address], list[dict[str, Any]]]:
    """Who is revoked, in that order, and who is not, with the reason: one that cannot pay stops no other."""
    from medfed.cli.run import open_sender
    from medfed.errors import Transient

    revoked, failed = [], []
    order = secrets.SystemRandom().sample(sorted(due), len(due))
    for address in sorted(order, key=due.__getitem__):
        _await(due[address])
        try:
            open_sender(place, accounts[address]).send(place.contracts.consents.revoke_all())
            revoked.append(address)
        except Transient as exc:
            failed.append({"patient": address, "reason": str(exc)})
    return revoked, failed


def _await(moment: int) -> None:
    left = moment - time.time()
    if left > 0:
        note(f"The next one in {in_words(left)}.")
        time.sleep(left)


def _plan_file(wallet: Wallet) -> Path:
    """In the state directory, under a name that shows no account."""
    from medfed.cli.run import settings

    name = hashlib.sha256(b"medfed revoke-all" + wallet.link_secret()).hexdigest()[:16]
    return settings().state_dir / f"revoke-all-{name}.json"


def _load(path: Path) -> dict[str, int]:
    """The moments of a spread that was stopped; none where there is no such file."""
    from medfed.data.private_file import read_private
    from medfed.errors import ConfigError

    if not path.exists():
        return {}
    try:
        return {str(address): int(moment) for address, moment in json.loads(read_private(path)).items()}
    except (ValueError, TypeError, AttributeError):
        raise ConfigError(
            f"The plan {path} of an earlier spread is damaged; delete it, or revoke at once with --now."
        ) from None


def _save(path: Path, due: Mapping[Address, int]) -> None:
    from medfed.data.private_file import write_private

    if any(due.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, json.dumps(due).encode())
