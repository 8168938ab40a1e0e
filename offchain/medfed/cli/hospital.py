"""`medfed hospital`: the daemon, its policy, what would leave the site, what an auditor is shown, backups."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medfed.chain.sender import Sender
    from medfed.config import Confirmed, HospitalConfig
    from medfed.nodes.site import Site
    from medfed.rounds.federation import Federation
    from medfed.types import BlockStamp

__all__ = ["Home", "app", "home_of"]

app = typer.Typer(
    name="hospital", help="Run a hospital's daemon and look after its policy.", no_args_is_help=True
)

File = Annotated[
    Path, typer.Option("--hospital", help="The hospital's file (TOML).", exists=True, dir_okay=False)
]
Home = Annotated[
    Path | None,
    typer.Option("--home", help="Where the daemon keeps its state (default: beside the hospital's file)."),
]
Study = Annotated[int, typer.Argument(help="The study's number.", min=1)]


@app.command("run")
def run(hospital: File, home: Home = None) -> None:
    """Run the daemon until it is stopped. Kill and start it whenever you like: it goes on where it was."""
    from medfed.cli.run import settings
    from medfed.log import configure
    from medfed.nodes.health import Health, serve
    from medfed.nodes.hospital import Hospital
    from medfed.nodes.lock import sole
    from medfed.nodes.loop import Loop, stop_on_signals

    chosen = settings()
    configure(chosen.log_level, chosen.log_format)
    stop = stop_on_signals()
    with sole(home_of(hospital, home)):
        config, federation, sender, place = _parts(hospital, home)
        health = Health(oldest=config.daemon.healthy_seconds)
        with serve(health, config.daemon.metrics):
            sender.recover()
            daemon = Hospital(federation, sender, config, place, health)
            poll = config.daemon.poll_seconds
            Loop(federation.client, daemon, stop, poll=poll, health=health).run()


@app.command("preview")
def preview(study: Study, hospital: File, home: Home = None, as_json: JsonFlag = False) -> None:
    """Show what would leave the site in a study's next round.

    And what the study is for, what it offers and asks for, and whether the policy allows it. It changes nothing.
    """
    from medfed.cli.offer import offer_facts, offer_lines
    from medfed.nodes.previewing import Previewing
    from medfed.rounds.history import read_study
    from medfed.types import StudyId

    site, head = _site(hospital, home)
    found, history = (
        asdict(Previewing(site).preview(StudyId(study), head)),
        read_study(site.index, StudyId(study)),
    )
    offer = offer_facts(history.terms, site.spec(history).rule)
    coin = site.coin(history.terms.token)
    lines = _leaving(found, history.terms.purposes)
    verdict = f"Refused: {found['refused']}" if found["refused"] else "The policy allows it."
    told = [*lines, *offer_lines(offer, coin), f"No record leaves the site. {verdict}"]
    show(found | {"offer": offer}, as_json=as_json, render=lambda: told)


@app.command("pledge")
def pledge(
    account: Annotated[
        str, typer.Argument(help="The hospital: the account it is admitted with, address or keystore file.")
    ],
    out: Annotated[Path, typer.Argument(help="The file to write; it may not exist yet.")],
    keystore: Annotated[
        Path, typer.Option("--keystore", help="Keystore of the account that is to be its operator.")
    ],
    days: Annotated[int, typer.Option(help="How long it is good.", min=1, max=365)] = 7,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Write an operator's word that it serves a hospital. Signed, for this federation alone.

    Send the file to the consortium, which needs it to admit the hospital; the hospital's admin account needs one to change the
    operator. It is no secret.
    """
    from medfed.cli import actions
    from medfed.cli.pledges import PledgeFile, write_pledge
    from medfed.cli.run import open_account, open_chain, party
    from medfed.types import HospitalId

    hospital, operator = HospitalId(party(account)), open_account(keystore, password_file)
    word = actions.pledge(open_chain(), operator, hospital, days=days)
    write_pledge(out, PledgeFile(hospital, operator.address, word))
    data = {"hospital": hospital, "operator": operator.address, "deadline": word.deadline, "file": str(out)}
    text = f"{operator.address} serves {hospital}, says {out}, good until {when(word.deadline)} UTC."
    show(data, as_json=as_json, render=lambda: text)


@app.command("policy")
def policy(
    hospital: File,
    home: Home = None,
    study: Annotated[int, typer.Option("--approve", help="Approve this study.", min=0)] = 0,
    ethics: Annotated[str, typer.Option(help="Ethics number of the approval.")] = "",
    approver: Annotated[str, typer.Option(help="Who approves.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Show the policy, or approve a study in a person's name."""
    from medfed.config import load_hospital
    from medfed.nodes.policy import read_approvals
    from medfed.nodes.site import APPROVALS

    config, place = load_hospital(hospital), home_of(hospital, home)
    path = place / APPROVALS
    if study:
        _approve(place, study, approver, ethics)
    approvals = [asdict(entry) for entry in read_approvals(path)]
    rules = config.policy.model_dump(mode="json")
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in rules.items() if name != "confirms"]
    lines += [_confirmation(entry) for entry in config.policy.confirms]
    lines += [
        f"study {entry['study']} approved by {entry['approver']}, {entry['ethics']}" for entry in approvals
    ]
    show({"policy": rules, "approvals": approvals}, as_json=as_json, render=lambda: "\n".join(lines))


@app.command("enrol")
def enrol(study: Study, hospital: File, home: Home = None, as_json: JsonFlag = False) -> None:
    """Take a seat in a study by hand.

    For a policy that does not enrol by itself; it still has to allow the study. The contract is told which spec was looked at,
    and that no larger stake than the policy's may be locked. The hospital's admin account has to allow its daemon to lock the
    stake (`medfed vault allow`).
    """
    from medfed.nodes.enrolling import Enrolling
    from medfed.protocol.cid import cid_from_digest
    from medfed.rounds.history import read_study
    from medfed.types import StudyId

    site, head = _site(hospital, home)
    found = read_study(site.index, StudyId(study))
    Enrolling(site).by_hand(found, head)
    spec, stake = cid_from_digest(found.terms.spec), found.terms.stake
    coin = site.coin(found.terms.token)
    lines = [
        f"The hospital has a seat in study {study}; {coin.text(stake)} are locked until the study is over.",
        f"Spec {spec}",
    ]
    data = {"study": study, "hospital": site.id, "spec": spec, "stake": stake}
    show(data, as_json=as_json, render=lambda: lines)


@app.command("hold")
def hold(
    study: Study,
    hospital: File,
    first: Annotated[int, typer.Option("--from-round", help="The first round that is held.", min=1)] = 1,
    home: Home = None,
    as_json: JsonFlag = False,
) -> None:
    """Train no further in a study until `resume`.

    The daemon goes on publishing and attesting.

    Rounds still wait for this hospital: it abstains shortly before their deadline.
    """
    from medfed.nodes.holds import HOLDS
    from medfed.nodes.holds import hold as put
    from medfed.nodes.journal import AuditLog
    from medfed.nodes.site import AUDIT
    from medfed.types import RoundNumber, StudyId

    place = home_of(hospital, home)
    put(place / HOLDS, StudyId(study), RoundNumber(first))
    AuditLog(place / AUDIT).write("held", study=study, round=first)
    data = {"study": study, "held_from_round": first}
    show(data, as_json=as_json, render=lambda: f"Study {study} is held here from round {first} on.")


@app.command("resume")
def resume(study: Study, hospital: File, home: Home = None, as_json: JsonFlag = False) -> None:
    """Let a held study go on."""
    from medfed.nodes.holds import HOLDS
    from medfed.nodes.holds import resume as lift
    from medfed.nodes.journal import AuditLog
    from medfed.nodes.site import AUDIT
    from medfed.types import StudyId

    place = home_of(hospital, home)
    held = lift(place / HOLDS, StudyId(study))
    if held:
        AuditLog(place / AUDIT).write("resumed", study=study)
    text = f"Study {study} goes on here." if held else f"Study {study} was not held here."
    show({"study": study, "was_held": held}, as_json=as_json, render=lambda: text)


@app.command("disclose")
def disclose(
    study: Study,
    hospital: File,
    out: Annotated[Path, typer.Option(help="File to write, readable by you alone.")],
    home: Home = None,
    as_json: JsonFlag = False,
) -> None:
    """Show an auditor whose consent stands behind each cohort.

    The file names patients: keep it safe. A round whose cohort cannot be made again from the register is left out and told.
    """
    from medfed.data.private_file import write_private
    from medfed.errors import InputError
    from medfed.rounds.disclose import disclosure, submitted
    from medfed.rounds.history import read_study
    from medfed.types import StudyId

    config, federation, sender, place = _parts(hospital, home)
    site = _open_site(config, federation, sender, place)
    history = read_study(federation.index, StudyId(study))
    entry = history.enrolment(site.id)
    if entry is None:
        raise InputError(f"This hospital has no seat in study {study}, so there is nothing to disclose.")
    shown = disclosure(federation, history, entry, site.holdings)
    write_private(out, shown.to_bytes())
    numbers = submitted(federation.index, history, entry.seat)
    left_out = sorted(set(numbers) - {each.round for each in shown.rounds})
    text = f"Written to {out}. It holds patients' accounts: give it to the auditor only."
    lines = [text, *([_other_register(config, left_out)] if left_out else [])]
    show({"file": str(out), "study": study, "left_out": left_out}, as_json=as_json, render=lambda: lines)


@app.command("bundle")
def bundle(  # noqa: PLR0913, PLR0917
    study: Study,
    file: Annotated[Path, typer.Argument(help="The bundle to write and to keep.", dir_okay=False)],
    hospital: File,
    home: Home = None,
    wait: Annotated[float, typer.Option(help="Seconds to ask other nodes for each file.", min=0.0)] = 10.0,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out what no node has, and say what it was.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Keep a settled study as a bundle.

    The daemon lets the study's updates go then. It is the file that `medfed study export` writes, read back and checked before the
    daemon is told of it.
    """
    from medfed.cli.run import open_federation
    from medfed.cli.study_export import MOST_BYTES, MOST_HEADERS, show_export
    from medfed.nodes.bundles import Bundles
    from medfed.rounds.bundle import Limits, export_bundle
    from medfed.rounds.history import read_study
    from medfed.types import StudyId

    number, federation = StudyId(study), open_federation()
    done = Bundles(home_of(hospital, home), federation.name).make(
        read_study(federation.index, number),
        federation.index.checkpoint.timestamp,
        file,
        lambda: export_bundle(
            federation, number, file, Limits(MOST_BYTES, wait, MOST_HEADERS), skip_missing=skip_missing
        ),
    )
    show_export(federation, study, file, done, as_json=as_json)


@app.command("log")
def log(hospital: File, home: Home = None, as_json: JsonFlag = False) -> None:
    """Check the audit log. Each line carries the hash of the one before; keep the last hash elsewhere."""
    from medfed.errors import InputError
    from medfed.nodes.journal import check_log
    from medfed.nodes.site import AUDIT

    path = home_of(hospital, home) / AUDIT
    if not path.exists():
        raise InputError(f"There is no audit log at {path}; the daemon begins one.")
    found = check_log(path)
    data = {"lines": found.lines, "last": found.last, "file": str(path)}
    render = f"{found.lines} lines, none changed or missing. Last hash {found.last}."
    show(data, as_json=as_json, render=lambda: render)


@app.command("backup")
def backup(
    target: Annotated[Path, typer.Argument(help="A directory, or the file to write.")],
    hospital: File,
    home: Home = None,
    as_json: JsonFlag = False,
) -> None:
    """Put all that cannot be had again into one file. The daemon may run meanwhile.

    It holds the encrypted keys, the secret and the register: keep it as safe as these, and the password elsewhere.
    """
    from medfed.nodes.backup import back_up

    made = back_up(hospital, home_of(hospital, home), target)
    show({"file": str(made)}, as_json=as_json, render=lambda: f"Written to {made}.")


@app.command("restore")
def restore(
    archive: Annotated[Path, typer.Argument(help="What `medfed hospital backup` wrote.", dir_okay=False)],
    folder: Annotated[Path, typer.Argument(help="The hospital's new directory; it must be new or empty.")],
    as_json: JsonFlag = False,
) -> None:
    """Lay out a backup in a new directory, once every digest is right. Nothing is ever overwritten."""
    from medfed.nodes.backup import restore as lay_out

    found = lay_out(archive, folder)
    lines = [
        f"{found.files} files of {found.made_at} are in {folder}, the daemon's state in {folder / 'state'}."
    ]
    lines += [
        f"Setting {name} names a place elsewhere; its file is now {path}: correct one of them."
        for name, path in found.settings.items()
    ]
    lines += [f"Put {name} in its place, {path}: no backup holds it." for name, path in found.needed.items()]
    show(asdict(found), as_json=as_json, render=lambda: "\n".join(lines))


def _leaving(found: Mapping[str, Any], purposes: int) -> list[str]:
    """A `Preview` in words: what the study is for, whose records train, and what everybody could read of it."""
    from medfed.protocol import purposes as duo

    return [
        f"Study {found['study']} is for: {duo.describe_request(purposes)}",
        f"patients   {found['patients']} count now, with {found['records']} records (basis: {found['basis']})",
        "What would leave the site in the next round, for everybody to read and for good:",
        f"model      {found['update_words']} numbers that it learned from these records, a file of {found['update_bytes']:,} bytes",
        f"number     {found['weight']}: how many patients, rounded down; so much the hospital's part counts",
        f"list       {found['leaves']} marks: one for each patient, known to that patient and the hospital alone, and fillers",
        "What the study offers and asks for:",
    ]


def _other_register(config: HospitalConfig, rounds: Sequence[int]) -> str:
    """What to do about rounds that the register does not explain."""
    from medfed.data.patients import former_registers

    kept = former_registers(config.patients)
    which = f"one of {', '.join(map(str, kept))}" if kept else "the one of that time, from a backup"
    return (
        f"Left out: round{'s' * (len(rounds) > 1)} {', '.join(map(str, rounds))}, as {config.patients} and the records do not make "
        f"the cohort that was committed to. It takes the register as it was: name {which} as `patients` in a copy of the "
        "hospital's file, and disclose with that."
    )


def _confirmation(entry: Confirmed) -> str:
    from medfed.protocol import purposes as duo

    return f"study {entry.study}: {duo.describe_request(duo.parse(entry.codes))}; {entry.because}"


def _approve(home: Path, study: int, approver: str, ethics: str) -> None:
    from medfed.cli.run import open_federation
    from medfed.nodes.journal import AuditLog
    from medfed.nodes.policy import approve
    from medfed.nodes.site import APPROVALS, AUDIT
    from medfed.rounds.history import read_study
    from medfed.types import StudyId

    entry = approve(home / APPROVALS, read_study(open_federation().index, StudyId(study)), approver, ethics)
    AuditLog(home / AUDIT).write("approved", study=study, spec=entry.spec_cid, ethics=entry.ethics)


def home_of(hospital: Path, home: Path | None) -> Path:
    """Where a hospital's daemon keeps its state."""
    place = home or hospital.resolve().parent / "state"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _parts(hospital: Path, home: Path | None) -> tuple[HospitalConfig, Federation, Sender, Path]:
    from medfed.cli.run import open_account, open_sender, settings
    from medfed.config import load_hospital
    from medfed.nodes.site import INDEX, SENT
    from medfed.rounds.federation import open_federation

    config, place = load_hospital(hospital), home_of(hospital, home)
    federation = open_federation(settings(), index=place / INDEX)
    federation.sync()
    account = open_account(config.keystore, config.password_file)
    return config, federation, open_sender(federation, account, place / SENT), place


def _open_site(config: HospitalConfig, federation: Federation, sender: Sender, place: Path) -> Site:
    from medfed.nodes.site import Site

    return Site(federation, sender, config, place)


def _site(hospital: Path, home: Path | None) -> tuple[Site, BlockStamp]:
    """The hospital's place and the newest final block, for a command that runs beside the daemon."""
    config, federation, sender, place = _parts(hospital, home)
    return _open_site(config, federation, sender, place), federation.sync()
