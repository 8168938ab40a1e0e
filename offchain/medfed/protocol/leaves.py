"""What stands for a patient in public: cohort leaves, the salts that hide them, and the leaves that fill up a manifest.

A manifest lists leaf = keccak256(abi.encode(study, round, dataset, patient, salt)) for each patient of a cohort, with
salt = HMAC-SHA256(link secret, abi.encode(chain id, contract, study, round, dataset)). Only who knows the link secret
(the patient and their hospital) can tell whose leaf it is, and the leaves of two rounds have nothing in common.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass

from eth_hash.auto import keccak

from medfed.errors import InputError
from medfed.types import Address, DatasetId, RoundNumber, StudyId

__all__ = ["SECRET_BYTES", "Use", "cohort_leaf", "filler_leaf", "use_salt"]

SECRET_BYTES = 32
"""Length of a link secret and of a hospital's filler secret: 256 bits."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
# Fillers are drawn under their own name, so that no other use of the same secret can show which leaves they are.
_FILLER = b"medfed cohort filler"


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
    """keccak256(abi.encode(uint256 study, uint256 round, uint256 dataset, address patient, bytes32 salt))."""
    if len(salt) != 32:
        raise InputError(f"A use salt has 32 bytes, not {len(salt)}.")
    numbers = _word(use.study) + _word(use.round) + _word(use.dataset)
    return bytes(keccak(numbers + _address_word(patient) + salt))


def filler_leaf(filler_secret: bytes, use: Use, index: int) -> bytes:
    """Leaf `index` that stands for nobody: 32 bytes that only the holder of the secret can tell from a patient's.

    It follows from the secret, so that a hospital which starts again publishes the same manifest.
    """
    _check_secret(filler_secret)
    return hmac.digest(filler_secret, _FILLER + use.encode() + _word(index), "sha256")


def _word(number: int) -> bytes:
    """A uint256 as the ABI encodes it."""
    if not 0 <= number < 1 << 256:
        raise InputError(f"{number} is no uint256.")
    return number.to_bytes(32, "big")


def _address_word(address: str) -> bytes:
    if not _ADDRESS.fullmatch(address):
        raise InputError("An address is 0x and 40 hexadecimal digits.")
    return bytes(12) + bytes.fromhex(address[2:])


def _check_secret(secret: bytes) -> None:
    if len(secret) != SECRET_BYTES:
        raise InputError(f"A secret has {SECRET_BYTES} bytes, not {len(secret)}.")
