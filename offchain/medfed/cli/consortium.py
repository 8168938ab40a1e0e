"""`medfed consortium`: which hospitals take part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, printable, show, table, when

if TYPE_CHECKING:
    from medfed.chain.contracts.consortium import Pledge
    from medfed.chain.history import HospitalRecord
    from medfed.rounds.federation import Federation, OnChain
    from medfed.types import Address, Cid, HospitalId

__all__ = ["app"]

app = typer.Typer(
    name="consortium",
    help="Admit and suspend hospitals. Allow tokens, pause what is new, change or recover a hospital's keys.",
    no_args_is_help=True,
)

_MOST_BYTES = 1 << 16
"""Of a description."""
_LONGEST = 2_000
Keystore = Annotated[
    Path, typer.Option("--keystore", help="Keystore of the account with the consortium's role.")
]
Pauser = Annotated[Path, typer.Option("--keystore", help="Keystore of the account with the pauser's role.")]
Admin = Annotated[Path, typer.Option("--keystore", help="Keystore of the hospital's admin account.")]
Operator = Annotated[
    Path,
    typer.Argument(
        help="The word of the account that its daemon signs with (`medfed hospital pledge`); for trials that account's keystore.",
        exists=True,
        dir_okay=False,
    ),
]
Hospital = Annotated[
    str,
    typer.Argument(help="The hospital: the account that it was admitted with, an address or keystore file."),
]


@app.command("admit")
def admit(  # noqa: PLR0913, PLR0917 - one parameter for each option
    hospital: Annotated[
        str,
        typer.Argument(
            help="The hospital's admin account, from now on the hospital's name on the chain: address or keystore file."
        ),
    ],
    operator: Operator,
    name: Annotated[
        str, typer.Option(help="What patients read when they sign: its name, for good. At most 64 bytes.")
    ],
    encryption_key: Annotated[
        str,
        typer.Option(help="Its public encryption key: hex digits, or the file of `medfed key encryption`."),
    ],
    keystore: Keystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Admit a hospital. From now on it registers datasets and takes part in studies.

    The operator has to agree, so that no hospital can name the account of another as its own.
    """
    from medfed.chain.encryption import published_key
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender, party
    from medfed.types import HospitalId

    key = published_key(encryption_key)
    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    account = HospitalId(party(hospital))
    word = _pledged(operator, account, password_file)
    cid = actions.admit(federation, sender, account, word, key=key, metadata={"name": name})
    data = {"hospital": account, "operator": word[0], "name": name, "description": cid}
    show(data, as_json=as_json, render=lambda: f"{name} is admitted as {account}.")


@app.command("suspend")
def suspend(
    hospital: Hospital,
    keystore: Keystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Suspend a hospital. It neither enrols nor submits nor attests until it is reinstated.

    What it has earned and its stake are not touched, and rounds do not count it as absent: anyone may abstain for it. Rounds
    that it cannot work in pay it nothing.
    """
    whose = _sent("suspend", hospital, (keystore, password_file))
    _tell_state(whose, "suspended", as_json)


@app.command("reinstate")
def reinstate(
    hospital: Hospital,
    keystore: Keystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a suspended hospital take part again."""
    whose = _sent("reinstate", hospital, (keystore, password_file))
    _tell_state(whose, "reinstated", as_json)


def _tell_state(hospital: HospitalId, state: str, as_json: bool) -> None:
    data = {"hospital": hospital, "state": state}
    show(data, as_json=as_json, render=lambda: f"{hospital} is {state}.")


@app.command("allow-token")
def allow_token(
    token: Annotated[str, typer.Argument(help="Address of the ERC-20.")],
    keystore: Keystore,
    disallow: Annotated[
        bool, typer.Option("--disallow", help="Take no further deposits and studies in it.")
    ] = False,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take a token for stakes and rewards. What is in the vault can always be taken out."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_account, open_chain, open_sender

    place = open_chain()
    coin = coin_of(place, token)
    sender = open_sender(place, open_account(keystore, password_file))
    sender.send(place.contracts.vault.allow_token(coin.address, not disallow))
    done = "no longer taken" if disallow else "taken"
    show(
        {"token": coin.address, "symbol": coin.symbol, "allowed": not disallow},
        as_json=as_json,
        render=lambda: f"{coin.symbol} at {coin.address} is {done} for stakes and rewards.",
    )


@app.command("pause")
def pause(keystore: Pauser, password_file: PasswordFile = None, as_json: JsonFlag = False) -> None:
    """Stop new studies, deposits, licences. Daemons enrol no more by themselves; what runs goes on, as do pay, withdrawals and
    consent."""
    _pause(True, keystore, password_file, as_json)


@app.command("unpause")
def unpause(keystore: Pauser, password_file: PasswordFile = None, as_json: JsonFlag = False) -> None:
    """Lift a pause."""
    _pause(False, keystore, password_file, as_json)


def _pause(wanted: bool, keystore: Path, password_file: Path | None, as_json: bool) -> None:
    from medfed.cli.run import open_account, open_chain, open_sender

    place = open_chain()
    sender, vault = open_sender(place, open_account(keystore, password_file)), place.contracts.vault
    if vault.is_paused() != wanted:  # so that it can be said twice
        sender.send(vault.pause() if wanted else vault.unpause())
    text = "New studies, deposits and licences are " + ("paused." if wanted else "taken again.")
    show({"paused": wanted}, as_json=as_json, render=lambda: text)


@app.command("rotate-operator")
def rotate_operator(
    hospital: Hospital,
    operator: Operator,
    keystore: Admin,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a hospital another operator. For a key that is lost or stolen; the old one counts no more."""
    from medfed.cli.run import party
    from medfed.types import HospitalId

    account, pledge = _pledged(operator, HospitalId(party(hospital)), password_file)
    whose = _sent("rotate_operator", hospital, (keystore, password_file), account, pledge)
    show(
        {"hospital": whose, "operator": account},
        as_json=as_json,
        render=lambda: f"{account} is the operator of {whose} now.",
    )


def _pledged(file: Path, hospital: HospitalId, password_file: Path | None) -> tuple[Address, Pledge]:
    """An operator with its word that it serves the hospital, from the file that it sent; from its keystore it is made here."""
    from medfed.cli import actions
    from medfed.cli.pledges import is_pledge, read_pledge
    from medfed.cli.run import open_account, open_chain
    from medfed.errors import InputError

    if not is_pledge(file):
        operator = open_account(file, password_file)
        return operator.address, actions.pledge(open_chain(), operator, hospital)
    said = read_pledge(file)
    if said.hospital != hospital:
        raise InputError(
            f"{file} is a word for hospital {said.hospital}, not for {hospital}; ask for the right one."
        )
    return said.operator, said.pledge


@app.command("rotate-encryption-key")
def rotate_encryption_key(
    hospital: Hospital,
    encryption_key: Annotated[
        str, typer.Argument(help="The new public key: hex digits, or the file of `medfed key encryption`.")
    ],
    keystore: Admin,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Publish a hospital's new encryption key."""
    from medfed.chain.encryption import published_key

    key = published_key(encryption_key)
    whose = _sent("rotate_encryption_key", hospital, (keystore, password_file), key)
    show(
        {"hospital": whose, "encryption_key": key.hex()},
        as_json=as_json,
        render=lambda: f"{whose} has the encryption key {key.hex()} now.",
    )


@app.command("describe")
def describe(
    hospital: Hospital,
    about: Annotated[
        str, typer.Option(help="What everybody may read of it, e.g. whom to write to. No personal data.")
    ],
    keystore: Admin,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Publish what a hospital says of itself. Its name stays: patients signed under it."""
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender, party
    from medfed.protocol.cid import digest_of
    from medfed.types import HospitalId

    federation = open_federation()
    sender, whose = (
        open_sender(federation, open_account(keystore, password_file)),
        HospitalId(party(hospital)),
    )
    consortium = federation.contracts.consortium
    cid = actions.describe_hospital(federation, {"name": consortium.name_of(whose), "about": about})
    sender.send(consortium.update_metadata(whose, digest_of(cid)))
    show(
        {"hospital": whose, "description": cid},
        as_json=as_json,
        render=lambda: f"`medfed consortium show {whose}` shows it from now on, {cid}.",
    )


# -- a lost admin key ------------------------------------------------------------------------------------------------


@app.command("propose-admin")
def propose_admin(
    hospital: Hospital,
    admin: Annotated[
        str,
        typer.Argument(
            help="The hospital's new account: address or keystore file. No other hospital's, and new."
        ),
    ],
    keystore: Keystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose another admin account for a hospital. When it has lost the key of its own.

    A notice of 30 days begins. Until it is over the hospital can object (`veto-admin`) with the old key, if that is not lost
    after all, or with its daemon's key; then the new account takes over (`accept-admin`). Stakes, pay, datasets and seats
    stay the hospital's all the while. Another proposal for the same hospital takes the place of this one.
    """
    from medfed.cli.run import open_chain, party

    account = party(admin)
    whose = _sent("propose_admin", hospital, (keystore, password_file), account)
    proposal = open_chain().contracts.consortium.proposal(whose)
    assert proposal is not None  # just made
    lines = [
        f"{account} may become the admin account of {whose} from {when(proposal.effective_at)} UTC on.",
        "Until it has, the hospital can object with `medfed consortium veto-admin`.",
    ]
    data = {"hospital": whose, "admin": account, "effective_at": proposal.effective_at}
    show(data, as_json=as_json, render=lambda: lines)


@app.command("withdraw-admin")
def withdraw_admin(
    hospital: Hospital, keystore: Keystore, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Take a proposed admin account back. The hospital's own stays."""
    whose = _sent("withdraw_admin", hospital, (keystore, password_file))
    show(
        {"hospital": whose},
        as_json=as_json,
        render=lambda: f"No other admin account is proposed for {whose}.",
    )


@app.command("veto-admin")
def veto_admin(
    hospital: Hospital,
    keystore: Annotated[
        Path,
        typer.Option(
            "--keystore",
            help="Keystore of the hospital's admin account, or of its operator while the hospital is active.",
        ),
    ],
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Object to a proposed admin account. As the hospital; it is then proposed no more."""
    whose = _sent("veto_admin", hospital, (keystore, password_file))
    text = f"The proposal for {whose} is over; its admin account stays."
    show({"hospital": whose}, as_json=as_json, render=lambda: text)


@app.command("accept-admin")
def accept_admin(
    hospital: Hospital,
    keystore: Annotated[Path, typer.Option("--keystore", help="Keystore of the account that is proposed.")],
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Become a hospital's admin account. When the notice of its proposal is over.

    From now on this key takes the hospital's tokens out, says what its daemon may lock and rotates its keys, and the old
    one does not. The hospital keeps the address that it was admitted with as its name on the chain.
    """
    from medfed.cli.run import keystore_address

    whose = _sent("accept_admin", hospital, (keystore, password_file))
    admin = keystore_address(keystore)
    lines = [
        f"{admin} is the admin account of {whose} now, and the old one is not.",
        f"Name the hospital where a command asks: `medfed vault withdraw AMOUNT --account {whose}`.",
    ]
    show({"hospital": whose, "admin": admin}, as_json=as_json, render=lambda: lines)


def _sent(what: str, hospital: str, key: tuple[Path, Path | None], *further: object) -> HospitalId:
    """Send one of the consortium's calls about a hospital, which is returned."""
    from medfed.cli.run import open_account, open_chain, open_sender, party
    from medfed.types import HospitalId

    place, whose = open_chain(), HospitalId(party(hospital))
    sender = open_sender(place, open_account(*key))
    sender.send(getattr(place.contracts.consortium, what)(whose, *further))
    return whose


@app.command("list")
def list_hospitals(as_json: JsonFlag = False) -> None:
    """List every hospital that was ever admitted."""
    from medfed.chain.history import hospitals
    from medfed.cli.names import hospital_names
    from medfed.cli.run import open_federation

    federation = open_federation()
    found, names = hospitals(federation.index), hospital_names(federation.index)
    data = [_hospital_facts(federation, each, names[each.hospital]) for each in found]
    rows = [(facts["name"] + ("" if facts["active"] else ", suspended"), _accounts(facts)) for facts in data]
    empty = "No hospital is admitted; `medfed consortium admit` admits one."
    show(
        data,
        as_json=as_json,
        render=lambda: table("Hospitals", ["Name", "Accounts"], rows) if rows else empty,
    )


@app.command("show")
def show_hospital(hospital: Hospital, as_json: JsonFlag = False) -> None:
    """Show one hospital. Its accounts, its datasets, and what it says of itself (`describe`)."""
    from medfed.chain.history import hospitals
    from medfed.cli.names import hospital_names
    from medfed.cli.run import open_federation, party
    from medfed.errors import InputError
    from medfed.types import HospitalId

    federation, account = open_federation(), HospitalId(party(hospital))
    found = {record.hospital: record for record in hospitals(federation.index)}
    if account not in found:
        raise InputError(f"{account} was never admitted as a hospital; `medfed consortium list` lists them.")
    record = found[account]
    facts = _hospital_facts(federation, record, hospital_names(federation.index)[record.hospital])
    facts |= {"about": _about(federation, facts["description"]), "datasets": _owned(federation, record)}
    numbers = ", ".join(map(str, facts["datasets"])) or "none"
    lines = [
        facts["name"] + ("" if facts["active"] else ", suspended"),
        _accounts(facts),
        f"Datasets: {numbers}",
        facts["about"] or "It says nothing of itself, or its description cannot be had now.",
        f"Description {facts['description']}",
    ]
    show(facts, as_json=as_json, render=lambda: lines)


def _about(federation: Federation, description: Cid) -> str:
    """What a hospital says of itself, on its word alone; empty where it says nothing or nobody serves it."""
    from medfed.errors import ContentMissing, IntegrityError
    from medfed.protocol.canonical import parse_json

    try:
        said = parse_json(federation.store.get(description, _MOST_BYTES))
    except (ContentMissing, IntegrityError, ValueError):
        return ""
    about = said.get("about") if isinstance(said, dict) else None
    return printable(about, _LONGEST) if isinstance(about, str) else ""


def _owned(federation: Federation, record: HospitalRecord) -> list[int]:
    events = federation.index.events("DatasetRegistered")
    return [int(event["dataset"]) for event in events if event["hospital"] == record.hospital]


def _hospital_facts(place: OnChain, record: HospitalRecord, name: str) -> dict[str, Any]:
    from medfed.protocol.cid import cid_from_digest

    proposal = place.contracts.consortium.proposal(record.hospital)
    return {
        "hospital": record.hospital,
        "name": name,
        "admin": record.admin,
        "operator": record.operator,
        "encryption_key": record.encryption_key.hex(),
        "description": cid_from_digest(record.metadata),
        "active": record.active,
        "proposed_admin": proposal.admin if proposal else None,
        "effective_at": proposal.effective_at if proposal else 0,
    }


def _accounts(facts: dict[str, Any]) -> str:
    lines = [str(facts["hospital"]), f"{facts['operator']} operates it"]
    if facts["admin"] != facts["hospital"]:
        lines.append(f"{facts['admin']} is its admin account")
    if facts["proposed_admin"]:
        since = when(facts["effective_at"])
        lines += [f"{facts['proposed_admin']} is proposed", f"as admin account from {since} UTC on"]
    return "\n".join(lines)
