"""Who ran a deployment and how: each act of its administration in order, its contracts with their code and values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from medfed.chain.artifacts import artifact, artifact_names
from medfed.chain.calls import Call, Event
from medfed.chain.client import BlockLike
from medfed.chain.contracts import Role
from medfed.chain.contracts.base import events_of, interface_of
from medfed.chain.deployment import Deployment
from medfed.chain.index import EventIndex
from medfed.errors import ContractRevert

__all__ = ["Act", "ContractFacts", "acts", "contract_facts"]

_ACTS = {
    "AccessManager": (
        *("RoleGranted", "RoleRevoked", "RoleLabel", "RoleAdminChanged", "RoleGuardianChanged"),
        *("RoleGrantDelayChanged", "TargetFunctionRoleUpdated", "TargetAdminDelayUpdated", "TargetClosed"),
    ),
    "Consortium": (
        *("HospitalAdmitted", "HospitalNamed", "HospitalSuspended", "HospitalReinstated", "OperatorRotated"),
        *("AdminProposed", "AdminWithdrawn", "AdminVetoed", "AdminReplaced"),
        *("EncryptionKeyRotated", "MetadataUpdated", "AuthorityUpdated"),
    ),
    "StakeVault": ("TokenAllowed", "Paused", "Unpaused", "AuthorityUpdated"),
}
_ROLES = {
    **{int(role): role.name for role in Role},
    (1 << 64) - 1: "PUBLIC",
}
_NO_PARAMETERS = frozenset({"name", "symbol", "isConsumingScheduledOp"})
"""Views without arguments that say nothing about how a deployment was set up; nor do those that count."""


@dataclass(frozen=True, slots=True)
class Act:
    """One event of the administration. Roles and functions go by name; `time` is the block's second."""

    block: int
    time: int | None
    contract: str
    name: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ContractFacts:
    """A contract: keccak256 of its code, whether that is this version's, and what its views without arguments say."""

    name: str
    address: str
    code_hash: bytes
    as_compiled: bool
    """Whether the code is that in abi/, constructor values aside."""
    parameters: dict[str, Any]


def acts(index: EventIndex) -> list[Act]:
    """Roles given and taken, hospitals admitted, suspended and changed, pauses, tokens allowed: all, oldest first."""
    found = [
        event
        for contract, names in _ACTS.items()
        for name in names
        for event in _events(index, contract, name)
    ]
    return [_act(event) for event in sorted(found, key=lambda event: (event.block, event.log_index))]


def contract_facts(deployment: Deployment, block: BlockLike = None) -> list[ContractFacts]:
    """Every contract in the address book, as it is at `block`."""
    known = [name for name in deployment.book.contracts if name in artifact_names()]
    return [_facts(deployment, name, block) for name in sorted(known)]


def _events(index: EventIndex, contract: str, name: str) -> list[Event]:
    return index.events(name, contract=contract) if name in events_of(contract).by_name else []


def _act(event: Event) -> Act:
    values = {
        name: _ROLES.get(value, value) if name in ("role_id", "admin", "guardian") else value
        for name, value in event.values.items()
    }
    if "selector" in values:
        values["selector"] = _functions().get(bytes(values["selector"]), values["selector"])
    return Act(event.block, event.time, event.contract, event.name, values)


def _functions() -> dict[bytes, str]:
    """Selector -> name of the functions that ask for a role."""
    return {
        interface_of(name).selector(signature): signature.partition("(")[0]
        for name in _ACTS
        for signature in interface_of(name).functions
    }


def _facts(deployment: Deployment, name: str, block: BlockLike) -> ContractFacts:
    placed = deployment.book.contracts[name]
    code = deployment.client.code(placed.address, block)
    made = artifact(name).is_code(code)
    return ContractFacts(
        name=name,
        address=placed.address,
        code_hash=keccak(code),
        as_compiled=made,
        parameters=dict(_parameters(deployment, name, block)) if made else {},
    )


def _parameters(deployment: Deployment, name: str, block: BlockLike) -> Iterator[tuple[str, Any]]:
    interface = interface_of(name)
    for entry in artifact(name).abi:
        if entry["type"] != "function" or entry["inputs"] or len(entry["outputs"]) != 1:
            continue
        view = str(entry["name"])
        if (
            entry["stateMutability"] not in ("view", "pure")
            or view in _NO_PARAMETERS
            or view.endswith("Count")
        ):
            continue
        call = Call(deployment.book.contracts[name].address, interface.encode(view), label=f"{name}.{view}")
        try:
            yield view, interface.decode(view, deployment.client.read(call, block=block))
        except ContractRevert as exc:
            yield view, str(exc)
