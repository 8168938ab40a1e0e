"""Reverts of the contracts as `ContractRevert`, and what a node itself refuses as `RpcError`.

The sentences below are for the errors that people meet; any other custom error is shown with its name and its values.
A sentence may use the values by name, e.g. `{round}`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from eth_utils.crypto import keccak

from medfed.chain.artifacts import artifact, artifact_names
from medfed.chain.calls import text_of
from medfed.chain.codec import Parameter, decode_values, signature, snake
from medfed.chain.sentences import SENTENCES
from medfed.errors import ChainUnavailable, ContractRevert, ProtocolError

__all__ = ["RangeRefused", "RpcError", "error_name", "revert_from"]

_PANICS = {
    0x01: "an assertion failed",
    0x11: "a number overflowed or fell below zero",
    0x12: "a number was divided by zero",
    0x21: "a number is not a member of its enum",
    0x32: "an index lies beyond the end of a list",
}
_ENUMS = {
    "enum IFederatedRounds.Phase": (
        "none",
        "training",
        "screening",
        "unmasking",
        "aggregating",
        "final",
        "void",
        "tainted",
        "refuted",
    ),
    "enum IFederatedRounds.State": ("unknown", "enrolling", "running", "completed", "aborted"),
    "enum IConsortium.Status": ("never admitted", "active", "suspended"),
}
_MOMENTS = frozenset(
    {
        *("at", "closed_at", "deadline", "effective_at", "issued_at", "latest", "now_"),
        *("open_to_all_at", "opens_at", "signed_at", "t", "until"),
    }
)
"""Values that are seconds of chain time, by name."""
_DAYS = frozenset({"expiry_day", "until_day"})
"""Values that are days since 1970, by name."""
_FIRST_DAY = date(1970, 1, 1)
_NO_MOMENT = "nobody can say yet when"
_BUILT_IN: tuple[Parameter, ...] = (
    {"name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


class RpcError(ChainUnavailable):
    """The node answered a request with an error of its own: `code` and `detail` are the node's."""

    def __init__(self, message: str, *, code: int, detail: str) -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail


class RangeRefused(ChainUnavailable):
    """The node will not answer for so many blocks or events at once; ask for fewer."""


def revert_from(data: bytes, label: str = "") -> ContractRevert:
    """The exception for the revert data `data` of the call `label` (e.g. `FederatedRounds.attest`)."""
    entry = _known().get(data[:4])
    if entry is None:
        return _unknown(data, label)
    try:
        decoded = decode_values(entry["inputs"], data[4:])
    except ProtocolError:
        return _unknown(data, label)
    values = {snake(item["name"]): value for item, value in zip(entry["inputs"], decoded, strict=True)}
    return ContractRevert(_sentence(entry, values, label), name=entry["name"], values=values)


def error_name(selector: bytes) -> str:
    """The name of the custom error with this selector, empty when none of ours has it."""
    entry = _known().get(selector)
    return "" if entry is None else str(entry["name"])


@functools.cache
def _known() -> dict[bytes, Parameter]:
    """Selector -> ABI entry of every custom error in abi/."""
    entries = [entry for name in artifact_names() for entry in artifact(name).abi if entry["type"] == "error"]
    return {keccak(signature(entry).encode())[:4]: entry for entry in [*entries, *_BUILT_IN]}


def _unknown(data: bytes, label: str) -> ContractRevert:
    what = f"with an error this version does not know (0x{data[:4].hex()})" if data else "without a reason"
    return ContractRevert(f"{label or 'A contract'} refused {what}.", name="", values={"data": data})


def _sentence(entry: Parameter, values: Mapping[str, Any], label: str) -> str:
    name: str = entry["name"]
    if name == "Panic":
        return f"{label or 'A contract'} refused: {_PANICS.get(values['code'], 'internal error')}."
    kinds = [str(item.get("internalType", "")) for item in entry["inputs"]]
    shown = {key: _told(kind, key, value) for kind, (key, value) in zip(kinds, values.items(), strict=True)}
    if name in SENTENCES:
        try:
            return SENTENCES[name].format(**shown)
        except KeyError:  # the same name with other arguments, in a contract that is not ours
            pass
    given = ", ".join(f"{key} {value}" for key, value in shown.items())
    return f"{label or 'A contract'} refused: {name}({given})."


def _told(kind: str, key: str, value: Any) -> str:
    """A value for a sentence: moments and days as dates."""
    if key in _DAYS:
        return (_FIRST_DAY + timedelta(days=value)).isoformat()  # 16 bits: every calendar reaches that
    return _moment(value) if key in _MOMENTS else _shown(kind, value)


def _moment(second: int) -> str:
    """A second of chain time in UTC; 0 is none yet, and what no calendar reaches stays a number."""
    if second == 0:
        return _NO_MOMENT
    try:
        return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"second {second}"


def _shown(kind: str, value: Any) -> str:
    """A value for a sentence, members of enums by name."""
    names = _ENUMS.get(kind, ())
    return names[value] if isinstance(value, int) and value < len(names) else text_of(value)
