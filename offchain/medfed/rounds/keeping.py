"""How long what a study published is kept: what lasts for good, and until when the rest does.

From `settled_at` on no contract can be shown a byte of an update: disputes, claims and reviews of all its rounds are over. What has
no end then (patients' pay and uses, disclosures of cohorts, the sale of the model) needs the spec, the manifests and the
final model alone, and these stay. The updates and the models between are for whoever verifies the study, so they stay for some
time more, or until somebody has them in a bundle.
"""

from __future__ import annotations

import time

from medfed.chain.client import ChainClient
from medfed.chain.index import EventIndex
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.consent import DAY
from medfed.rounds.history import StudyHistory, read_round
from medfed.types import BlockStamp, Cid, RoundNumber

__all__ = ["keeping_time", "kept_until", "lasting"]


def kept_until(study: StudyHistory, days: int) -> int:
    """The second of chain time to which all of a study's files are kept; 0 while it has not ended."""
    return study.settled_at + days * DAY if study.ended else 0


def keeping_time(client: ChainClient, block: BlockStamp) -> int:
    """The second at a block that keep times are held against: neither a wall clock that runs ahead nor a block that a node dates
    years ahead lets anything go. A chain for development has no other time than its blocks'."""
    return block.timestamp if client.is_development else min(block.timestamp, int(time.time()))


def lasting(index: EventIndex, study: StudyHistory) -> list[Cid]:
    """The files of a study that are kept for good: its spec, all manifests, and its last result's model."""
    found, model = [cid_from_digest(study.terms.spec)], b""
    for number in range(1, study.rounds + 1):
        history = read_round(index, study.study, RoundNumber(number))
        updates = (*history.updates.values(), *history.removed.values())
        found += [cid_from_digest(update.cohort_cid) for update in updates]
        model = history.result.model if history.result is not None else model
    return list(dict.fromkeys([*found, cid_from_digest(model)] if model else found))
