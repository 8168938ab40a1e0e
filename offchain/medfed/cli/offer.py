"""What a study offers and asks for, in words: for hospitals that have not joined yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medfed.cli.output import length_of, share_of

if TYPE_CHECKING:
    from medfed.chain.coin import Coin
    from medfed.chain.contracts.studies import StudyTerms
    from medfed.protocol.documents import RuleSpec

__all__ = ["offer_facts", "offer_lines", "rule_text"]

_WINDOWS = {"training": "training", "aggregating": "aggregating", "claim": "claims", "dispute": "disputes"}
_MODES = {
    "weight": "by weight",
    "equal": "in equal parts",
    "reviewed": "by reviews",
}


def offer_facts(terms: StudyTerms, rule: RuleSpec | None) -> dict[str, Any]:
    """The terms as plain data. `rule` is what the spec says, None where nobody has the spec yet."""
    return {
        "reward_per_round": terms.reward_per_round,
        "stake": terms.stake,
        "bond": terms.bond,
        "max_attempts": terms.max_attempts,
        "rule": "" if rule is None else rule_text(rule),
        "rule_contract": terms.rule,
        "min_hospitals": terms.min_hospitals,
        "max_hospitals": terms.max_hospitals,
        "max_voids": terms.max_voids,
        "enrol_deadline": terms.enrol_deadline,
        "training_seconds": terms.training_seconds,
        "aggregating_seconds": terms.aggregating_seconds,
        "claim_seconds": terms.claim_seconds,
        "dispute_seconds": terms.dispute_seconds,
        "score_mode": terms.score_mode.name.lower(),
        "attester_bps": terms.attester_bps,
        "patient_bps": terms.patient_bps,
        "sponsor_fee_bps": terms.sponsor_fee_bps,
    }


def rule_text(rule: RuleSpec) -> str:
    """A rule with its parameter, e.g. "trimmed-mean, trim 2"."""
    parameters = {"trim": rule.trim, "faulty": rule.faulty}
    return ", ".join([rule.kind, *(f"{name} {value}" for name, value in parameters.items() if value)])


def offer_lines(facts: dict[str, Any], coin: Coin) -> list[str]:
    """What `offer_facts` says, for people: amounts in whole tokens, shares in percent, times in hours and minutes."""
    shares = f"{share_of(facts['attester_bps'])} attesters, {share_of(facts['patient_bps'])} patients"
    claims = f"{coin.text(facts['bond'])}, for a claim of a result without a quorum"
    hours = {name: length_of(facts[f"{name}_seconds"]) for name in _WINDOWS}
    if not facts["max_attempts"]:
        del hours["claim"]
    windows = ", ".join(f"{_WINDOWS[name]} {length}" for name, length in hours.items())
    return [
        f"reward     {coin.text(facts['reward_per_round'])} a round: {shares}, the rest {_MODES[facts['score_mode']]}",
        f"stake      {coin.text(facts['stake'])} of each hospital, until the study's disputes are over",
        f"bond       {claims if facts['max_attempts'] else 'none: only a quorum ends a round'}",
        f"rule       {facts['rule'] or facts['rule_contract']}",
        f"windows    {windows}",
        f"hospitals  at least {facts['min_hospitals']}, at most {facts['max_hospitals']}",
        f"voids      void round {facts['max_voids'] + 1} aborts the study",
    ]
