"""Whether a node left events out: what the contracts keep at a block, held against what the index tells up to it.

The contracts count studies, datasets and licences, and keep the course of each study and of its rounds. An event that one
answer lacked is missing for good once the index has read past its block; here it shows, and all is read anew, once. What
nobody counts (a consent, a suspension) is held against storage where something hangs on it: before a hospital trains, and
in an audit.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from medfed.chain.calls import Call
from medfed.chain.contracts.base import Contract
from medfed.chain.contracts.rounds import StudyState
from medfed.chain.deployment import Deployment
from medfed.chain.errors import RpcError
from medfed.chain.index import EventIndex
from medfed.chain.sealed import Header, bloom_of, events_in, parse_header
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

__all__ = ["Census", "differences", "round_course", "study_course", "unheard"]

_PATIENCE = 10
"""The index is read anew again only when this many times as long has passed as it took."""
_MOST_HEADERS, _MOST_RECEIPTS = 20_000, 500
"""So many blocks are looked at for events that nobody told of."""
_MOST_AT_ONCE = 500
"""Blocks in one hearing of a daemon, which has other things to do."""
_COUNTED = {"StudyCreated": "studies", "DatasetRegistered": "datasets", "LicenceSold": "licences"}
_ENDS = {"completed": StudyState.COMPLETED, "aborted": StudyState.ABORTED}


class Census:
    """Reads an index on and holds it against the contracts, once for each block."""

    def __init__(self, contracts: Deployment, index: EventIndex) -> None:
        self._contracts = contracts
        self._index = index
        self._agreed: BlockStamp | None = None
        self._rested_at = 0.0
        self._heard = 0
        self._over: set[StudyId] = set()
        self._generation = index.generation
        self.doubtful: dict[StudyId, str] = {}
        """What the contracts keep otherwise about a study, as half a sentence, since all was read last."""

    def sync(self) -> BlockStamp:
        """Read up to the newest final block. Raises `Contradicted` where the contracts keep otherwise, also when all was read
        anew, `WrongChain` where the address book names too late a first block; `ChainUnavailable`."""
        block = self.follow()
        if self.doubtful:
            raise Contradicted(self._sentence(next(iter(self.doubtful.values()))))
        return block

    def follow(self) -> BlockStamp:
        """As `sync`, for who can leave single studies alone: those about which the contracts keep otherwise are `doubtful`."""
        block = self._index.sync()
        self._forget()
        if self._contracts.client.is_recorded or block == self._agreed:
            return block
        found = differences(self._contracts, self._index, block, self._over)
        if found and self.read_anew(next(iter(found.values()))):
            block = self._index.checkpoint
            found = differences(self._contracts, self._index, block)
        if found:
            with contextlib.suppress(NotProved):  # rather a history that begins too late by the address book
                self._contracts.check_start()
        if None in found:
            raise Contradicted(self._sentence(found[None]))
        self.doubtful = {study: why for study, why in found.items() if study is not None}
        self._agreed = None if found else block
        self._note_ends(block, found.keys())
        return block

    def _forget(self) -> None:
        """What was agreed on holds for events that were read since: not when another process has read all anew."""
        if self._generation != self._index.generation:
            self._generation, self._agreed = self._index.generation, None
            self._over.clear()

    def _note_ends(self, block: BlockStamp, doubtful: Collection[StudyId | None]) -> None:
        """Remember the studies in which nothing that is compared can change any more."""
        for number in study_ids(self._index):
            if number in self._over or number in doubtful or not _is_over(self._index, number):
                continue
            if block.timestamp >= read_study(self._index, number).settled_at:
                self._over.add(number)

    def contradiction(self, study: StudyId) -> str:
        """What the node tells otherwise about a `doubtful` study than the contracts keep, as a sentence."""
        label, why = self._contracts.client.label, self.doubtful[study]
        return f"{label} leaves events out: {why}; nothing is done in study {study}, ask another node."

    def hear(self, since: int) -> str:
        """What the receipts of a block have that the node does not tell of, also when all was read anew, as a sentence; empty
        where there is nothing.

        Looks at some blocks from `since` on that it has not looked at before, up to the one read last. Blocks that cannot be proved
        are passed over. Raises `ChainUnavailable`.
        """
        first, newest = max(1, self._contracts.first, since, self._heard + 1), self._index.checkpoint.number
        last = min(newest, first + _MOST_AT_ONCE - 1)
        if self._contracts.client.is_recorded or last < first:
            return ""
        why = _untold(self._contracts, self._index, first, last)
        if why and self.read_anew(why):
            why = _untold(self._contracts, self._index, first, last)
        if not why:
            self._heard = last
            return ""
        return f"{self._contracts.client.label} leaves events out: {why}; ask another node."

    def _sentence(self, why: str) -> str:
        return (
            f"{self._contracts.client.label} leaves events out: up to block {self._index.checkpoint.number} {why}; "
            "nothing is done on that, ask another node."
        )

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
        self._index.start_anew()
        self._forget()
        self._index.sync(block)
        self._rested_at = time.monotonic() + _PATIENCE * (time.monotonic() - begun)
        return True


def differences(
    contracts: Deployment, index: EventIndex, block: BlockStamp, over: Collection[StudyId] = ()
) -> dict[StudyId | None, str]:
    """The first thing in which contracts and index differ at a block, for each study and, under None, for what is no study's, as
    half sentences. Of studies that are `over` the contracts have confirmed the end already."""
    running = [study for study in study_ids(index) if not (study in over and _is_over(index, study))]
    asked = [
        (contracts.studies, "studyCount", ()),
        (contracts.datasets, "datasetCount", ()),
        (contracts.market, "licenceCount", ()),
        *((contracts.rounds, "getStudy", (study,)) for study in running),
    ]
    stored = _read(contracts, asked, block)
    found: dict[StudyId | None, str] = {}
    for (event, what), count in zip(_COUNTED.items(), stored, strict=False):
        if index.count(event) != count:
            why = f"the contracts count {count} {what}, it tells of {index.count(event)}"
            # A study of which nothing is told keeps no other from going on.
            hidden = _hidden(index, count) if event == "StudyCreated" else []
            found |= dict.fromkeys(hidden or [None], why)
    if None in found:
        return found
    kept, newest = dict(zip(running, stored[len(_COUNTED) :], strict=True)), {}
    for number, course in kept.items():
        with _judged(found, number):
            study = read_study(index, number)
            _compare(f"study {number}", course, study_course(index, study))
            if study.rounds:
                newest[number] = RoundNumber(study.rounds)
    rounds = [(contracts.rounds, "getRound", place) for place in newest.items()]
    for place, course in zip(newest.items(), _read(contracts, rounds, block), strict=True):
        with _judged(found, place[0]):
            told = round_course(read_round(index, *place))
            _compare(f"round {place[1]} of study {place[0]}", course, told)
    return found


def unheard(contracts: Deployment, index: EventIndex, block: BlockStamp) -> str:
    """A block whose receipts hold events of the contracts, of which the index tells none, as half a sentence; empty where there
    is none, or the blocks are too many or cannot be proved.

    Blocks are found by their headers' logsBloom. Where that names the contracts in most blocks it says nothing.
    """
    first, told = max(1, contracts.first), index.told()
    if block.number - first > _MOST_HEADERS:
        return ""
    try:
        headers = _headers(contracts, [n for n in range(first, block.number + 1) if n not in told])
        for header in headers[:_MOST_RECEIPTS]:
            if _events_of(contracts, index, header):
                return (
                    f"block {header.number} has events of the contracts by its receipts, and it tells of none"
                )
    except (ConfigError, ProtocolError, RpcError):
        return ""
    return ""


def _untold(contracts: Deployment, index: EventIndex, first: int, last: int) -> str:
    """The first of these blocks whose receipts have more events of the contracts than are told, as half a sentence."""
    told = index.told(first, last)
    try:
        for header in _headers(contracts, [*range(first, last + 1)]):
            count = _events_of(contracts, index, header)
            if count > told.get(header.number, 0):
                return (
                    f"block {header.number} has {count} events of the contracts by its receipts, it tells of "
                    f"{told.get(header.number, 0)}"
                )
    except (ConfigError, ProtocolError, RpcError):
        return ""
    return ""


def _headers(contracts: Deployment, numbers: list[int]) -> list[Header]:
    """The headers of those blocks that may have events of the contracts."""
    blooms = [*map(bloom_of, contracts.addresses)]
    headers = map(parse_header, contracts.client.headers(numbers))
    return [header for header in headers if header.may_hold(blooms)]


def _events_of(contracts: Deployment, index: EventIndex, header: Header) -> int:
    """How many events that an index keeps a block has, by its receipts. Raises as `events_in`."""
    return sum(map(index.knows, events_in(header, contracts.client.block_receipts(header.number))))


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


def _hidden(index: EventIndex, count: int) -> list[StudyId | None]:
    told = {*study_ids(index)}
    return [StudyId(number) for number in range(1, count + 1) if number not in told]


class _Unlike(Exception):
    """How a study is elsewhere by its events."""


@contextlib.contextmanager
def _judged(found: dict[StudyId | None, str], study: StudyId) -> Iterator[None]:
    try:
        yield
    except _Unlike as exc:
        found[study] = str(exc)
    except (ContractRevert, ProtocolError, InputError, UnsupportedVersion) as exc:
        found[study] = f"what it tells of study {study} cannot have happened ({exc})"


def _compare(what: str, kept: Any, told: dict[str, Any]) -> None:
    for name, value in told.items():
        if kept[name] != value:
            raise _Unlike(
                f"the contracts keep {kept[name]} for `{name}` of {what}, its events say {int(value)}"
            )


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
