"""Who ran a deployment and how: each act of its administration in order, who holds which role, how the AccessManager is
set, and its contracts with their code and values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from eth_utils.crypto import keccak

from medfed.chain.artifacts import artifact, artifact_names
from medfed.chain.calls import Call, Event
from medfed.chain.client import BlockLike
from medfed.chain.contracts import Role
from medfed.chain.contracts.base import events_of, interface_of
from medfed.chain.deployment import Deployment
from medfed.chain.index import EventIndex
from medfed.chain.roles import RESTRICTED, restricted_names, role_name
from medfed.errors import ContractRevert

__all__ = [
    "Act",
    "ContractFacts",
    "Holder",
    "Setting",
    "acts",
    "contract_facts",
    "holders",
    "in_words",
    "scheduled",
    "settings",
]

_ACTS = {
    "AccessManager": (
        *("RoleGranted", "RoleRevoked", "RoleLabel", "RoleAdminChanged", "RoleGuardianChanged"),
        *("RoleGrantDelayChanged", "TargetFunctionRoleUpdated", "TargetAdminDelayUpdated", "TargetClosed"),
        *("OperationScheduled", "OperationExecuted", "OperationCanceled"),
    ),
    "Consortium": (
        *("HospitalAdmitted", "HospitalNamed", "HospitalSuspended", "HospitalReinstated", "OperatorRotated"),
        *("AdminProposed", "AdminWithdrawn", "AdminVetoed", "AdminReplaced"),
        *("EncryptionKeyRotated", "MetadataUpdated", "AuthorityUpdated"),
    ),
    "StakeVault": ("TokenAllowed", "Paused", "Unpaused", "AuthorityUpdated"),
    "ModelMarket": ("AuthorityUpdated",),
}
_ROLES = ("role_id", "admin", "guardian")
"""What names a role where it is a number; a hospital's `admin` is an account."""
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
    """Of the AccessManager with its `settings`."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a role by the events: from which second on, after how many seconds of notice they may act."""

    role: str
    account: str
    since: int
    delay: int


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that the AccessManager can be told, and what a deployment has that was never told."""

    subject: str
    fresh: str
    ask: Callable[[BlockLike], Any]
    words: Callable[[Any], str]

    def told(self, block: BlockLike = None) -> str:
        """What it is, in words."""
        return self.words(self.ask(block))


def acts(index: EventIndex) -> list[Act]:
    """Roles given and taken, hospitals admitted, suspended and changed, pauses, tokens allowed: all, oldest first."""
    found = [
        event
        for contract, names in _ACTS.items()
        for name in names
        for event in _events(index, contract, name)
    ]
    return [_act(event) for event in sorted(found, key=lambda event: (event.block, event.log_index))]


def holders(index: EventIndex) -> list[Holder]:
    """Everybody who holds a role, by role and account."""
    found: dict[tuple[int, str], Holder] = {}
    changes = [*index.events("RoleGranted"), *index.events("RoleRevoked")]
    for event in sorted(changes, key=lambda event: (event.block, event.log_index)):
        role, account = event["role_id"], event["account"]
        before = found.pop((role, account), None)
        if event.name == "RoleGranted":
            since = event["since"] if before is None else before.since
            found[role, account] = Holder(role_name(role), account, since, event["delay"])
    return [found[key] for key in sorted(found)]


def scheduled(index: EventIndex) -> list[Event]:
    """The operations that were announced to the AccessManager, and neither carried out nor called off: what an act with notice
    is before it counts. One that nobody carries out within a week of its second has lapsed; whoever asks knows the time."""
    over = {
        (event["operation_id"], event["nonce"])
        for name in ("OperationExecuted", "OperationCanceled")
        for event in index.events(name)
    }
    return [e for e in index.events("OperationScheduled") if (e["operation_id"], e["nonce"]) not in over]


def in_words(event: Event) -> str:
    """A scheduled operation: which function of which contract, by whom, from which second on."""
    selector = bytes(event["data"][:4])
    function = _functions().get(selector, f"the unknown function 0x{selector.hex()}")
    return f"{function} of {event['target']} by {event['caller']} from second {event['schedule']} on"


def settings(deployment: Deployment) -> Iterator[Setting]:
    """How the roles are run, what is closed, and which function asks for which role."""
    manager, book = deployment.manager, deployment.book
    for role in Role:
        if role is not Role.ADMIN:  # which is its own admin and guardian, for good
            asked = partial(manager.role_admin, role), partial(manager.role_guardian, role)
            yield Setting(f"{role.name} is given and taken by", Role.ADMIN.name, asked[0], role_name)
            yield Setting(f"{role.name} is guarded by", Role.ADMIN.name, asked[1], role_name)
        yield Setting(
            f"a grant of {role.name} counts after", "0 s", partial(manager.grant_delay, role), _seconds
        )
    for name in ("AccessManager", *restricted_names()):
        target = book.contracts[name].address
        yield Setting(f"{name} is", "open", partial(manager.is_closed, target), _openness)
        notice = partial(manager.admin_delay, target)
        yield Setting(f"the rights over {name} change after", "0 s", notice, _seconds)
    for kind, functions, role in RESTRICTED:
        target = book.contracts[kind.NAME].address
        for function in functions:
            selector = interface_of(kind.NAME).selector(function)
            ask = partial(manager.target_function_role, target, selector)
            yield Setting(f"{kind.NAME}.{function} asks for", role.name, ask, role_name)


def _seconds(value: int) -> str:
    return f"{value} s"


def _openness(closed: bool) -> str:
    return "closed" if closed else "open"


def contract_facts(deployment: Deployment, block: BlockLike = None) -> list[ContractFacts]:
    """Every contract in the address book, as it is at `block`."""
    known = [name for name in deployment.book.contracts if name in artifact_names()]
    return [_facts(deployment, name, block) for name in sorted(known)]


def _events(index: EventIndex, contract: str, name: str) -> list[Event]:
    return index.events(name, contract=contract) if name in events_of(contract).by_name else []


def _act(event: Event) -> Act:
    values = {
        name: role_name(value) if name in _ROLES and isinstance(value, int) else value
        for name, value in event.values.items()
    }
    if "selector" in values:
        selector = bytes(event["selector"])
        values["selector"] = _functions().get(selector, f"unknown function 0x{selector.hex()}")
    return Act(event.block, event.time, event.contract, event.name, values)


def _functions() -> dict[bytes, str]:
    """Selector -> name of the functions that ask for a role, and of the AccessManager's own."""
    return {
        interface_of(name).selector(signature): signature.partition("(")[0]
        for name in ("AccessManager", *restricted_names())
        for signature in interface_of(name).functions
    }


def _facts(deployment: Deployment, name: str, block: BlockLike) -> ContractFacts:
    placed = deployment.book.contracts[name]
    code = deployment.client.code(placed.address, block)
    made = artifact(name).is_code(code)
    told = dict(_parameters(deployment, name, block)) if made else {}
    if made and name == "AccessManager":
        told |= {setting.subject: setting.told(block) for setting in settings(deployment)}
    return ContractFacts(
        name=name,
        address=placed.address,
        code_hash=keccak(code),
        as_compiled=made,
        parameters=told,
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
