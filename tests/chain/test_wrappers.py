"""The wrappers call what the contracts have: each name that stands in one is in its contract's ABI."""

from __future__ import annotations

import ast
import inspect

import pytest

from medfed.chain import contracts
from medfed.chain.contracts.base import Contract, events_of, interface_of

WRAPPERS = [
    kind
    for kind in vars(contracts).values()
    if inspect.isclass(kind) and issubclass(kind, Contract) and hasattr(kind, "NAME")
]
PLACE = {"_change": 0, "_view": 1, "_views": 1, "_event": 1}


def names(kind):
    """(method of the base, name of a function or event) of each call that a wrapper's source makes."""
    for node in ast.walk(ast.parse(inspect.getsource(kind))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PLACE:
            found = node.args[PLACE[node.func.attr]]
            if isinstance(found, ast.Constant):
                yield node.func.attr, found.value


@pytest.mark.parametrize("kind", WRAPPERS, ids=lambda kind: kind.NAME)
def test_every_name_is_in_the_abi(kind):
    for method, name in names(kind):
        if method == "_event":
            assert name in events_of(kind.NAME).by_name
        else:
            assert interface_of(kind.NAME).has(name.partition("(")[0]), f"{kind.NAME} has no {name}"
