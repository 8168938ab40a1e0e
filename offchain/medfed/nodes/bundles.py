"""The bundles that a hospital has made of studies, written down in its home: what is in one, its daemon need not keep.

A file for each study, which appears whole or not at all, and only once the bundle is on disk. Whoever is killed in between
keeps the study's files a little longer, and makes the bundle again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from medfed.data.private_file import write_private
from medfed.errors import InputError
from medfed.rounds.bundle import Exported, open_bundle
from medfed.rounds.history import StudyHistory
from medfed.types import StudyId

__all__ = ["BUNDLES", "Bundles"]

BUNDLES = "bundles"
"""The folder in a hospital's home."""


class Bundles:
    """Those of one chain and its contracts, which `name` stands for; see `OnChain.name`."""

    def __init__(self, home: Path, name: str) -> None:
        self._folder = home / BUNDLES / name

    def __contains__(self, study: StudyId) -> bool:
        return self._place(study).is_file()

    def make(self, study: StudyHistory, now: int, file: Path, write: Callable[[], Exported]) -> Exported:
        """Write the bundle of a study that is settled at `now`, read all of it back, and note that it is there.

        Raises `InputError` for a study in which something can still happen and for the file of another study's bundle, which would
        be lost, and as `write` and `open_bundle`.
        """
        if not study.ended or now < study.settled_at:
            raise InputError(
                f"Study {study.study} is not settled yet, so that more of it may follow; make this hospital's bundle when its "
                "disputes are over."
            )
        self._check_free(study.study, file)
        done = write()
        open_bundle(file, max_bytes=1 << 62).close()
        self._note(study.study, file, done)
        return done

    def _check_free(self, study: StudyId, file: Path) -> None:
        """Raise `InputError` where another study's files were let go for what is in `file`."""
        for note in sorted(self._folder.parent.glob("*/*.json")):
            if note == self._place(study) or Path(json.loads(note.read_bytes())["file"]) != file.resolve():
                continue
            raise InputError(
                f"{file} is this hospital's bundle of study {note.stem}; write this one into another file."
            )

    def _note(self, study: StudyId, file: Path, done: Exported) -> None:
        said = {"file": str(file.resolve()), "block": done.newest.number, "files": done.artefacts}
        self._folder.mkdir(parents=True, exist_ok=True)
        write_private(self._place(study), json.dumps(said).encode())

    def _place(self, study: StudyId) -> Path:
        return self._folder / f"{study}.json"
