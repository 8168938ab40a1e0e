"""Files that only their owner may read: registers, secrets, disclosures."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from medfed import durable
from medfed.errors import ConfigError
from medfed.protocol.leaves import SECRET_BYTES

__all__ = ["load_or_create_secret", "read_private", "write_private"]


def read_private(path: Path) -> bytes:
    """The bytes of a file that no one else can read. Raises `ConfigError` when it is missing or open to others."""
    try:
        with path.open("rb") as file:
            _check_mode(path, os.fstat(file.fileno()).st_mode)
            return file.read()
    except OSError as exc:
        raise ConfigError(f"Cannot read {path}: {exc.strerror}.") from None


def write_private(path: Path, data: bytes) -> None:
    """Write atomically and durably with mode 0600: after a crash the old file or the new one is there, never a part."""
    try:
        durable.write(path, data, mode=durable.PRIVATE)
    except OSError as exc:
        raise ConfigError(f"Cannot write {path}: {exc.strerror}.") from None


def load_or_create_secret(path: Path) -> bytes:
    """The 32 bytes a hospital keeps for itself (fillers, record salts), drawn once. Raises `ConfigError`.

    Who loses the file can no longer open record commitments, so it belongs into the backup.
    """
    if not path.exists():
        write_private(path, secrets.token_bytes(SECRET_BYTES).hex().encode() + b"\n")
    try:
        secret = bytes.fromhex(read_private(path).decode("ascii").strip())
    except ValueError:
        raise ConfigError(f"{path} holds no hexadecimal secret; restore it from the backup.") from None
    if len(secret) != SECRET_BYTES:
        raise ConfigError(
            f"{path} must hold {SECRET_BYTES} bytes in hexadecimal; restore it from the backup."
        )
    return secret


def _check_mode(path: Path, mode: int) -> None:
    # Windows keeps rights elsewhere and reports a mode that says nothing.
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"Others can read {path}; run `chmod 600 {path}`.")
