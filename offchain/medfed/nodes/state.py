"""What a hospital must not lose: the bytes behind a commitment, on its own disk before the commitment is sent."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from numpy.typing import NDArray

from medfed import durable
from medfed.data.private_file import write_private
from medfed.errors import ConfigError, StoreUnavailable
from medfed.protocol.cid import cid_of, digest_of
from medfed.protocol.commitments import Update
from medfed.protocol.header import Header
from medfed.protocol.manifest import CohortManifest
from medfed.protocol.vector import write_vector
from medfed.types import RoundNumber, StudyId

__all__ = ["PARTIAL", "Review", "Work", "WorkFolder"]

PARTIAL = ".partial-"
"""How the name of what is still being written begins."""


@dataclass(frozen=True, slots=True)
class Work:
    """One round's update and manifest as files, with what is committed to on chain."""

    update: Update
    update_file: Path
    manifest_file: Path


@dataclass(frozen=True, slots=True)
class Review:
    """What a hospital says of a round with a certain result, and the salt that hides it until it is revealed."""

    final_hash: bytes
    scores: tuple[int, ...]
    salt: bytes = field(repr=False)


class WorkFolder:
    """A hospital's unpublished work, a folder for each round. A folder appears by renaming: all of it or nothing."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def clean(self) -> None:
        """Delete what kills left half written. For the one daemon that writes here, before it does."""
        for left in self._root.glob(PARTIAL + "*"):
            shutil.rmtree(left, ignore_errors=True)

    def load(self, study: StudyId, number: RoundNumber) -> Work | None:
        """The work stored for a round; None when there is none, or none that can be read."""
        folder = self._folder(study, number)
        try:
            fields = json.loads((folder / "update.json").read_text(encoding="utf-8"))
            digests = {name: bytes.fromhex(value) for name, value in fields.items() if name != "weight"}
            update = Update(**digests, weight=int(fields["weight"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return Work(update, folder / "update.bin", folder / "manifest.bin")

    def save(
        self,
        number: RoundNumber,
        header: Header,
        words: NDArray[np.uint32],
        manifest: CohortManifest,
        weight: int,
    ) -> Work:
        """Store a round's work durably; returns it. What cannot be read at its place is replaced.

        Raises `StoreUnavailable` when the disk does not take it.
        """
        folder = self._folder(header.study, number)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            partial = Path(mkdtemp(dir=self._root, prefix=PARTIAL))
            update = _fill(partial, header, words, manifest, weight)
            self._replace(partial, folder)
        except OSError as exc:
            raise StoreUnavailable(
                f"The work folder {self._root} cannot be written ({exc.strerror}); make room or correct its rights."
            ) from exc
        return Work(update, folder / "update.bin", folder / "manifest.bin")

    def load_review(self, study: StudyId, number: RoundNumber) -> Review | None:
        """The review stored for a round; None when there is none, or none that can be read."""
        try:
            found = json.loads(self._review(study, number).read_bytes())
            digests = bytes.fromhex(found["final_hash"]), bytes.fromhex(found["salt"])
            return Review(digests[0], tuple(map(int, found["scores"])), digests[1])
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def save_review(self, study: StudyId, number: RoundNumber, review: Review) -> None:
        """Store a review durably, beside the round's work. Raises `StoreUnavailable` when the disk does not take it."""
        said = {"final_hash": review.final_hash.hex(), "scores": review.scores, "salt": review.salt.hex()}
        path = self._review(study, number)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.sync_folder(self._root)
            write_private(path, json.dumps(said).encode())
        except (OSError, ConfigError) as exc:
            raise StoreUnavailable(
                f"The work folder {self._root} cannot be written ({exc}); make room or correct its rights."
            ) from exc

    def discard(self, study: StudyId) -> None:
        """Delete a study's work, once nobody can ask for it any more."""
        shutil.rmtree(self._root / str(study), ignore_errors=True)

    def _replace(self, partial: Path, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            folder.rename(Path(mkdtemp(dir=self._root, prefix=PARTIAL)) / "replaced")
        durable.move(partial, folder)
        self.clean()

    def _review(self, study: StudyId, number: RoundNumber) -> Path:
        return self._root / str(study) / f"review-{number}.json"

    def _folder(self, study: StudyId, number: RoundNumber) -> Path:
        return self._root / str(study) / str(number)


def _fill(
    partial: Path, header: Header, words: NDArray[np.uint32], manifest: CohortManifest, weight: int
) -> Update:
    with durable.writing(partial / "update.bin") as file:
        sealed = write_vector(header, words, file)
    shown = manifest.to_bytes()
    durable.write(partial / "manifest.bin", shown)
    update = Update(digest_of(sealed.cid), sealed.root, digest_of(cid_of(shown)), manifest.root(), weight)
    named = {
        name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(update).items()
    }
    durable.write(partial / "update.json", json.dumps(named))
    return update
