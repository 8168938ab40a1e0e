"""A study's published artefacts: its spec, and the model each of its rounds starts from."""

from __future__ import annotations

from medfed.chain.contracts.studies import StudyTerms
from medfed.chain.index import EventIndex
from medfed.errors import ProtocolError
from medfed.learning.models import Model, parse_model
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.documents import StudySpec
from medfed.protocol.layout import Vector
from medfed.rounds.history import StudyHistory, read_round
from medfed.storage import ContentStore
from medfed.types import Cid, RoundNumber

__all__ = [
    "artefacts",
    "check_terms",
    "fetch_model",
    "fetch_spec",
    "model_cid_of",
    "model_limit",
    "published",
]

_SPEC_LIMIT = 1 << 20


def fetch_spec(store: ContentStore, study: StudyHistory, *, wait: float = 0.0) -> StudySpec:
    """The study's spec, checked against its CID and against the terms on chain. Raises `ProtocolError`,
    `ContentMissing`."""
    spec = StudySpec.from_bytes(store.get(cid_from_digest(study.terms.spec), _SPEC_LIMIT, wait=wait))
    check_terms(spec, study.terms)
    return spec


def check_terms(spec: StudySpec, terms: StudyTerms) -> None:
    """Raise `ProtocolError` when spec and chain say different things about the study."""
    said = {
        "purposes": (spec.purposes, terms.purposes),
        "disease": (spec.disease, terms.disease),
        "rounds": (spec.rounds, terms.rounds),
        "cohort step": (spec.cohort_step, terms.cohort_step),
        "largest weight": (spec.codec_spec.max_weight, terms.max_weight),
        "training updates": (_shown(spec.vectors), _shown(terms.training)),
        "statistics before training": (_shown(()), _shown(terms.statistics)),
        "number of hospitals": (spec.codec_spec.max_hospitals, terms.max_hospitals),
    }
    for name, (here, there) in said.items():
        if here != there:
            raise ProtocolError(
                f"The study's spec says {here} for its {name}, the chain says {there}; do not take part."
            )


def _shown(vectors: tuple[Vector, ...]) -> str:
    """What an update consists of, for people."""
    parts = (
        f"{each.words} words of at most {each.steps}{' per unit of weight' if each.weighted else ''}"
        for each in vectors
    )
    return ", ".join(parts) or "nothing"


def model_limit(spec: StudySpec) -> int:
    """Most bytes of a model file of this study: four a parameter, eight for each of the optimiser's, and a header."""
    return 4 * spec.size + 8 * spec.size * len(spec.server.state_names) + (1 << 16)


def model_cid_of(index: EventIndex, study: StudyHistory, spec: StudySpec, number: RoundNumber) -> Cid:
    """The model that round `number` starts from: the last final round's before it, else the initial one."""
    for earlier in range(number - 1, 0, -1):
        result = read_round(index, study.study, RoundNumber(earlier)).result
        if result is not None:
            return cid_from_digest(result.model)
    return Cid(spec.initial_model_cid)


def fetch_model(store: ContentStore, spec: StudySpec, cid: Cid, *, wait: float = 0.0) -> Model:
    """A model file of this study. Raises `ContentMissing`, `IntegrityError`, `ProtocolError`."""
    return parse_model(store.get(cid, model_limit(spec), wait=wait), spec)


def artefacts(index: EventIndex, study: StudyHistory, spec: StudySpec) -> list[Cid]:
    """Every file that an audit of the study needs, oldest first."""
    first = [cid_from_digest(study.terms.spec), Cid(spec.initial_model_cid)]
    return list(dict.fromkeys([*first, *published(index, study)]))


def published(index: EventIndex, study: StudyHistory) -> list[Cid]:
    """The files that the rounds of a study brought, oldest first; also those that nobody published, as too few submitted."""
    found: list[Cid] = []
    for number in range(1, study.rounds + 1):
        history = read_round(index, study.study, RoundNumber(number))
        for update in (*history.updates.values(), *history.removed.values()):
            found += [cid_from_digest(update.cid), cid_from_digest(update.cohort_cid)]
        if history.result is not None:
            found += [cid_from_digest(history.result.cid), cid_from_digest(history.result.model)]
    return list(dict.fromkeys(found))
