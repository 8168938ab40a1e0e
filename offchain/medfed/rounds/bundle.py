"""An auditor's bundle: all that an audit of a study needs, in one file that needs neither node nor store.

It is a CAR file. Its first file is the manifest: which study, which chain, where `FederatedRounds` stands, the newest
block, and the CIDs of the recording's parts (headers, receipts, proofs, answers; see `chain.recorded`). The study's
artefacts follow. So every byte stands under a CID, and what the CIDs cannot show (that it is this chain, and these
contracts) hangs on one hash and one address: the other contracts follow from them (`chain.root`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medfed import __version__
from medfed.chain.administration import contract_facts
from medfed.chain.calls import parse_address
from medfed.chain.deployment import Deployment, found_from, open_index
from medfed.chain.recorded import RecordedChain, Recorder, Recording, Standing
from medfed.chain.root import check_chain_id
from medfed.errors import ContentMissing, IntegrityError, ProtocolError
from medfed.protocol.cid import check_cid, cid_from_digest, cid_of
from medfed.protocol.documents import Document
from medfed.rounds.audit import audit_study
from medfed.rounds.federation import Federation
from medfed.rounds.history import pinned, read_study
from medfed.rounds.study import artefacts, fetch_spec
from medfed.storage import ContentStore
from medfed.storage.car import CarStore, export_car, refuse_to_replace
from medfed.types import Address, BlockStamp, Cid, StudyId

__all__ = ["Bundle", "BundleManifest", "Exported", "Limits", "export_bundle", "open_bundle"]

_MOST_TIMES, _ALWAYS = 2, 1 << 20
"""The recording's parts have together at most so many times the bundle's bytes, and so many bytes always: what is read of them
takes memory, and nothing in them is there twice."""
_PARTS = ("headers", "receipts", "proofs", "answers")
_Hex32 = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
_Number = Annotated[int, Field(ge=0, lt=1 << 53)]


class BundleManifest(Document):
    """The first file of a bundle."""

    maximum = 1 << 20

    form: Literal["medfed bundle 2"]
    made_by: str = Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$")
    """The version of medfed that wrote it."""
    study: Annotated[int, Field(ge=1, lt=1 << 53)]
    chain_id: _Number
    genesis: _Hex32
    rounds: Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
    """The address of `FederatedRounds`."""
    block: _Number
    block_hash: _Hex32
    block_time: _Number
    headers: str
    receipts: str
    proofs: str
    answers: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Most bytes together, seconds to wait for each artefact, most blocks whose headers are all recorded."""

    max_bytes: int
    wait: float
    headers: int


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote. `missing` are artefacts that no node had."""

    newest: BlockStamp
    standing: Standing
    artefacts: int
    missing: tuple[Cid, ...]
    blocks: int


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: a federation at one block. `close` it."""

    federation: Federation
    study: StudyId
    newest: BlockStamp
    standing: Standing
    made_by: str

    def close(self) -> None:
        """Let go of the file."""
        self.federation.index.close()
        self.federation.store.close()


def export_bundle(
    federation: Federation, study: StudyId, file: Path, limits: Limits, *, skip_missing: bool = False
) -> Exported:
    """Write the bundle of a study as of the newest final block; `file` appears only when all is in it.

    The audit is run once, so that whatever it asks of the chain is recorded. At the same block of the same chain the
    bytes are the same. Raises `InputError` for an unknown study or a file that is no bundle, `ContentMissing` for an artefact that no node has
    (unless they are to be skipped), `ProtocolError` and `ConfigError` for a chain whose blocks cannot be proved.
    """
    refuse_to_replace(file)
    newest = federation.sync()
    recorder = Recorder(federation.client, newest)
    first, root = federation.contracts.first, federation.contracts.rounds.address
    contracts = found_from(recorder, root, first, newest)
    held = _federation(contracts, federation.store)
    with contextlib.closing(held.index):
        audit_study(held, study)
        contract_facts(held.contracts, newest)
        recording = recorder.recording(contracts.addresses, max(0, first - 1), limits.headers)
        wanted = _artefacts(held, study, limits.wait)
    missing = [cid for cid in wanted if skip_missing and not _can_be_had(federation.store, cid, limits)]
    files = [cid for cid in wanted if cid not in missing]
    chain = RecordedChain(recording)
    chain.hear(contracts.addresses)  # what cannot be read is not written
    blocks = export_car(
        federation.store,
        files,
        file,
        max_bytes=limits.max_bytes,
        wait=limits.wait,
        documents=_documents(recording, study, root),
    )
    return Exported(newest, chain.standing, len(files), tuple(missing), blocks)


def open_bundle(file: Path, *, max_bytes: int) -> Bundle:
    """The federation in a bundle, once all that can be proved of it is. Raises `IntegrityError`, `ProtocolError`,
    `InputError`, `WrongChain` for contracts that do not follow from its `FederatedRounds`, `NotProved` where they cannot
    be read."""
    store = CarStore(file, max_bytes=max_bytes)
    try:
        manifest = _manifest(store, file)
        most = _MOST_TIMES * file.stat().st_size + _ALWAYS
        chain = RecordedChain(_recording(store, manifest, most))
        contracts = found_from(chain, parse_address(manifest.rounds), chain.first + 1, chain.head())
        check_chain_id(chain, contracts.consortium.address)
        chain.hear(contracts.addresses)
        federation = _federation(contracts, store)
    except BaseException:
        store.close()
        raise
    return Bundle(federation, StudyId(manifest.study), chain.head(), chain.standing, manifest.made_by)


def _federation(contracts: Deployment, store: ContentStore) -> Federation:
    index = open_index(contracts, None, confirmations=0)
    index.sync()
    return Federation(contracts.client, contracts, store, index)


# -- the artefacts -------------------------------------------------------------------------------------------------


def _artefacts(federation: Federation, number: StudyId, wait: float) -> list[Cid]:
    """Every file that the audit may look at, the quality reports of the datasets among them."""
    study = read_study(federation.index, number)
    spec = fetch_spec(federation.store, study, wait=wait)
    reports = [
        cid_from_digest(info.report)
        for entry in study.enrolments
        if (info := pinned(federation.index, entry)) is not None
    ]
    return list(dict.fromkeys([*artefacts(federation.index, study, spec), *reports]))


def _can_be_had(store: ContentStore, cid: Cid, limits: Limits) -> bool:
    if store.has(cid):
        return True
    try:
        for _ in store.stream(cid, limits.max_bytes, wait=limits.wait):
            pass
    except (ContentMissing, IntegrityError):
        return False
    return True


# -- the chain's part ----------------------------------------------------------------------------------------------


def _documents(recording: Recording, study: StudyId, root: Address) -> list[bytes]:
    """The manifest and the parts that it names."""
    parts = {name: getattr(recording, name) for name in _PARTS}
    manifest = BundleManifest(
        form="medfed bundle 2",
        made_by=__version__,
        study=study,
        chain_id=recording.chain_id,
        genesis=f"0x{recording.genesis.hex()}",
        rounds=root,
        block=recording.newest.number,
        block_hash=f"0x{recording.newest.hash.hex()}",
        block_time=recording.newest.timestamp,
        **{name: cid_of(data) for name, data in parts.items()},
    )
    return [manifest.to_bytes(), *parts.values()]


def _manifest(store: CarStore, file: Path) -> BundleManifest:
    try:
        return BundleManifest.from_bytes(store.get(store.roots[0], BundleManifest.maximum))
    except (IndexError, ProtocolError, IntegrityError) as exc:
        raise ProtocolError(
            f"{file} is a CAR file, but no bundle of this version; `medfed study export` writes bundles."
        ) from exc


def _recording(store: CarStore, manifest: BundleManifest, most: int) -> Recording:
    stamp = BlockStamp(manifest.block, bytes.fromhex(manifest.block_hash[2:]), manifest.block_time)
    parts: dict[str, bytes] = {}
    for name in _PARTS:
        parts[name] = store.get(check_cid(getattr(manifest, name)), most)
        most -= len(parts[name])
    return Recording(
        chain_id=manifest.chain_id,
        genesis=bytes.fromhex(manifest.genesis[2:]),
        newest=stamp,
        **parts,
    )
