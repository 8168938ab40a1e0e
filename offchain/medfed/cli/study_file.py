"""A study as its sponsor writes it: a TOML file with a [spec], which is published, and an [offer]."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from medfed.chain.coin import Coin
from medfed.cli.actions import Offer
from medfed.errors import InputError, SpecError
from medfed.protocol import purposes as duo
from medfed.protocol.documents import Feature, Schema, StudyDraft

__all__ = ["read_study_file", "template"]

_AMOUNTS = ("reward_per_round", "stake", "bond")
_WORDS = ("score_mode",)

_TEMPLATE = """\
# A study for `medfed study create`. What stands under [spec] is published and cannot be changed afterwards.

[spec]
title = {title}
description = {description}
purposes = "HMB"            # one of GRU, HMB, DS, POA; then CC, MDS and what you promise: "HMB,NPU" (docs/purposes.md)
disease = 0                 # a disease code, for DS
rounds = {rounds}
seed = "{seed}"                  # every random draw follows from it
cohort_step = 16            # cohorts are counted in steps of so many patients; a smaller one abstains

[spec.model]
kind = "logistic"           # or "mlp", then with hidden = [64, 32]

[spec.training]             # what each hospital does in a round
epochs = 4
batch_size = 16
learning_rate = 0.5
l2 = 0.003
momentum = 0.0

[spec.codec]                # updates as integers: max_hospitals * max_weight * bound * scale has to stay below 2^31
clip_norm = 8.0             # longest update
bound = 2.0                 # largest coordinate of an update
scale = 131072.0            # steps per unit
max_weight = 512            # most patients of one hospital that count
max_hospitals = {hospitals}

# [spec.rule]               # how updates become an aggregate, see docs/rules.md; the sum by weight where nothing is named
# kind = "median"           # or "sum", "trimmed-mean" (then with trim = 1), "multi-krum" (then with faulty = 1),
                            # "geometric-median"; by the last two only a quorum ends a round, whatever max_attempts says

[spec.server]
optimizer = "fedavg"
learning_rate = 1.0

[spec.schema]               # a model sees (value - center) / scale: public constants, never statistics of records
label = {label}
features = [
{features}
]

[offer]                     # amounts as text are whole tokens, as numbers smallest units; times are seconds
reward_per_round = "100"
stake = "500"               # each hospital's, given back after the study: what a lie costs
enrol_seconds = 86400
min_hospitals = 3
max_voids = 2               # void rounds that the study survives; one more aborts it
training_seconds = 3600
aggregating_seconds = 3600
dispute_seconds = 600       # how long a round's result can be proved wrong; pay and stakes unlock after it
attester_bps = 1000         # share of those who recompute and attest (who review, where reviews pay), in 1/10,000
score_mode = "weight"       # what the rest is shared out by: "weight" (consented patients), "equal", or "reviewed": hospitals
                            # score each other's updates on records of their own, see docs/incentives.md
patient_bps = 0             # share of a round's reward, and of licence fees, that patients may claim, in 1/10,000
sponsor_fee_bps = 1000      # your share of the finished model's licence fees, in 1/10,000
max_attempts = 4            # claims of a round's result without a quorum; 0 where only a quorum may end a round
claim_seconds = 3600        # how long such a claim can be objected to
bond = "250"                # at most half of the stake: what it puts at stake, and what a stranger's objection does
"""


def read_study_file(path: Path, coin: Coin) -> tuple[StudyDraft, Offer]:
    """The study in a file. Raises `InputError` and `SpecError` with the place that is wrong."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise InputError(f"The study in {path} cannot be read: {exc.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"The study in {path} is not valid TOML: {exc}.") from None
    for section in ("spec", "offer"):
        if not isinstance(found.get(section), dict):
            raise InputError(
                f"The study in {path} has no section [{section}]; `medfed study template` shows one."
            )
    spec = dict(found["spec"])
    if isinstance(spec.get("purposes"), str):
        spec["purposes"] = duo.parse(spec["purposes"])
    try:
        draft = StudyDraft.from_fields(spec)
    except SpecError as exc:
        said = str(exc).removeprefix("StudyDraft: ").replace(": Input should be", " has to be")
        raise SpecError(f"The study in {path}: {said}") from None
    offer = _offer(path, found["offer"], coin)
    _check_joinable(draft, offer)
    _check_bond(draft, offer, coin)
    return draft, offer


def _offer(path: Path, said: dict[str, Any], coin: Coin) -> Offer:
    known = {field.name for field in fields(Offer)}
    for name in said:
        if name not in known:
            raise InputError(
                f"The [offer] in {path} names {name!r}, which is unknown; it may name {sorted(known)}."
            )
    values: dict[str, Any] = {
        name: coin.units(value) if name in _AMOUNTS and isinstance(value, str) else value
        for name, value in said.items()
    }
    for name, value in values.items():
        if name in _WORDS and isinstance(value, str):
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise InputError(f"The [offer] in {path}: {name} has to be a whole number that is not negative.")
    try:
        return Offer(**values)
    except TypeError as exc:
        missing = str(exc).partition("argument")[2].lstrip("s: ")
        raise InputError(f"The [offer] in {path} lacks {missing}.") from None


def _check_joinable(draft: StudyDraft, offer: Offer) -> None:
    """Raise `InputError` for a study that nobody could join; the contract would take the sponsor's tokens for it."""
    most = draft.codec_spec.max_hospitals
    if offer.min_hospitals > most:
        raise InputError(
            f"Nobody could run this study: it asks for {offer.min_hospitals} hospitals and has room for {most}."
        )
    if offer.enrol_seconds == 0:
        raise InputError(
            "Nobody could join this study: offer.enrol_seconds is 0; give hospitals time to enrol."
        )


def _check_bond(draft: StudyDraft, offer: Offer, coin: Coin) -> None:
    """Raise `InputError` for a bond that no contract takes: a claim of a round's result stakes half of the stake at most."""
    most = offer.stake // 2
    claims = offer.max_attempts and draft.rule.per_chunk
    if not claims or offer.bond is None or 0 < offer.bond <= most:
        return
    raise InputError(
        f"A bond of {coin.text(offer.bond)} is not possible with a stake of {coin.text(offer.stake)}: it has to be more "
        f"than nothing and at most half of it, {coin.text(most)}; or allow no claims with max_attempts = 0."
    )


def template(schema: Schema, texts: tuple[str, str], numbers: tuple[int, int, int]) -> str:
    """The text of a study file with every field and its meaning. `texts`: title, description; `numbers`: rounds, seed,
    most hospitals."""
    title, description = texts
    rounds, seed, hospitals = numbers
    return _TEMPLATE.format(
        title=_quoted(title),
        description=_quoted(description),
        rounds=rounds,
        seed=seed,
        hospitals=hospitals,
        label=_quoted(schema.label),
        features="\n".join(map(_feature, schema.features)),
    )


def _feature(feature: Feature) -> str:
    return f"  {{ name = {_quoted(feature.name)}, center = {feature.center!r}, scale = {feature.scale!r} }},"


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
