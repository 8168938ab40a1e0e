"""Who gained and lost what in a demo's study, and where slashed tokens went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medfed.cli.demo.scenario import Stage

__all__ = ["gains"]


def gains(
    stage: Stage, names: Mapping[str, str], honest: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """A row for each account of `names`, one for what is burnt and one for what the study has not paid out; all nets
    together are zero. `honest` are the rows of the same study without liars."""
    accounts = [_gain(stage, account, name) for account, name in names.items()]
    burnt = sum(event["amount"] for event in _events(stage, "Burnt"))
    left = stage.federation.contracts.vault.pot(stage.study).amount
    rows = [*accounts, _row("burnt", net=burnt), _row("left in the study's pot", net=left)]
    without = {row["name"]: row["net"] for row in honest}
    return [row | {"honest": without[row["name"]]} for row in rows] if honest else rows


def _gain(stage: Stage, account: str, name: str) -> dict[str, Any]:
    """What came into an account of the vault and was taken from it; of a sponsor, also what it put in."""
    paid = sum(event["amount"] for event in _events(stage, "Paid", account=account))
    put_in = sum(event["amount"] for event in _events(stage, "Funded", **{"from": account}))
    slashed = sum(event["amount"] for event in _events(stage, "Slashed", account=account))
    won = sum(event["amount"] for event in _events(stage, "ChallengerPaid", challenger=account))
    return _row(name, paid=paid, put_in=put_in, slashed=slashed, won=won, net=paid + won - put_in - slashed)


def _row(name: str, **amounts: int) -> dict[str, Any]:
    return {"name": name, "paid": 0, "put_in": 0, "slashed": 0, "won": 0, **amounts}


def _events(stage: Stage, name: str, **where: Any) -> list[Any]:
    return stage.federation.index.events(name, study=stage.study, **where)
