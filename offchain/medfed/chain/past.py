"""What was done to a deployment once, by its events. What its administration has undone since is not for a deployer to do again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cached_property

from medfed.chain.calls import Event
from medfed.chain.client import ChainClient
from medfed.chain.contracts import Role
from medfed.chain.contracts.base import events_of
from medfed.chain.index import EventIndex, Source
from medfed.types import Address

__all__ = ["Past"]


class Past:
    """The grants, wirings and allowances of a deployment since block `first`. Read when it is first asked for something."""

    def __init__(self, client: ChainClient, places: Mapping[str, Address], first: int) -> None:
        self._client = client
        self._sources = [
            Source(places[name], events_of(name), first) for name in ("AccessManager", "StakeVault")
        ]

    def gave(self, role: Role, account: Address | None = None) -> bool:
        """Whether the role was ever given to the account, or to anybody."""
        given = {event["account"] for event in self._events["RoleGranted"] if event["role_id"] == role}
        return bool(given) if account is None else account in given

    def wired(self, target: Address, selector: bytes) -> bool:
        """Whether the function was ever told which role to ask for."""
        told = {
            (event["target"], bytes(event["selector"])) for event in self._events["TargetFunctionRoleUpdated"]
        }
        return (target, selector) in told

    def allowed(self, token: Address) -> bool:
        """Whether the token was ever allowed."""
        return any(event["allowed"] and event["token"] == token for event in self._events["TokenAllowed"])

    @cached_property
    def _events(self) -> dict[str, list[Event]]:
        names = "RoleGranted", "TargetFunctionRoleUpdated", "TokenAllowed"
        with contextlib.closing(EventIndex(None, self._client, self._sources, confirmations=0)) as index:
            index.sync()
            return {name: index.events(name) for name in names}
