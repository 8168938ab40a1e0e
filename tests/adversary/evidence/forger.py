"""Somebody who has an honest bundle and writes another: any part of it changed, every hash that can be made anew made anew."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eth_utils.crypto import keccak

from medfed.chain import rlp
from medfed.chain.contracts.base import events_of
from medfed.chain.recorded import Recording
from medfed.chain.sealed import _root, bloom_of, parse_header
from medfed.protocol.cid import cid_of
from medfed.rounds.bundle import _PARTS, BundleManifest
from medfed.storage.car import CarStore, export_car

__all__ = ["Forger", "Logs", "swapped", "topic"]

MANY = 1 << 40
PARENT, RECEIPTS, BLOOM = 0, 5, 6

Logs = list[list]
"""The events of one receipt: address, topics, data."""


def topic(contract: str, name: str) -> bytes:
    return events_of(contract).by_name[name].topic


@dataclass(frozen=True)
class Forger:
    """`honest` is the bundle that is changed; what is made of it goes into `folder`."""

    honest: Path
    folder: Path

    @contextlib.contextmanager
    def opened(self) -> Iterator[CarStore]:
        with contextlib.closing(CarStore(self.honest, max_bytes=MANY)) as store:
            yield store

    @property
    def manifest(self) -> BundleManifest:
        with self.opened() as store:
            return BundleManifest.from_bytes(store.get(store.roots[0], BundleManifest.maximum))

    def part(self, name: str) -> bytes:
        with self.opened() as store:
            return store.get(getattr(self.manifest, name), MANY)

    def write(self, *, files: Callable = list, manifest: dict | None = None, **parts: bytes) -> Path:
        """With other parts, another manifest, and what `files` leaves of the CIDs, new bytes among them."""
        given = {name: parts.get(name, self.part(name)) for name in _PARTS}
        change = {name: cid_of(data) for name, data in given.items()} | (manifest or {})
        path = self.folder / "forged.medfed"
        with self.opened() as store:
            kept = files(store.roots[1 + len(_PARTS) :])
            new = [entry for entry in kept if isinstance(entry, bytes)]
            documents = [self.manifest.model_copy(update=change).to_bytes(), *given.values(), *new]
            export_car(
                store,
                [entry for entry in kept if not isinstance(entry, bytes)],
                path,
                max_bytes=MANY,
                documents=documents,
            )
        return path

    def record(self, recording: Recording) -> Path:
        """With another recording altogether."""
        newest = recording.newest
        place = {
            "block": newest.number,
            "block_hash": f"0x{newest.hash.hex()}",
            "block_time": newest.timestamp,
            "genesis": f"0x{recording.genesis.hex()}",
        }
        return self.write(manifest=place, **{name: getattr(recording, name) for name in _PARTS})

    # -- a chain of its own --------------------------------------------------------------------------------------

    def headers(self) -> list[bytes]:
        return [raw for _, raw in rlp.items(self.part("headers"))]

    def receipts(self) -> dict[int, list[bytes]]:
        return {rlp.to_number(item[0]): list(item[1]) for item, _ in rlp.items(self.part("receipts"))}

    def told(self, change: Callable[[Logs], Logs]) -> dict[int, list[bytes]]:
        """All receipts, with the events that `change` makes of those of each."""
        return {
            number: [_changed(receipt, change) for receipt in receipts]
            for number, receipts in self.receipts().items()
        }

    def unsealed(self, receipts: dict[int, list[bytes]]) -> Path:
        """Other receipts under the same headers."""
        return self.write(receipts=_encoded(receipts))

    def sealed(self, receipts: dict[int, list[bytes]]) -> Path:
        """Other receipts under headers of their own, chained up to a newest block of its own, with the true state root."""
        headers, parent = [], b""
        for raw in self.headers():
            fields = list(rlp.decode(raw))
            number = rlp.to_number(fields[8])
            if parent:
                fields[PARENT] = parent
            if number in receipts:
                fields[RECEIPTS], fields[BLOOM] = _root(receipts[number]), _bloom(receipts[number])
            headers.append(rlp.encode(fields))
            parent = keccak(headers[-1])
        newest = parse_header(headers[-1])
        return self.write(
            headers=b"".join(headers),
            receipts=_encoded(receipts),
            manifest={"block_hash": f"0x{newest.hash.hex()}"},
        )


def swapped(receipts: dict[int, list[bytes]], one: int, other: int) -> dict[int, list[bytes]]:
    """Two blocks' receipts, each in the place of the other."""
    return receipts | {one: receipts[other], other: receipts[one]}


def _encoded(receipts: dict[int, list[bytes]]) -> bytes:
    return b"".join(rlp.encode([rlp.number(number), receipts[number]]) for number in sorted(receipts))


def _changed(receipt: bytes, change: Callable[[Logs], Logs]) -> bytes:
    kind = receipt[:1] if receipt[0] <= 0x7F else b""
    fields = list(rlp.decode(receipt[len(kind) :]))
    fields[3] = change([list(log) for log in fields[3]])
    return kind + rlp.encode(fields)


def _bloom(receipts: list[bytes]) -> bytes:
    bloom = 0
    for receipt in receipts:
        fields = rlp.decode(receipt[1:] if receipt[0] <= 0x7F else receipt)
        for log in fields[3]:
            bloom |= bloom_of("0x" + log[0].hex())
    return bloom.to_bytes(256, "big")
