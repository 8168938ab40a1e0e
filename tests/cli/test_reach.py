"""Every step of the protocol is within reach of who has to take it: no contract call lacks a way to make it."""

from __future__ import annotations

import ast

import pytest

from medfed.chain.artifacts import artifact
from tests.meta.source import modules

CONTRACTS = {
    "Consortium": "consortium",
    "DatasetRegistry": "datasets",
    "ConsentRegistry": "consents",
    "FederatedRounds": "rounds",
    "Studies": "studies",
    "Claims": "claims",
    "Proofs": "proofs",
    "Payouts": "payouts",
    "StakeVault": "vault",
    "ModelMarket": "market",
}
BY_CONTRACTS = {
    "DatasetRegistry": {"lock", "unlock"},
    "FederatedRounds": {"open", "finaliseByTime", "bar", "pay", "refute", "strike"},
    "Studies": {"slashLiars", "slashAuthor", "slashCareless", "slashAbsent"},
    "Claims": {"beginAnew", "refute"},
    "StakeVault": {"lock", "unlock", "slash", "fund", "pay", "burn", "collect", "disburse"},
}
"""Called by another contract of the deployment only."""
ANY_WALLET = {
    "approve",
    "safeBatchTransferFrom",
    "safeTransferFrom",
    "setApprovalForAll",
    "setAuthority",
    "transferFrom",
}
"""Standard calls of ERC-721, ERC-1155 and AccessManager, which any wallet makes."""


def changes(contract):
    """Its state-changing functions."""
    entries = [entry for entry in artifact(contract).abi if entry["type"] == "function"]
    names = {entry["name"] for entry in entries if entry["stateMutability"] not in ("view", "pure")}
    return sorted(names - ANY_WALLET - BY_CONTRACTS.get(contract, set()))


def wrappers(module):
    """Method by the function that it calls."""
    found = {}
    for node in ast.walk(modules()[f"chain.contracts.{module}"]):
        if isinstance(node, ast.FunctionDef):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "self._change":
                    found[ast.literal_eval(call.args[0])] = node.name
    return found


def words_above():
    """Every attribute and string in the layers that act for people, and in what posts for them."""
    for name, tree in modules().items():
        if (
            name.split(".")[0] in ("cli", "nodes", "rounds") or name == "chain.posting"
        ) and not name.startswith("cli.demo"):
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute):
                    yield node.attr
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


REACHED = set(words_above())


@pytest.mark.parametrize(
    ("contract", "function"), [(contract, name) for contract in CONTRACTS for name in changes(contract)]
)
def test_every_contract_call_can_be_made_without_the_demo(contract, function):
    """There is a wrapper for it, and a command or a daemon uses the wrapper."""
    method = wrappers(CONTRACTS[contract]).get(function)
    assert method is not None, f"{contract}.{function} has no wrapper"
    assert method in REACHED, f"nothing in cli, nodes or rounds calls {method}"
