"""`medfed store`: carry studies between content stores, and see what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.hospital import Home, home_of
from medfed.cli.output import JsonFlag, show, table, when

if TYPE_CHECKING:
    from medfed.protocol.documents import StudySpec
    from medfed.rounds.federation import Federation
    from medfed.rounds.history import StudyHistory
    from medfed.storage import ContentStore
    from medfed.types import Cid, StudyId

__all__ = ["app", "export_study"]

app = typer.Typer(
    name="store", help="Carry studies between content stores, list and tidy.", no_args_is_help=True
)

LargestOption = Annotated[int, typer.Option("--max-gib", help="Most GiB of all files together.", min=1)]


@app.command("export")
def export(
    study: Annotated[int, typer.Argument(help="The study's number.", min=1)],
    file: Annotated[Path, typer.Argument(help="The CAR file to write.", dir_okay=False)],
    wait: Annotated[float, typer.Option(help="Seconds to ask other nodes for each file.", min=0.0)] = 10.0,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out what no node has, and say what it was.")
    ] = False,
    max_gib: LargestOption = 64,
    as_json: JsonFlag = False,
) -> None:
    """Write what an audit of a study needs into one CAR file."""
    from medfed.cli.run import open_federation

    done = export_study(open_federation(), study, file, (max_gib << 30, wait), skip_missing=skip_missing)
    left_out = (
        f"; {len(done['missing'])} are missing: {', '.join(done['missing'])}" if done["missing"] else ""
    )
    show(
        done,
        as_json=as_json,
        render=lambda: f"{file} holds {len(done['files'])} files of study {study}{left_out}.",
    )


def export_study(
    federation: Federation, number: int, file: Path, limits: tuple[int, float], *, skip_missing: bool = False
) -> dict[str, Any]:
    """What `medfed store export` does; `limits` are the most bytes together and the seconds to wait for each file."""
    from medfed.rounds.history import read_study
    from medfed.rounds.study import artefacts, fetch_spec
    from medfed.storage.car import export_car
    from medfed.types import StudyId

    study = read_study(federation.index, StudyId(number))
    spec = fetch_spec(federation.store, study, wait=limits[1])
    wanted = artefacts(federation.index, study, spec)
    missing = (
        [cid for cid in wanted if not _can_be_had(federation, spec, cid, limits[1])] if skip_missing else []
    )
    files = [cid for cid in wanted if cid not in missing]
    blocks = export_car(federation.store, files, file, max_bytes=limits[0], wait=limits[1])
    return {"study": number, "file": str(file), "files": files, "blocks": blocks, "missing": missing}


def _can_be_had(federation: Federation, spec: StudySpec, cid: Cid, wait: float) -> bool:
    from medfed.errors import ContentMissing, IntegrityError
    from medfed.protocol.manifest import CohortManifest
    from medfed.protocol.vector import vector_size
    from medfed.rounds.study import model_limit

    if federation.store.has(cid):
        return True
    largest = max(vector_size(spec.size), model_limit(spec), CohortManifest.maximum)
    try:
        federation.store.get(cid, largest, wait=wait)
    except (ContentMissing, IntegrityError):
        return False
    return True


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CAR file.", dir_okay=False)],
    max_gib: LargestOption = 64,
    as_json: JsonFlag = False,
) -> None:
    """Store and pin the files of a CAR file. All of them or, when one is wrong, none. Needs no chain."""
    from medfed.cli.run import settings
    from medfed.storage import open_store
    from medfed.storage.car import import_car

    place = settings().store
    files = import_car(open_store(place), file, max_bytes=max_gib << 30)
    show(
        {"file": str(file), "store": place, "files": files},
        as_json=as_json,
        render=lambda: f"{len(files)} files of {file} are in {place}, pinned.",
    )


@app.command("list")
def list_pins(as_json: JsonFlag = False) -> None:
    """List what is pinned, with sizes. Needs no chain."""
    from medfed.cli.run import settings
    from medfed.storage import open_store

    place = settings().store
    store = open_store(place)
    sizes = {cid: _size(store, cid) for cid in sorted(store.pins())}
    data = [{"cid": cid, "bytes": size} for cid, size in sizes.items()]
    known = [size for size in sizes.values() if size is not None]
    rows = [(cid, "missing" if size is None else f"{size:,}") for cid, size in sizes.items()]
    caption = f"{len(data)} files, {sum(known):,} bytes"
    show(
        data,
        as_json=as_json,
        render=lambda: table(f"Pinned in {place}", ["File", "Bytes#"], rows, caption=caption),
    )


def _size(store: ContentStore, cid: Cid) -> int | None:
    """None for a pin without its file, which a person who deleted it by hand leaves behind."""
    from medfed.errors import ContentMissing

    try:
        return store.size(cid)
    except ContentMissing:
        return None


@app.command("collect")
def collect(
    hospital: Annotated[
        Path | None,
        typer.Option(
            help="The file of the hospital whose keep time and bundles count.", exists=True, dir_okay=False
        ),
    ] = None,
    home: Home = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what an audit of a study needs; asks no chain.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete what is not pinned from a directory's store.

    Daemons may run on. Where an audit of a study needs some of it, nothing is deleted, and the studies are named with the day until
    which they are kept: without these files nobody can verify them from this store any more. What its daemon lets go goes unasked:
    the updates of a study whose keep time is over, or of which the hospital made a bundle.
    """
    from medfed.cli.run import settings
    from medfed.errors import InputError
    from medfed.storage import open_store
    from medfed.storage.local import LocalStore

    place = settings().store
    store = open_store(place)
    if not isinstance(store, LocalStore):
        raise InputError(f"{place} is a Kubo daemon, which collects by itself: run `ipfs repo gc`.")
    loose = store.loose()
    if not force and loose:
        _check_needless(loose, _keep_time(hospital, home))
    count = store.collect(loose)
    show(
        {"store": place, "deleted": count},
        as_json=as_json,
        render=lambda: f"{count} files were not pinned and are deleted.",
    )


def _keep_time(hospital: Path | None, home: Path | None) -> tuple[int, Path | None]:
    """For how many days a hospital keeps the updates of a settled study, and its home."""
    from medfed.config import DaemonSettings, load_hospital

    if hospital is None:
        return DaemonSettings().keep_updates_days, None
    return load_hospital(hospital).daemon.keep_updates_days, home_of(hospital, home)


def _check_needless(loose: set[Cid], keep: tuple[int, Path | None]) -> None:
    """Raise `InputError` where an audit of a study needs one of these files, or nobody can say."""
    from medfed.cli.run import open_federation
    from medfed.errors import InputError, Transient, WrongChain

    try:
        needing = _studies_with(open_federation(), loose, keep)
    except (Transient, WrongChain) as exc:
        raise InputError(
            f"{len(loose)} files are not pinned, and which studies need them only the chain tells ({exc}); "
            "`--force` deletes them all the same."
        ) from exc
    if needing:
        studies = ", ".join(f"{number} ({until})" for number, until in needing.items())
        raise InputError(
            f"Nobody could verify these studies from this store any more: {studies}; keep them with `medfed study export` or "
            "`medfed store export` first, then `--force` deletes."
        )


def _studies_with(
    federation: Federation, files: set[Cid], keep: tuple[int, Path | None]
) -> dict[StudyId, str]:
    """The studies that keep one of the files, and until when, in words."""
    from medfed.nodes.bundles import Bundles
    from medfed.rounds.history import read_study, study_ids
    from medfed.rounds.keeping import keeping_time, kept_until, lasting

    days, home = keep
    now, found = keeping_time(federation.client, federation.index.checkpoint), {}
    bundles = () if home is None else Bundles(home, federation.name)
    for number in study_ids(federation.index):
        study = read_study(federation.index, number)
        if files.isdisjoint(_needed(federation, study)):
            continue
        until = kept_until(study, days)
        if not files.isdisjoint(lasting(federation.index, study)):
            found[number] = "kept for good"
        elif number not in bundles and not until:
            found[number] = f"kept until {days} days after it is settled"
        elif number not in bundles and now < until:
            found[number] = f"kept until {when(until)} UTC"
    return found


def _needed(federation: Federation, study: StudyHistory) -> list[Cid]:
    """What an audit of a study needs; where its spec is not to be had, all but the model it began with. Nothing where it has no spec,
    which can never be verified."""
    from medfed.errors import ContentMissing, IntegrityError, ProtocolError
    from medfed.rounds.study import artefacts, fetch_spec, published

    try:
        return artefacts(federation.index, study, fetch_spec(federation.store, study))
    except (ContentMissing, IntegrityError):
        return published(federation.index, study)
    except ProtocolError:
        return []
