"""What stands for a patient in public: cohort leaves, the salts that hide them, and the leaves that fill up a manifest.

A manifest lists leaf = sha256(abi.encode(tag, study, round, dataset, patient, salt)) for each patient of a cohort, with
salt = HMAC-SHA256(link secret, abi.encode(chain id, contract, study, round, dataset)). Only who knows the link secret
(the patient and their hospital) can tell whose leaf it is, and the leaves of two rounds have nothing in common. A
filler is sha256(tag ‖ seed): the seed of one opens that one as a filler, and no other.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from medfed.errors import InputError
from medfed.protocol.leaf_tree import leaf_root
from medfed.types import Address, DatasetId, RoundNumber, StudyId

__all__ = [
    "ROOT_TAG",
    "SECRET_BYTES",
    "Use",
    "cohort_leaf",
    "cohort_leaves",
    "cohort_root",
    "filler_leaf",
    "filler_seed",
    "use_salt",
]

ROOT_TAG = b"medfed cohort root"
"""What a cohort's root is bound to (`leaf_tree`)."""

SECRET_BYTES = 32
"""Length of a link secret and of a hospital's filler secret: 256 bits."""

_LEAF_TAG = b"medfed cohort leaf".ljust(32, b"\0")
# Fillers are drawn under their own name, so that no other use of the same secret can show which leaves they are.
_FILLER_TAG = b"medfed cohort filler".ljust(32, b"\0")

# HMAC's pads for SHA-256, one block of 64 bytes each, and the tables that add them to a key.
_INNER, _OUTER = b"\x36" * 64, b"\x5c" * 64
_XOR_INNER, _XOR_OUTER = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))


@dataclass(frozen=True, slots=True)
class Use:
    """One use of one dataset: the round of a study, on one chain, under one `FederatedRounds` contract."""

    chain_id: int
    contract: Address
    study: StudyId
    round: RoundNumber
    dataset: DatasetId

    def encode(self) -> bytes:
        """abi.encode(uint256 chainId, address contract, uint256 study, uint256 round, uint256 dataset): 160 bytes."""
        numbers = _word(self.study) + _word(self.round) + _word(self.dataset)
        return _word(self.chain_id) + _address_word(self.contract) + numbers


def use_salt(link_secret: bytes, use: Use) -> bytes:
    """The 32 bytes that hide one patient in one use: HMAC-SHA256(link secret, abi.encode(use))."""
    _check_secret(link_secret)
    return hmac.digest(link_secret, use.encode(), "sha256")


def cohort_leaf(use: Use, patient: Address, salt: bytes) -> bytes:
    """sha256(abi.encode(bytes32 tag, uint256 study, uint256 round, uint256 dataset, address patient, bytes32 salt)), the
    tag being "medfed cohort leaf". The twin of `Leaves.leafOf`."""
    if len(salt) != 32:
        raise InputError(f"A use salt has 32 bytes, not {len(salt)}.")
    return sha256(_leaf_head(use) + _address_word(patient) + salt).digest()


def cohort_leaves(use: Use, patients: Iterable[tuple[Address, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """(leaf, salt) of each patient with their link secret, as `cohort_leaf` and `use_salt` make them.

    For many: what they share is encoded once, and HMAC is written out (RFC 2104), which takes two thirds of the library's time.
    """
    head, inner = _leaf_head(use) + bytes(12), _INNER[SECRET_BYTES:] + use.encode()
    for patient, secret in patients:
        _check_secret(secret)
        within = sha256(secret.translate(_XOR_INNER) + inner).digest()
        salt = sha256(secret.translate(_XOR_OUTER) + _OUTER[SECRET_BYTES:] + within).digest()
        yield sha256(head + _address(patient) + salt).digest(), salt


def cohort_root(leaves: bytes) -> bytes:
    """`cohortRoot` on chain: the commitment to a cohort's leaves and their count. Raises as `leaf_root`."""
    return leaf_root(ROOT_TAG, leaves)


def filler_seed(filler_secret: bytes, use: Use, index: int) -> bytes:
    """The 32 bytes that open filler `index` of a use: HMAC-SHA256(secret, tag ‖ abi.encode(use) ‖ uint256 index)."""
    _check_secret(filler_secret)
    return hmac.digest(filler_secret, _FILLER_TAG + use.encode() + _word(index), "sha256")


def filler_leaf(seed: bytes) -> bytes:
    """The leaf that stands for nobody: sha256(tag ‖ seed), the tag being "medfed cohort filler" and zeros up to 32 bytes.

    Only the holder of its seed can tell it from a patient's. It follows from the hospital's secret, so that a hospital
    which starts again publishes the same manifest.
    """
    return sha256(_FILLER_TAG + seed).digest()


def _leaf_head(use: Use) -> bytes:
    """What the leaves of one use begin with."""
    return _LEAF_TAG + _word(use.study) + _word(use.round) + _word(use.dataset)


def _word(number: int) -> bytes:
    """A uint256 as the ABI encodes it."""
    if not 0 <= number < 1 << 256:
        raise InputError(f"{number} is no uint256.")
    return number.to_bytes(32, "big")


def _address_word(address: str) -> bytes:
    return bytes(12) + _address(address)


def _address(address: str) -> bytes:
    try:
        found = bytes.fromhex(address[2:])
    except ValueError:
        found = b""
    # It passes over white space.
    if (len(found), len(address), address[:2]) != (20, 42, "0x"):
        raise InputError("An address is 0x and 40 hexadecimal digits.")
    return found


def _check_secret(secret: bytes) -> None:
    if len(secret) != SECRET_BYTES:
        raise InputError(f"A secret has {SECRET_BYTES} bytes, not {len(secret)}.")
