"""One typed wrapper per contract. `medfed.chain.deployment.load` hands them out together, as a `Deployment`."""

from __future__ import annotations

from medfed.chain.contracts.access import AccessManager, Role
from medfed.chain.contracts.claims import Claims
from medfed.chain.contracts.consents import Consents
from medfed.chain.contracts.consortium import Consortium
from medfed.chain.contracts.datasets import Datasets
from medfed.chain.contracts.market import Market
from medfed.chain.contracts.payouts import Payouts
from medfed.chain.contracts.proofs import Proofs
from medfed.chain.contracts.rounds import Rounds
from medfed.chain.contracts.rules import (
    MedianRule,
    QuorumOnlyRule,
    Rule,
    SumRule,
    TrimmedMeanRule,
    check_rule,
    rule_creation,
)
from medfed.chain.contracts.studies import Studies
from medfed.chain.contracts.token import Token
from medfed.chain.contracts.vault import Vault

__all__ = [
    "AccessManager",
    "Claims",
    "Consents",
    "Consortium",
    "Datasets",
    "Market",
    "MedianRule",
    "Payouts",
    "Proofs",
    "QuorumOnlyRule",
    "Role",
    "Rounds",
    "Rule",
    "Studies",
    "SumRule",
    "Token",
    "TrimmedMeanRule",
    "Vault",
    "check_rule",
    "rule_creation",
]
