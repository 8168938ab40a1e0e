"""Patients' signed decisions on a relayer's disk: which are to be posted, and what became of each.

One append-only file of JSON lines. A line that a kill cut short is dropped: what it said had not happened yet. Decisions are
compared by account, dataset, kind and `issued_at` alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from medfed import durable
from medfed.chain.consent_file import Signed, entry_of, kind_of, signed_of
from medfed.data.private_file import write_private
from medfed.errors import ConfigError, InputError, StoreUnavailable
from medfed.protocol.typed import digest
from medfed.types import Address, DatasetId

__all__ = ["Decision", "DecisionLog", "State", "identity", "needed", "replaces"]

_RANKS = {"Grant": 0, "Narrow": 1, "Revoke": 2, "RevokeAll": 3}


class State(StrEnum):
    """What became of a decision."""

    QUEUED = "queued"
    """It waits to be posted."""
    POSTED = "posted"
    """It is handed in; what the chain made of it is not noted yet."""
    COUNTED = "counted"
    """The chain has it."""
    REPLACED = "replaced"
    """A later decision of the patient counts, which leaves nothing of it."""
    REFUSED = "refused"
    """It does not count; `Decision.why` says why."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One signed message. `due` is when to post it, in seconds since 1970 by the relayer's clock.

    `why` is the name of the contract's error, or a clause for people where no contract was asked.
    """

    id: str
    signed: Signed = field(repr=False)
    due: float
    state: State = State.QUEUED
    why: str = ""

    @property
    def patient(self) -> Address:
        """Whose it is."""
        return self.signed.item.message.patient

    @property
    def dataset(self) -> DatasetId | None:
        """What it is about; None for all datasets."""
        return getattr(self.signed.item.message, "dataset_id", None)

    @property
    def issued_at(self) -> int:
        """From when on it counts, in seconds of chain time."""
        return self.signed.item.message.issued_at

    @property
    def kind(self) -> str:
        """ "Grant", "Narrow", "Revoke" or "RevokeAll"."""
        return kind_of(self.signed.item)

    @property
    def revokes(self) -> bool:
        """Whether it takes everything back, of a dataset or of all."""
        return self.kind in ("Revoke", "RevokeAll")

    @property
    def waits(self) -> bool:
        """Whether nothing has become of it yet."""
        return self.state in (State.QUEUED, State.POSTED)

    def order(self) -> tuple[int, int, str]:
        """Sorts by signing; within a second a revocation comes last, as the contract has it."""
        return self.issued_at, _RANKS[self.kind], self.id


def identity(signed: Signed) -> str:
    """The id of a decision: 32 hex digits over what is signed and the signature, so that nobody else's file has it."""
    said = digest(signed.domain, signed.item.message)
    return hashlib.sha256(said + signed.item.signature).hexdigest()[:32]


def needed(decisions: Iterable[Decision]) -> list[Decision]:
    """Of one patient's decisions those that have to be posted, in order of signing.

    A grant replaces earlier consents of its dataset, a revocation all earlier decisions about it, a revoke-all all earlier
    ones. A narrowing needs those before it down to the last grant. No consent replaces a revocation: it may itself be refused.
    """
    kept: list[Decision] = []
    granted: set[DatasetId | None] = set()
    revoked: set[DatasetId | None] = set()
    for each in sorted(decisions, key=Decision.order, reverse=True):
        if each.kind == "RevokeAll":
            return [each, *reversed(kept)]
        if each.dataset in revoked or (not each.revokes and each.dataset in granted):
            continue
        kept.append(each)
        if each.revokes:
            revoked.add(each.dataset)
        elif each.kind == "Grant":
            granted.add(each.dataset)
    return kept[::-1]


def replaces(later: Decision, earlier: Decision) -> bool:
    """Whether nothing is left of `earlier` once `later`, of the same patient, counts."""
    return earlier.order() < later.order() and earlier not in needed([earlier, later])


class DecisionLog:
    """The file. For one process at a time, which holds its lock; every change is durable when the call returns."""

    def __init__(self, path: Path) -> None:
        """The folder exists. Raises `ConfigError` for a file that is damaged, or cannot be made."""
        self._path = path
        self._found: dict[str, Decision] = {}
        self._length = 0
        if not path.exists():
            write_private(path, b"")
        self._load()

    def get(self, decision: str) -> Decision | None:
        """The decision with this id."""
        return self._found.get(decision)

    def all(self) -> list[Decision]:
        """Every decision, in the order in which they came."""
        return list(self._found.values())

    def waiting(self) -> list[Decision]:
        """Those of which nothing has become yet."""
        return [each for each in self._found.values() if each.waits]

    def put(self, decisions: Sequence[Decision]) -> None:
        """Add decisions, or queue again what was refused. Raises `StoreUnavailable` when the disk does not take it."""
        lines = [{"put": each.id, "due": each.due, "signed": entry_of(each.signed)} for each in decisions]
        self._append(lines)
        self._found |= {each.id: each for each in decisions}

    def mark(self, marks: Mapping[State, Sequence[Decision]], why: str = "") -> None:
        """Note what became of decisions, all of it or nothing. Raises as `put`."""
        said = {state: decisions for state, decisions in marks.items() if decisions}
        if not said:
            return
        named = {state.value: [each.id for each in decisions] for state, decisions in said.items()}
        self._append([{"mark": named, "why": why}])
        for state, decisions in said.items():
            self._found |= {
                each.id: replace(self._found[each.id], state=state, why=why) for each in decisions
            }

    def _append(self, lines: Sequence[dict[str, Any]]) -> None:
        if not lines:
            return
        data = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        try:
            with self._path.open("r+b") as file:
                file.seek(self._length)
                file.truncate()  # what a full disk took of an earlier try
                file.write(data)
                durable.flush(file)
            self._length += len(data)
        except OSError as exc:
            raise StoreUnavailable(
                f"The queue {self._path} cannot be written ({exc.strerror}); nothing more is posted until it can."
            ) from exc

    def _load(self) -> None:
        data = self._path.read_bytes()
        self._length = data.rfind(b"\n") + 1
        for number, line in enumerate(data[: self._length].splitlines(), 1):
            try:
                self._read(json.loads(line), f"{self._path}, line {number}")
            except (ValueError, KeyError, TypeError, AttributeError, InputError):
                raise ConfigError(
                    f"Line {number} of the queue {self._path} is damaged; move the file away and hand the signed files in again."
                ) from None

    def _read(self, line: dict[str, Any], place: str) -> None:
        if "put" in line:
            decision = Decision(str(line["put"]), signed_of(line["signed"], place), float(line["due"]))
            self._found[decision.id] = decision
            return
        for state, named in line["mark"].items():
            for each in named:
                self._found[each] = replace(self._found[each], state=State(state), why=str(line["why"]))
