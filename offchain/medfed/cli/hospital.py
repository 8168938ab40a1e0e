"""`medfed hospital`: the daemon, its policy, what would leave the site, and what an auditor is shown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medfed.cli.output import JsonFlag, note, show

if TYPE_CHECKING:
    from medfed.chain.sender import Sender
    from medfed.config import HospitalConfig
    from medfed.nodes.hospital import Hospital
    from medfed.rounds.federation import Federation

__all__ = ["app"]

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
    from medfed.nodes.loop import Loop, stop_on_signals

    chosen = settings()
    configure(chosen.log_level, chosen.log_format)
    stop = stop_on_signals()
    config, federation, sender, place = _parts(hospital, home)
    sender.recover()
    daemon = _daemon(config, federation, sender, place)
    Loop(federation.client, daemon, stop, poll=config.daemon.poll_seconds).run()


@app.command("preview")
def preview(study: Study, hospital: File, home: Home = None, as_json: JsonFlag = False) -> None:
    """Show what would leave the site in a study's next round, and whether the policy allows it."""
    from medfed.types import StudyId

    found = asdict(_hospital(hospital, home).preview(StudyId(study)))
    lines = "\n".join(
        f"{name.replace('_', ' ')}: {value}" for name, value in found.items() if name != "refused"
    )
    verdict = f"Refused: {found['refused']}" if found["refused"] else "The policy allows it."
    show(found, as_json=as_json, render=lambda: f"{lines}\nNo record leaves the site. {verdict}")


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
    from medfed.nodes.policy import approve, read_approvals

    config, path = load_hospital(hospital), _home(hospital, home) / "approvals.json"
    if study:
        from medfed.cli.run import open_federation
        from medfed.rounds.history import read_study
        from medfed.types import StudyId

        approve(path, read_study(open_federation().index, StudyId(study)), approver, ethics)
    approvals = [asdict(entry) for entry in read_approvals(path)]
    rules = config.policy.model_dump(mode="json")
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in rules.items()]
    lines += [
        f"study {entry['study']} approved by {entry['approver']}, {entry['ethics']}" for entry in approvals
    ]
    show({"policy": rules, "approvals": approvals}, as_json=as_json, render=lambda: "\n".join(lines))


@app.command("disclose")
def disclose(
    study: Study,
    hospital: File,
    out: Annotated[Path, typer.Option(help="File to write, readable by you alone.")],
    home: Home = None,
) -> None:
    """Write what proves to an auditor whose consent stands behind each cohort. It names patients: keep it safe."""
    from medfed.data.private_file import write_private
    from medfed.errors import InputError
    from medfed.rounds.disclose import disclosure
    from medfed.rounds.history import read_study
    from medfed.types import StudyId

    config, federation, sender, place = _parts(hospital, home)
    daemon = _daemon(config, federation, sender, place)
    history = read_study(federation.index, StudyId(study))
    entry = history.enrolment(daemon.id)
    if entry is None:
        raise InputError(f"This hospital has no seat in study {study}, so there is nothing to disclose.")
    write_private(out, disclosure(federation, history, entry, daemon.holdings).to_bytes())
    note(f"Written to {out}. It holds patients' accounts: give it to the auditor only.")


def _home(hospital: Path, home: Path | None) -> Path:
    place = home or hospital.resolve().parent / "state"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _parts(hospital: Path, home: Path | None) -> tuple[HospitalConfig, Federation, Sender, Path]:
    from medfed.chain.sender import Sender
    from medfed.cli.run import open_account, settings
    from medfed.config import load_hospital
    from medfed.rounds.federation import open_federation

    config, place = load_hospital(hospital), _home(hospital, home)
    federation = open_federation(settings(), index=place / "index.sqlite")
    federation.sync()
    account = open_account(config.keystore, config.password_file)
    return config, federation, Sender(federation.client, account, place / "sent"), place


def _daemon(config: HospitalConfig, federation: Federation, sender: Sender, place: Path) -> Hospital:
    from medfed.nodes.hospital import Hospital

    return Hospital(federation, sender, config, place)


def _hospital(hospital: Path, home: Path | None) -> Hospital:
    return _daemon(*_parts(hospital, home))
