"""A hold: a person's word that this hospital trains no further in a study until they let it go on.

For a question about the data, an ethics review between rounds, a revocation that should count from the next round on.
The daemon goes on publishing and attesting. It abstains shortly before the deadline, as silence would cost stake.
"""

from __future__ import annotations

import json
from pathlib import Path

from medfed.data.private_file import write_private
from medfed.errors import ConfigError, PolicyRefusal
from medfed.types import RoundNumber, StudyId

__all__ = ["HOLDS", "Held", "check_hold", "hold", "read_holds", "resume"]

HOLDS = "holds.json"
"""The file in a hospital's home: the first round that is held, by study."""


class Held(PolicyRefusal):
    """A person may lift it at any moment."""


def read_holds(path: Path) -> dict[StudyId, RoundNumber]:
    """The first round that is held, by study. Raises `ConfigError` for a damaged file."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {StudyId(int(study)): RoundNumber(int(first)) for study, first in found.items()}
    except (OSError, ValueError, TypeError, AttributeError) as exc:
        raise ConfigError(f"The holds in {path} cannot be read; hold or resume each study anew.") from exc


def check_hold(path: Path, study: StudyId, number: RoundNumber) -> None:
    """Raise `Held` when a round of the study is held."""
    first = read_holds(path).get(study)
    if first is not None and number >= first:
        raise Held(
            f"Study {study} is held from round {first} on; `medfed hospital resume {study}` lets it go on."
        )


def hold(path: Path, study: StudyId, first: RoundNumber) -> None:
    """Hold a study from a round on."""
    _write(path, {**read_holds(path), study: first})


def resume(path: Path, study: StudyId) -> bool:
    """Let a study go on; returns whether it was held."""
    holds = read_holds(path)
    held = holds.pop(study, None) is not None
    if held:
        _write(path, holds)
    return held


def _write(path: Path, holds: dict[StudyId, RoundNumber]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps({str(study): first for study, first in holds.items()}).encode())
