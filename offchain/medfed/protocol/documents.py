"""Artefacts published or handed over as canonical JSON (RFC 8785): study specs and disclosures.

Each is a frozen pydantic model that refuses unknown fields. `to_bytes` gives the one serialisation, `from_bytes`
accepts nothing else: two readers of the same CID can never see different values. The seed, which may exceed 2^53,
travels as a decimal string, as JSON numbers are doubles. No document names a chain, a contract or a time, except the
disclosure, which is not published.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from pydantic_core import to_json

from medfed.errors import InputError, MedFedError, ProtocolError, SpecError
from medfed.protocol import purposes as duo
from medfed.protocol.canonical import canonical_json
from medfed.protocol.cid import check_cid
from medfed.protocol.layout import Vector
from medfed.protocol.leaf_tree import MAX_LEAVES
from medfed.protocol.leaves import Use, cohort_leaf
from medfed.protocol.manifest import CohortManifest
from medfed.protocol.vector import Codec
from medfed.types import Address, Cid, DatasetId, RoundNumber, StudyId

__all__ = [
    "MAX_PARAMETERS",
    "CodecSpec",
    "DisclosedRound",
    "DisclosedUse",
    "Disclosure",
    "Document",
    "Feature",
    "ModelSpec",
    "RuleSpec",
    "Schema",
    "ServerSpec",
    "StudyDraft",
    "StudySpec",
    "TrainingSpec",
    "schema_hash",
]

MAX_PARAMETERS = 50_000_000
"""Most parameters of a model: 200 MB of float32."""

_JSON_INTEGER = (1 << 53) - 1

_Hex32 = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
_HexAddress = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
_Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,80}$")]
_StudyNumber = Annotated[int, Field(ge=1, le=_JSON_INTEGER)]
_RoundNumber = Annotated[int, Field(ge=1, le=0xFFFF)]
_DatasetNumber = Annotated[int, Field(ge=1, le=0xFFFFFFFF)]


def _integer(value: object) -> object:
    """A decimal string without sign or leading zeros as the integer; anything else for pydantic to judge."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and str(int(value[:20])) == value:
        return int(value)
    return value


_Uint64 = Annotated[
    int,
    BeforeValidator(_integer),
    Field(ge=0, lt=1 << 64),
    PlainSerializer(str, return_type=str),
]


class Document(BaseModel):
    """Base of all documents: strict types, no unknown fields, one serialisation."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    maximum: ClassVar[int] = 1 << 20
    """Most bytes of a serialised document."""
    failure: ClassVar[type[MedFedError]] = ProtocolError
    """What a broken rule raises."""

    def to_bytes(self) -> bytes:
        """The canonical JSON of this document."""
        return canonical_json(self.model_dump(mode="json"))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse and check. Raises the class's error for anything but the canonical bytes of a valid document."""
        if len(data) > cls.maximum:
            raise cls.failure(
                f"A {cls.__name__} of {len(data)} bytes is longer than {cls.maximum}; refuse it."
            )
        document = cls._validated(data)
        if document.to_bytes() != data:
            raise cls.failure(f"This {cls.__name__} is not in canonical form (RFC 8785); serialise it again.")
        return document

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Build from plain values, e.g. of a TOML file; fields with a default may be absent. Raises as `from_bytes`."""
        try:
            data = to_json(dict(fields), inf_nan_mode="constants")
        except ValueError as exc:
            raise cls.failure(f"A {cls.__name__} is made of plain values: {exc}.") from None
        return cls._validated(data)

    @classmethod
    def _validated(cls, data: bytes) -> Self:
        try:
            return cls.model_validate_json(data)
        except ValidationError as exc:
            # The value itself stays out of the message: it may be private, and it may be long.
            first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"])) or "the document"
            raise cls.failure(f"{cls.__name__}: {place}: {first['msg']}.") from None


class Feature(Document):
    """A column and the sponsor's published constants: a model sees (value − center) / scale."""

    failure = SpecError
    name: _Name
    center: float
    scale: Annotated[float, Field(gt=0)]


class Schema(Document):
    """The columns a study trains on, in the order of the model's inputs, and the column it predicts (0 or 1)."""

    failure = SpecError
    features: Annotated[tuple[Feature, ...], Field(min_length=1, max_length=4096)]
    label: _Name

    def model_post_init(self, context: object, /) -> None:
        del context
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise SpecError("A schema names a feature twice; give each column once.")
        if self.label in names:
            raise SpecError(f"The label {self.label!r} is a feature too; a model would read off the answer.")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    def schema_hash(self) -> bytes:
        """Hash of the columns alone; equal to that of a dataset with just these columns."""
        return schema_hash(self.names, self.label)


def schema_hash(features: tuple[str, ...], label: str) -> bytes:
    """sha256 of the canonical JSON of a dataset's columns: what stands in `DatasetRegistry`. 32 bytes."""
    return hashlib.sha256(canonical_json({"features": list(features), "label": label})).digest()


class ModelSpec(Document):
    """Which model: logistic regression, or a multi-layer perceptron with ReLU between its layers."""

    failure = SpecError
    kind: Literal["logistic", "mlp"]
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=65536)], ...], Field(default=(), max_length=8)]

    def model_post_init(self, context: object, /) -> None:
        del context
        if (self.kind == "mlp") != bool(self.hidden):
            raise SpecError("An mlp names its hidden layers' widths; logistic regression has none.")

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter by name, in sorted name order: the order of the flat vector."""
        widths = [inputs, *self.hidden, 1]
        found: dict[str, tuple[int, ...]] = {}
        for index, (fan_in, fan_out) in enumerate(pairwise(widths)):
            found[f"layers.{index}.bias"] = (fan_out,)
            found[f"layers.{index}.weight"] = (fan_out, fan_in)
        return dict(sorted(found.items()))


class TrainingSpec(Document):
    """What a hospital does with its cohort in one round: stochastic gradient descent on the mean logistic loss."""

    failure = SpecError
    epochs: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    learning_rate: Annotated[float, Field(gt=0, le=100)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    l2: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Weight decay: l2 / 2 · ‖weights‖² is added to the loss, biases left out."""
    precision: Literal["float32", "float64"] = "float64"
    """Of the arithmetic inside; double precision leaves kinds of processors fewer ways to round apart."""


class CodecSpec(Document):
    """How updates become integers (`protocol.vector.Codec`, which refuses a sum that could wrap)."""

    failure = SpecError
    clip_norm: Annotated[float, Field(gt=0)]
    bound: Annotated[float, Field(gt=0)]
    scale: Annotated[float, Field(gt=0)]
    max_weight: Annotated[int, Field(ge=1, le=0xFFFFFFFF)]
    max_hospitals: Annotated[int, Field(ge=1, le=64)]


class RuleSpec(Document):
    """How a round's updates become its aggregate (`learning.rules`). Only the sum counts them by weight.

    An aggregate is a vector of words; divided by `divisor` and the codec's scale it is the step that the server takes.
    """

    failure = SpecError
    kind: Literal["sum", "median", "trimmed-mean", "multi-krum", "geometric-median"] = "sum"
    trim: Annotated[int, Field(ge=0, le=31)] = 0
    """Trimmed mean: how many words are taken away at each end."""
    faulty: Annotated[int, Field(ge=0, le=31)] = 0
    """Multi-Krum: how many updates are left out."""

    def model_post_init(self, context: object, /) -> None:
        del context
        if (self.kind == "trimmed-mean") != bool(self.trim):
            raise SpecError("A trimmed mean names its trim, at least 1; other rules have none.")
        if (self.kind == "multi-krum") != bool(self.faulty):
            raise SpecError(
                "Multi-Krum names how many updates may be faulty, at least 1; other rules do not."
            )

    @property
    def weighted(self) -> bool:
        """Whether words are multiplied by the weight of their update."""
        return self.kind == "sum"

    @property
    def per_chunk(self) -> bool:
        """Whether a chunk of the aggregate follows from the same chunk of the updates, so that a contract can check it."""
        return self.kind in ("sum", "median", "trimmed-mean")

    def coded_weight(self, weight: int) -> int:
        """The codec's w for an update of this weight."""
        return weight if self.weighted else 1

    def trimmed(self, count: int) -> int:
        """How many of `count` words are taken away at each end, so that one or two are always left."""
        return min(self.trim, (count - 1) // 2)

    def selected(self, count: int) -> int:
        """How many of `count` updates Multi-Krum adds up."""
        return max(1, count - self.faulty)

    def divisor(self, count: int, weight: int) -> int:
        """What makes a mean of the aggregate of `count` updates of this total weight."""
        if self.kind == "sum":
            return weight
        if self.kind == "trimmed-mean":
            return count - 2 * self.trimmed(count)
        return self.selected(count) if self.kind == "multi-krum" else 1


class ServerSpec(Document):
    """How the mean update becomes the next model."""

    failure = SpecError
    optimizer: Literal["fedavg"] = "fedavg"
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 1.0

    @property
    def state_names(self) -> tuple[str, ...]:
        """The vectors that this optimiser carries from round to round in the model file, sorted."""
        return _SERVER_STATE[self.optimizer]


_SERVER_STATE: dict[str, tuple[str, ...]] = {"fedavg": ()}


class StudyDraft(Document):
    """A study as its sponsor writes it, before the initial model is derived from it."""

    failure = SpecError
    format: Literal["medfed/study/1"] = "medfed/study/1"
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=20_000)] = ""
    purposes: Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
    disease: Annotated[int, Field(ge=0, le=0xFFFFFF)] = 0
    """Code of the disease a DS study is about; 0 for none."""
    # Named by an alias, as BaseModel has a (deprecated) method `schema`.
    columns: Annotated[Schema, Field(alias="schema")]
    model: ModelSpec
    training: TrainingSpec
    # Likewise apart from the method that builds the codec.
    codec_spec: Annotated[CodecSpec, Field(alias="codec")]
    rule: RuleSpec = RuleSpec()
    server: ServerSpec = ServerSpec()
    seed: _Uint64
    rounds: Annotated[int, Field(ge=1, le=0xFFFF)]
    cohort_step: Annotated[int, Field(ge=1, le=0xFFFF)] = 16
    """Cohorts count in steps of this many patients."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_alias=True)

    def model_post_init(self, context: object, /) -> None:
        del context
        _check_purposes(self.purposes, self.disease)
        size = self.size
        if size > MAX_PARAMETERS:
            raise SpecError(f"A model of {size} parameters is above the limit of {MAX_PARAMETERS}.")
        if self.codec_spec.max_weight < self.cohort_step:
            raise SpecError("codec.max_weight is below cohort_step, so that every hospital would abstain.")
        self.codec  # noqa: B018  (built once here: it refuses a sum that could wrap)

    @model_serializer(mode="wrap")
    def _without_default_rule(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A study of the plain sum names no rule, as studies did before there were others: one study, one CID."""
        fields: dict[str, Any] = handler(self)
        if self.rule == RuleSpec():
            fields.pop("rule", None)
        return fields

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter by name, in the order of the flat vector."""
        return self.model.shapes(len(self.columns.features))

    @property
    def size(self) -> int:
        """P: the number of parameters, the length of θ and of Δ."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @cached_property
    def codec(self) -> Codec:
        """The integer codec of this study's updates. Raises `SpecError` when a sum could wrap."""
        spec = self.codec_spec
        return Codec(
            clip_norm=spec.clip_norm,
            bound=spec.bound,
            scale=spec.scale,
            max_weight=self.rule.coded_weight(spec.max_weight),
            max_hospitals=spec.max_hospitals,
            size=self.size,
        )

    @property
    def vectors(self) -> tuple[Vector, ...]:
        """What an update consists of on chain: one vector, the coded parameters."""
        return (Vector(self.size, self.codec.steps, self.rule.weighted),)

    def with_initial_model(self, cid: Cid) -> StudySpec:
        """The finished spec, once the initial model's CID is known."""
        fields = self.model_dump(mode="json", exclude={"initial_model_cid"})
        return StudySpec.from_fields(fields | {"initial_model_cid": cid})


class StudySpec(StudyDraft):
    """A study as it is published: everything a participant needs to train, recompute and audit it."""

    initial_model_cid: Annotated[str, Field(max_length=100)]

    def model_post_init(self, context: object, /) -> None:
        super().model_post_init(context)
        try:
            check_cid(self.initial_model_cid)
        except MedFedError as exc:
            raise SpecError(f"initial_model_cid: {exc}") from None

    @cached_property
    def digest(self) -> bytes:
        """sha256 of the canonical bytes: the study's label in every random draw. 32 bytes."""
        return hashlib.sha256(self.to_bytes()).digest()


def _check_purposes(purposes: int, disease: int) -> None:
    try:
        duo.check_request(purposes)
    except InputError as exc:
        raise SpecError(f"purposes: {exc}") from None
    if purposes & duo.Purpose.DS and not disease:
        raise SpecError("A disease specific study (DS) names its disease; give a code other than 0.")


class DisclosedUse(Document):
    """Which patient stands behind one leaf, with the salt that proves it."""

    leaf: _Hex32
    patient: _HexAddress
    salt: _Hex32

    def __repr__(self) -> str:
        return "DisclosedUse(…)"

    __str__ = __repr__


class DisclosedRound(Document):
    """All patients of one round's cohort; fillers are what is left of the manifest."""

    round: _RoundNumber
    uses: Annotated[tuple[DisclosedUse, ...], Field(max_length=MAX_LEAVES)]


class Disclosure(Document):
    """What a hospital hands to an auditor, never to the public: the patients behind its cohorts of one study."""

    maximum = 1 << 30
    format: Literal["medfed/disclosure/1"] = "medfed/disclosure/1"
    chain_id: Annotated[int, Field(ge=1, le=_JSON_INTEGER)]
    contract: _HexAddress
    hospital: _HexAddress
    study: _StudyNumber
    dataset: _DatasetNumber
    rounds: tuple[DisclosedRound, ...]

    def model_post_init(self, context: object, /) -> None:
        del context
        numbers = [entry.round for entry in self.rounds]
        if numbers != sorted(set(numbers)):
            raise ProtocolError("A disclosure lists each round once, in order.")

    def use(self, round_number: RoundNumber) -> Use:
        """The use that the salts of this round were made for."""
        place = StudyId(self.study), round_number, DatasetId(self.dataset)
        return Use(self.chain_id, Address(self.contract), *place)

    def patients(self, manifest: CohortManifest, weight: int, step: int) -> tuple[Address, ...]:
        """Whose records one round used, proved leaf by leaf; their consents are the auditor's next question.

        Raises `ProtocolError` when the round is missing, a leaf is not its patient's or not in the manifest, a patient
        is named twice, or the number of patients is not the one that was paid for.
        """
        found = next((entry for entry in self.rounds if entry.round == manifest.round), None)
        if found is None:
            raise ProtocolError(f"The disclosure says nothing about round {manifest.round}.")
        manifest.check_place(StudyId(self.study), RoundNumber(found.round), DatasetId(self.dataset))
        _check_uses(found, self.use(RoundNumber(found.round)), manifest)
        if len(found.uses) // step * step != weight:
            raise ProtocolError(
                f"The disclosure names {len(found.uses)} patients in round {found.round}, which is not weight {weight}."
            )
        return tuple(Address(entry.patient) for entry in found.uses)


def _check_uses(disclosed: DisclosedRound, use: Use, manifest: CohortManifest) -> None:
    if len({entry.patient.lower() for entry in disclosed.uses}) != len(disclosed.uses):
        raise ProtocolError(f"The disclosure names a patient twice in round {disclosed.round}.")
    for number, entry in enumerate(disclosed.uses, 1):
        leaf = cohort_leaf(use, Address(entry.patient), bytes.fromhex(entry.salt[2:]))
        if f"0x{leaf.hex()}" != entry.leaf:
            raise ProtocolError(
                f"Entry {number} of round {disclosed.round} of the disclosure has another leaf."
            )
        if manifest.index(leaf) is None:
            raise ProtocolError(
                f"Entry {number} of round {disclosed.round} of the disclosure is not in the manifest."
            )
