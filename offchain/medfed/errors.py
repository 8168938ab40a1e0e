"""Every error MedFed raises on purpose.

MedFedError
├── Fatal                     stop: trying again cannot help (exit code in `exit_code`)
│   ├── ConfigError           a setting, file or key is missing or wrong
│   ├── InputError            data, spec or argument that breaks a rule
│   │   ├── SpecError         a study spec that cannot be run safely
│   │   └── DataError         a dataset that cannot be trained on
│   ├── IntegrityError        bytes that are not what their CID, root or header says
│   ├── ProtocolError         an artefact of another party that breaks the protocol
│   │   └── Inconsistent      events that cannot have happened beside each other
│   ├── PolicyRefusal         the hospital's own policy does not allow it
│   ├── WrongChain            another chain id, genesis, or no contracts at the address
│   ├── UnsupportedVersion    a value that no contract of this version tells
│   ├── KeystoreError         a keystore that is missing, damaged, or opened with the wrong password
│   ├── ContractRevert        a contract refused; carries the decoded error and its values
│   ├── VerificationFailed    an audit found a difference
│   ├── NotProved             nothing is wrong, and a proof is missing
│   └── InternalError         a fault of this program, which finds nothing about what it looked at
└── Transient                 try again in the next cycle
    ├── ChainUnavailable      the RPC does not answer
    │   └── Contradicted      it tells other events than the contracts keep
    ├── StoreUnavailable      the content store does not answer
    ├── ContentMissing        no reachable node has these bytes yet
    ├── OutOfFunds            an account cannot pay for its transaction
    └── TransactionStuck      a transaction was not mined in time

A message is one sentence that names what is wrong and what to do. It never holds a key, a password or a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "ChainUnavailable",
    "ConfigError",
    "ContentMissing",
    "ContractRevert",
    "Contradicted",
    "DataError",
    "Fatal",
    "Inconsistent",
    "InputError",
    "IntegrityError",
    "InternalError",
    "KeystoreError",
    "MedFedError",
    "NotProved",
    "OutOfFunds",
    "PolicyRefusal",
    "ProtocolError",
    "SpecError",
    "StoreUnavailable",
    "TransactionStuck",
    "Transient",
    "UnsupportedVersion",
    "VerificationFailed",
    "WrongChain",
]


class MedFedError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class Fatal(MedFedError):
    """Trying again cannot help."""


class ConfigError(Fatal):
    """A setting, file or key is missing or wrong."""

    exit_code = 2


class InputError(Fatal):
    """Data or an argument that breaks a rule."""

    exit_code = 2


class SpecError(InputError):
    """A study spec that cannot be run safely."""


class DataError(InputError):
    """A dataset that cannot be trained on."""


class IntegrityError(Fatal):
    """Bytes that are not what their CID, root or header says; `cid` names them where one exists."""

    exit_code = 3

    def __init__(self, message: str, *, cid: str | None = None) -> None:
        super().__init__(message)
        self.cid = cid


class ProtocolError(Fatal):
    """An artefact of another party that breaks the protocol."""

    exit_code = 3


class Inconsistent(ProtocolError):
    """Events that cannot have happened beside each other: one names what no other tells of."""


class PolicyRefusal(Fatal):
    """The hospital's own policy does not allow it."""

    exit_code = 4


class WrongChain(Fatal):
    """Another chain than the settings say, or no contracts at the address."""

    exit_code = 5


class UnsupportedVersion(Fatal):
    """A value that no contract of this version tells: it is of another version, or invented."""

    exit_code = 5


class KeystoreError(Fatal):
    """A keystore that is missing, damaged, or opened with the wrong password."""

    exit_code = 6


class ContractRevert(Fatal):
    """A contract refused: `name` is the custom error, `values` its arguments by name."""

    exit_code = 7

    def __init__(self, message: str, *, name: str, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.values = dict(values or {})


class VerificationFailed(Fatal):
    """An audit found a difference; the message is the first one."""

    exit_code = 1


class NotProved(Fatal):
    """Nothing is wrong, and a proof is missing: what there is may be invented."""

    exit_code = 8


class InternalError(Fatal):
    """A fault of this program: it says nothing about what was looked at."""

    exit_code = 9


class Transient(MedFedError):
    """The next cycle may succeed."""

    exit_code = 75


class ChainUnavailable(Transient):
    """The RPC does not answer."""


class Contradicted(ChainUnavailable):
    """A node tells other events than the contracts keep; nothing is built on them."""


class StoreUnavailable(Transient):
    """The content store does not answer."""


class ContentMissing(Transient):
    """No reachable node has these bytes yet; `cid` names them."""

    def __init__(self, message: str, *, cid: str) -> None:
        super().__init__(message)
        self.cid = cid


class OutOfFunds(Transient):
    """An account cannot pay for its transaction; someone may top it up."""


class TransactionStuck(Transient):
    """A transaction was not mined in time."""
