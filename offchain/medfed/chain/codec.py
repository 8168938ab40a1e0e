"""ABI encoding for the contract wrappers, errors and events: names in snake_case, structs as plain mappings.

A function's arguments may be dataclasses wherever Solidity wants a struct: fields are taken by name
(`cohort_root` for `cohortRoot`), so that their order cannot be confused. Results come back as `dict` for structs with
names, addresses in checksum form, `bytes32` as bytes, numbers as int.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import encode
from eth_abi.codec import ABIDecoder
from eth_abi.decoding import StringDecoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import ABIRegistry, registry
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from medfed.errors import InputError, ProtocolError

__all__ = ["Interface", "abi_type", "decode_values", "encode_values", "signature", "snake"]

Parameter = dict[str, Any]


def _lenient() -> ABIDecoder:
    """A contract's text may be any bytes, and somebody else's: what is no UTF-8 is shown as U+FFFD and stops no reader."""
    own: ABIRegistry = registry.copy()  # type: ignore[no-untyped-call]
    text = StringDecoder(handle_string_errors="replace")  # type: ignore[no-untyped-call]
    own.unregister_decoder("string")
    own.register_decoder("string", text, label="string")
    return ABIDecoder(own)


_decode = _lenient().decode


@functools.cache
def snake(name: str) -> str:
    """`cohortRoot` -> `cohort_root`; a leading underscore goes away."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name.lstrip("_")).lower()


def abi_type(parameter: Parameter) -> str:
    """The canonical type of an ABI parameter, tuples written out."""
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(abi_type(component) for component in parameter["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def signature(entry: Parameter) -> str:
    """`name(type,...)` of a function, event or error."""
    return f"{entry['name']}({','.join(abi_type(item) for item in entry['inputs'])})"


def encode_values(parameters: Sequence[Parameter], values: Sequence[Any]) -> bytes:
    """ABI-encode `values` as the parameters say; raises `InputError` naming what does not fit."""
    if len(parameters) != len(values):
        raise InputError(f"{len(values)} values were given where the contract takes {len(parameters)}.")
    types = [abi_type(item) for item in parameters]
    try:
        return encode(types, [_lower(item, value) for item, value in zip(parameters, values, strict=True)])
    except (EncodingError, TypeError, OverflowError, UnicodeEncodeError) as exc:
        raise InputError(f"A value does not fit the contract's types ({', '.join(types)}): {exc}") from exc


def decode_values(parameters: Sequence[Parameter], data: bytes) -> tuple[Any, ...]:
    """Decode ABI-encoded `data`; raises `ProtocolError` when it is not what the parameters say."""
    try:
        raw = _decode([abi_type(item) for item in parameters], data)
    except (DecodingError, OverflowError) as exc:
        raise ProtocolError(f"A contract answered {len(data)} bytes that do not fit its ABI: {exc}") from exc
    return tuple(_raise(item, value) for item, value in zip(parameters, raw, strict=True))


def _lower(parameter: Parameter, value: Any) -> Any:
    """Structs given by name -> tuples in the ABI's order."""
    kind: str = parameter["type"]
    if kind.endswith("]"):
        element = {**parameter, "type": kind[: kind.rindex("[")]}
        return [_lower(element, item) for item in value]
    if kind != "tuple" or isinstance(value, (tuple, list)):
        return value
    return tuple(_lower(part, _member(value, part["name"])) for part in parameter["components"])


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value[snake(name)]
    return getattr(value, snake(name))


def _raise(parameter: Parameter, value: Any) -> Any:
    """Tuples in the ABI's order -> structs by name; addresses in checksum form."""
    kind: str = parameter["type"]
    if kind.endswith("]"):
        element = {**parameter, "type": kind[: kind.rindex("[")]}
        return tuple(_raise(element, item) for item in value)
    if kind == "tuple":
        parts = zip(parameter["components"], value, strict=True)
        return {snake(part["name"]): _raise(part, item) for part, item in parts}
    return to_checksum_address(value) if kind == "address" else value


class Interface:
    """The callable side of one contract's ABI. Functions may be named `f` or, where overloaded, `f(type,...)`."""

    def __init__(self, abi: Sequence[Parameter]) -> None:
        self._functions = {signature(entry): entry for entry in abi if entry["type"] == "function"}
        self._constructor: Parameter = next(
            (entry for entry in abi if entry["type"] == "constructor"), {"inputs": []}
        )
        self.events = {signature(entry): entry for entry in abi if entry["type"] == "event"}
        self.errors = {signature(entry): entry for entry in abi if entry["type"] == "error"}
        self._selectors: dict[str, bytes] = {}
        self._named: dict[str, str] = {}

    def encode(self, function: str, *values: Any) -> bytes:
        """Calldata of `function(*values)`."""
        text = self._resolve(function)
        return self.selector(text) + encode_values(self._functions[text]["inputs"], values)

    def decode(self, function: str, data: bytes) -> Any:
        """What `function` returned: the value, or a tuple of several."""
        outputs = self._functions[self._resolve(function)]["outputs"]
        values = decode_values(outputs, data)
        return values[0] if len(values) == 1 else values

    def constructor(self, *values: Any) -> bytes:
        """The encoded constructor arguments."""
        return encode_values(self._constructor["inputs"], values)

    def constructor_inputs(self) -> list[Parameter]:
        """The constructor's parameters as the ABI lists them."""
        return list(self._constructor["inputs"])

    @property
    def functions(self) -> list[str]:
        """The signatures of all functions."""
        return list(self._functions)

    def has(self, function: str) -> bool:
        """Whether the contract has a function of this name."""
        return any(text.partition("(")[0] == function for text in self._functions)

    def selector(self, function: str) -> bytes:
        """The first four bytes of calldata for `function`."""
        text = self._resolve(function)
        if text not in self._selectors:
            self._selectors[text] = keccak(text.encode())[:4]
        return self._selectors[text]

    def _resolve(self, function: str) -> str:
        if function in self._functions:
            return function
        if function not in self._named:
            found = [text for text in self._functions if text.partition("(")[0] == function]
            if len(found) != 1:
                raise KeyError(f"{function} names {len(found)} functions of this contract")
            self._named[function] = found[0]
        return self._named[function]
