"""What dishonest hospitals send, beside honest bytes: each lie differs from the truth in one thing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medfed.chain.sender import Sender
from medfed.nodes.site import Site
from medfed.nodes.state import WorkFolder
from medfed.nodes.training import Training
from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, ChunkHasher
from medfed.protocol.cid import cid_from_digest, cid_of, digest_of
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.header import Header
from medfed.rounds.attest import recompute_round
from medfed.types import RoundNumber, Seat

__all__ = [
    "SIZE",
    "attest",
    "claim",
    "forged_aggregate",
    "forged_update",
    "publish",
    "submit",
    "submitted",
    "truth",
    "unchecked",
]

HIDDEN = 110
SIZE = 3 * HIDDEN + HIDDEN + HIDDEN + 1
"""Words of an update: a header and five chunks, the last one padded; the tree has two leaves beyond them."""
SPEC = {"model": {"kind": "mlp", "hidden": [HIDDEN]}}


def submitted(world, hospitals, *, honest=None, **offer):
    """A study whose members (all, or those in `honest`) have submitted, with nothing published."""
    study = world.opened(*hospitals, spec=SPEC, rounds=offer.pop("rounds", 1), **offer)
    for hospital in hospitals if honest is None else honest:
        hospital.execute()
    return study


def publish(world, study, number=1):
    """Everybody's bytes, as if their daemons had published them and fallen silent."""
    for member in world.members:
        for folder in member.home.glob(f"work/*/{study}/{number}"):
            for file in (folder / "update.bin", folder / "manifest.bin"):
                world.store.put(file)


def truth(world, study, number=1):
    """The outcome that honest hospitals compute, its files in the store."""
    world.index.sync()
    outcome, _ = recompute_round(world.federation(), study, RoundNumber(number))
    return outcome


def changed(data: bytes, word: int) -> bytes:
    """With one word more by one; the header's words count."""
    at = 4 * word
    more = (int.from_bytes(data[at : at + 4], "big") + 1 & 0xFFFFFFFF).to_bytes(4, "big")
    return data[:at] + more + data[at + 4 :]


def root_of(data: bytes) -> bytes:
    tree = ChunkHasher()
    tree.add(data)
    return tree.root()


def forged_aggregate(world, study, lie, number=1):
    """The true aggregate but for one thing; its bytes are in the store unless that is the lie."""
    outcome = truth(world, study, number)
    right, data = outcome.aggregate, outcome.aggregate_file
    world.store.put(outcome.model_file)  # the next round starts from it, whatever the vector
    if lie == "model":
        return replace(right, model=digest_of(world.store.put(b"another model")))
    if lie == "cid":
        return replace(right, cid=digest_of(world.store.put(b"other bytes")))
    if lie == "root":
        return replace(right, root=b"\7" * 32)
    if lie == "length":
        data = data + bytes(CHUNK_BYTES) * 5
    elif lie == "short":
        data = data[:-CHUNK_BYTES]
    elif lie == "beyond":
        data += b"\1" * CHUNK_BYTES
    else:
        word = {"header": 3, "first": 128, "middle": 300, "last": 128 + SIZE - 1, "padding": 128 + SIZE}
        data = changed(data, word.get(lie, 128))
    cid = cid_of(data) if lie == "withheld" else world.store.put(data)
    return replace(right, cid=digest_of(cid), root=root_of(data))


def site_of(world, member):
    sender = Sender(world.client, member.operator, member.home / "sent")
    return Site(world.federation(), sender, member.config(), member.home)


def forged_update(world, study, member, lie, number=1) -> Update:
    """The hospital's true update but for one thing, with its bytes in the store."""
    site, history, record = site_of(world, member), world.round(study, number), world.study(study)
    entry = record.enrolment(member.id)
    work = Training(site, WorkFolder(site.work))._work(record, entry, history)
    data, update = work.update_file.read_bytes(), work.update
    world.store.put(work.manifest_file)
    if lie == "root":
        world.store.put(data)
        return replace(update, update_root=b"\7" * 32)
    if lie == "short":
        data = data[: -2 * CHUNK_BYTES]
    elif lie == "beyond":
        data += b"\1" * CHUNK_BYTES
    elif lie == "bound":
        at = 4 * (128 + 200)
        data = data[:at] + (0x7FFFFFFF).to_bytes(4, "big") + data[at + 4 :]
    elif lie == "negative":
        at = 4 * (128 + SIZE - 1)
        data = data[:at] + (0x80000000).to_bytes(4, "big") + data[at + 4 :]
    elif lie != "honest":
        data = changed(data, {"header": 3, "padding": 128 + SIZE}[lie])
    return replace(update, cid=digest_of(world.store.put(data)), update_root=root_of(data))


def submit(world, study, member, update, number=1):
    seat = world.study(study).enrolment(member.id).seat
    call = world.contracts.rounds.submit_update(study, RoundNumber(number), seat, update)
    world.send(member.operator, call)


def claim(world, study, aggregate, number=1) -> Seat:
    """By the hospital whose turn it is."""
    seat = world.contracts.claims.leader(study, RoundNumber(number))
    call = world.contracts.claims.submit_aggregate(study, RoundNumber(number), seat, aggregate)
    world.send(world.members[seat].operator, call)
    return seat


def attest(world, study, aggregate, seats, number=1):
    shown = world.round(study, number).left_out_updates(aggregate.included)
    for seat in seats:
        call = world.contracts.rounds.attest(study, RoundNumber(number), Seat(seat), aggregate, shown)
        world.send(world.members[seat].operator, call)


def unchecked(world, study, number=1, *, lie=0) -> Aggregate:
    """The sum of all updates whatever they are, in one word more by `lie`, its bytes in the store: what a quorum attests to
    that looks at nothing."""
    history = world.round(study, number)
    total = np.zeros(-(-SIZE // CHUNK_WORDS) * CHUNK_WORDS, dtype=np.uint32)
    for update in history.updates.values():
        data = world.store.get(cid_from_digest(update.cid), 1 << 20)
        total += np.frombuffer(data[CHUNK_BYTES:], dtype=">u4").astype(np.uint32)
    total[5] += lie
    header = Header(world.client.chain_id, world.contracts.rounds.address, study, RoundNumber(number), None)
    data = header.chunk() + total.astype(">u4").tobytes()
    return Aggregate(
        digest_of(world.store.put(data)),
        root_of(data),
        digest_of(world.store.put(b"a model")),
        history.submitted,
        history.weight,
    )
