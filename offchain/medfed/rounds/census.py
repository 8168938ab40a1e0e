"""Whether a node left events out: what the contracts keep at a block, held against what the index tells up to it.

The contracts count studies, datasets and licences, and keep the course of each study and of its rounds. An event that one
answer lacked is missing for good once the index has read past its block; here it shows, and all is read anew, once. What
nobody counts (a consent, a suspension) is held against storage where something hangs on it: before a hospital trains, and
in an audit.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from medfed.chain.calls import Call
from medfed.chain.contracts.base import Contract
from medfed.chain.contracts.rounds import StudyState
from medfed.chain.deployment import Deployment
from medfed.chain.errors import RpcError
from medfed.chain.index import EventIndex
from medfed.chain.sealed import bloom_of, events_in, parse_header
from medfed.errors import (
    ConfigError,
    ContractRevert,
    Contradicted,
    InputError,
    NotProved,
    ProtocolError,
    UnsupportedVersion,
)
from medfed.log import get_logger
from medfed.rounds.disputes import place_of
from medfed.rounds.history import RoundHistory, StudyHistory, read_round, read_study, study_ids, undoings
from medfed.types import BlockStamp, RoundNumber, StudyId

__all__ = ["Census", "difference", "round_course", "study_course", "unheard"]

_PATIENCE = 10
"""The index is read anew again only when this many times as long has passed as it took."""
_MOST_HEADERS, _MOST_RECEIPTS = 20_000, 500
"""So many blocks are looked at for events that nobody told of."""
_COUNTED = {"StudyCreated": "studies", "DatasetRegistered": "datasets", "LicenceSold": "licences"}
_ENDS = {"completed": StudyState.COMPLETED, "aborted": StudyState.ABORTED}


class Census:
    """Reads an index on and holds it against the contracts, once for each block."""

    def __init__(self, contracts: Deployment, index: EventIndex) -> None:
        self._contracts = contracts
        self._index = index
        self._agreed: BlockStamp | None = None
        self._rested_at = 0.0

    def sync(self) -> BlockStamp:
        """Read up to the newest final block. Raises `Contradicted` where the contracts keep otherwise, also when all was read
        anew, `WrongChain` where the address book names too late a first block; `ChainUnavailable`."""
        block = self._index.sync()
        if self._contracts.client.is_recorded or block == self._agreed:
            return block
        why = difference(self._contracts, self._index, block)
        if why and self.read_anew(why):
            block = self._index.checkpoint
            why = difference(self._contracts, self._index, block)
        if why:
            with contextlib.suppress(NotProved):  # rather a history that begins too late by the address book
                self._contracts.check_start()
            raise Contradicted(
                f"{self._contracts.client.label} leaves events out: up to block {block.number} {why}; "
                "nothing is done on that, ask another node."
            )
        self._agreed = block
        return block

    def read_anew(self, why: str) -> bool:
        """Read the index again from its start, up to where it is; not where that was done a moment ago, or cannot be."""
        if self._contracts.client.is_recorded or time.monotonic() < self._rested_at:
            return False
        get_logger().warning(
            "events read anew",
            node=self._contracts.client.label,
            block=self._index.checkpoint.number,
            why=why,
        )
        begun, block = time.monotonic(), self._index.checkpoint
        self._agreed = None
        self._index.start_anew()
        self._index.sync(block)
        self._rested_at = time.monotonic() + _PATIENCE * (time.monotonic() - begun)
        return True


def difference(contracts: Deployment, index: EventIndex, block: BlockStamp) -> str:
    """The first thing in which contracts and index differ at a block, as half a sentence; empty where they agree."""
    running = [study for study in study_ids(index) if not _is_over(index, study)]
    asked = [
        (contracts.studies, "studyCount", ()),
        (contracts.datasets, "datasetCount", ()),
        (contracts.market, "licenceCount", ()),
        *((contracts.rounds, "getStudy", (study,)) for study in running),
    ]
    stored = _read(contracts, asked, block)
    for (event, what), count in zip(_COUNTED.items(), stored, strict=False):
        if index.count(event) != count:
            return f"the contracts count {count} {what}, it tells of {index.count(event)}"
    try:
        return next(
            _differing(contracts, index, dict(zip(running, stored[len(_COUNTED) :], strict=True)), block), ""
        )
    except (ContractRevert, ProtocolError, InputError, UnsupportedVersion) as exc:
        return f"what it tells of studies cannot have happened ({exc})"


def unheard(contracts: Deployment, index: EventIndex, block: BlockStamp) -> str:
    """A block whose receipts hold events of the contracts, of which the index tells none, as half a sentence; empty where there
    is none, or the blocks are too many or cannot be proved.

    Blocks are found by their headers' logsBloom. Where that names the contracts in most blocks it says nothing.
    """
    client, addresses, first = contracts.client, contracts.addresses, max(1, contracts.first)
    if block.number - first > _MOST_HEADERS:
        return ""
    wanted = {bytes.fromhex(address[2:]) for address in addresses}
    blooms, told = [*map(bloom_of, addresses)], index.blocks()
    silent = [number for number in range(first, block.number + 1) if number not in told]
    try:
        headers = [header for raw in client.headers(silent) if (header := parse_header(raw)).may_hold(blooms)]
        for header in headers[:_MOST_RECEIPTS]:
            if any(log.address in wanted for log in events_in(header, client.block_receipts(header.number))):
                return (
                    f"block {header.number} has events of the contracts by its receipts, and it tells of none"
                )
    except (ConfigError, ProtocolError, RpcError):
        return ""
    return ""


def study_course(index: EventIndex, study: StudyHistory) -> dict[str, Any]:
    """How far a study is by its events, in the words of the contract that keeps it."""
    where: dict[str, Any] = {"study": study.study}
    running = StudyState.RUNNING if study.rounds else StudyState.ENROLLING
    # The round that a proof ends with its study is not counted among those that failed.
    since = min(map(place_of, undoings(index, **where)), default=None)
    voids = [e for e in index.events("RoundVoid", **where) if since is None or place_of(e) < since]
    return {
        "state": _ENDS.get(study.ended, running),
        "members": len(study.enrolments),
        "round": study.rounds,
        "finals": len(index.events("RoundFinal", **where)),
        "voids": len(voids),
        "ended_at": study.ended_at,
        "undone_from": study.undone_from,
    }


def round_course(history: RoundHistory) -> dict[str, Any]:
    """How far a round is by its events, in the words of the contract that keeps it."""
    return {
        "opened_at": history.opened_at,
        "closed_at": history.closed_at,
        "total_weight": history.weight,
        "acted": len(history.updates.keys() | history.removed.keys() | history.abstained),
        "submitted": history.submitted,
        "attested": history.attested,
        "outcome": history.outcome,
        "finals_before": history.finals_before,
    }


def _differing(
    contracts: Deployment, index: EventIndex, kept: dict[StudyId, Any], block: BlockStamp
) -> Iterator[str]:
    """Where studies that run, and the newest round of each, are elsewhere by their events."""
    newest = []
    for number, stored in kept.items():
        study = read_study(index, number)
        yield from _unlike(f"study {number}", stored, study_course(index, study))
        if study.rounds:
            newest.append((number, RoundNumber(study.rounds)))
    rounds = [(contracts.rounds, "getRound", place) for place in newest]
    for place, stored in zip(newest, _read(contracts, rounds, block), strict=True):
        course = round_course(read_round(index, *place))
        yield from _unlike(f"round {place[1]} of study {place[0]}", stored, course)


def _unlike(what: str, kept: Any, told: dict[str, Any]) -> Iterator[str]:
    for name, value in told.items():
        if kept[name] != value:
            yield f"the contracts keep {kept[name]} for `{name}` of {what}, its events say {int(value)}"


def _is_over(index: EventIndex, study: StudyId) -> bool:
    return bool(index.events("StudyCompleted", study=study) or index.events("StudyAborted", study=study))


def _read(
    contracts: Deployment, asked: Sequence[tuple[Contract, str, tuple[int, ...]]], block: BlockStamp
) -> list[Any]:
    """Many views of several contracts in one exchange."""
    calls: list[Call] = [contract.asking(function, *values) for contract, function, values in asked]
    answers = contracts.client.read_all(calls, block=block) if calls else []
    return [
        contract.interface.decode(function, answer)
        for (contract, function, _), answer in zip(asked, answers, strict=True)
    ]
