"""Study specs, manifests and disclosures: one serialisation, and every rule refuses what breaks it."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import ProtocolError, SpecError
from medfed.protocol.canonical import canonical_json
from medfed.protocol.cid import cid_of
from medfed.protocol.documents import (
    DisclosedRound,
    DisclosedUse,
    Disclosure,
    ModelSpec,
    RuleSpec,
    StudyDraft,
    StudySpec,
    schema_hash,
)
from medfed.protocol.leaves import cohort_leaf, use_salt
from medfed.protocol.manifest import CohortManifest
from medfed.protocol.purposes import Purpose
from tests.rig.studies import CONTRACT, draft, fields, patient, secret, study, use


def with_entry(name, **changes):
    """The fields of a study, one nested entry changed."""
    return fields(**{name: fields()[name] | changes})


class TestStudySpec:
    def test_bytes_and_back(self):
        """A spec is what its bytes say, and its bytes are canonical JSON with every field in it."""
        spec = study()
        data = spec.to_bytes()
        assert StudySpec.from_bytes(data) == spec
        assert canonical_json(json.loads(data)) == data
        assert set(json.loads(data)) == {
            *fields(),
            "format",
            "description",
            "disease",
            "server",
            "cohort_step",
            "initial_model_cid",
        }
        assert spec.digest == hashlib.sha256(data).digest()

    def test_names_no_place_or_time(self):
        """The same study on two chains has one CID, so nothing of a chain is in it."""
        text = study().to_bytes().decode()
        assert not any(word in text for word in ("chain", "0x", "address", "time", "date"))

    @given(st.integers(0, 2**64 - 1))
    def test_seed_keeps_all_64_bits(self, seed):
        """The seed travels as a string, since a JSON number would lose its last bits."""
        spec = draft(seed=seed).with_initial_model(cid_of(b"model"))
        assert json.loads(spec.to_bytes())["seed"] == str(seed)
        assert StudySpec.from_bytes(spec.to_bytes()).seed == seed

    @pytest.mark.parametrize(
        "seed", [-1, 2**64, 1.5, "07", "-1", "1 ", "٣", "", None, str(2**64), "9" * 5000]
    )
    def test_refuses_other_seeds(self, seed):
        with pytest.raises(SpecError, match="seed"):
            draft(seed=seed)

    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data + b" ",
            lambda data: b" " + data,
            lambda data: data.replace(b'"rounds":3', b'"rounds":3.0'),
            lambda data: data.replace(b'"rounds":3', b'"rounds":3,"rounds":3'),
            lambda data: data.replace(b'"cohort_step":16,', b""),
            lambda data: data.replace(b'"seed":"7"', b'"seed":7'),
        ],
    )
    def test_refuses_other_serialisations(self, change):
        """Another spelling of the same values would be a second CID for one study."""
        data = study().to_bytes()
        assert change(data) != data
        with pytest.raises(SpecError):
            StudySpec.from_bytes(change(data))

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b"{", b"[" * 100_000])
    def test_refuses_what_is_no_spec(self, data):
        with pytest.raises(SpecError):
            StudySpec.from_bytes(data)

    def test_refuses_long_bytes_unread(self):
        with pytest.raises(SpecError, match="longer than"):
            StudySpec.from_bytes(b" " * (StudySpec.maximum + 1))

    def test_refuses_unknown_fields(self):
        """At the top and below: a rule that a reader does not know could change what is run."""
        with pytest.raises(SpecError, match="later"):
            draft(later=1)
        with pytest.raises(SpecError, match="training"):
            StudyDraft.from_fields(with_entry("training", later=1))

    @pytest.mark.parametrize(
        "changes",
        [
            {"title": ""},
            {"title": "t" * 201},
            {"description": "d" * 20_001},
            {"format": "medfed/study/2"},
            {"rounds": 0},
            {"rounds": 65536},
            {"rounds": True},
            {"rounds": "3"},
            {"cohort_step": 0},
            {"disease": 2**24},
            {"disease": -1},
            {"server": {"optimizer": "magic"}},
            {"server": {"learning_rate": 0.0}},
            {"model": {"kind": "forest"}},
            {"model": {"kind": "mlp"}},
            {"model": {"kind": "mlp", "hidden": [0]}},
            {"model": {"kind": "mlp", "hidden": [1] * 9}},
            {"model": {"kind": "logistic", "hidden": [4]}},
            {"model": {"kind": "mlp", "hidden": [65536, 65536]}},
            {"title": b"\xff"},
            {"training": None},
        ],
    )
    def test_refuses_values_out_of_range(self, changes):
        with pytest.raises(SpecError):
            draft(**changes)

    @pytest.mark.parametrize(
        ("entry", "changes"),
        [
            ("training", {"epochs": 0}),
            ("training", {"epochs": 1001}),
            ("training", {"batch_size": 0}),
            ("training", {"learning_rate": 0.0}),
            ("training", {"learning_rate": float("nan")}),
            ("training", {"learning_rate": float("inf")}),
            ("training", {"momentum": 1.0}),
            ("training", {"l2": -0.1}),
            ("training", {"precision": "float16"}),
            ("codec", {"clip_norm": 0.0}),
            ("codec", {"bound": -1.0}),
            ("codec", {"scale": float("inf")}),
            ("codec", {"max_weight": 0}),
            ("codec", {"max_hospitals": 65}),
            ("schema", {"features": []}),
            ("schema", {"label": "a"}),
            ("schema", {"label": "line\nbreak"}),
            ("schema", {"features": [{"name": "a", "center": 0.0, "scale": 0.0}]}),
            ("schema", {"features": [{"name": "", "center": 0.0, "scale": 1.0}]}),
            ("schema", {"features": [{"name": "a", "center": float("nan"), "scale": 1.0}]}),
            ("schema", {"features": [{"name": "a", "center": 0.0, "scale": 1.0}] * 2}),
        ],
    )
    def test_refuses_nested_values_out_of_range(self, entry, changes):
        with pytest.raises(SpecError):
            StudyDraft.from_fields(with_entry(entry, **changes))

    def test_refuses_a_sum_that_could_wrap(self):
        """4 hospitals · weight 512 · bound 2 · scale 2^19 is 2^31: one step too far."""
        with pytest.raises(SpecError, match="wrap"):
            StudyDraft.from_fields(with_entry("codec", scale=2.0**19))
        assert StudyDraft.from_fields(with_entry("codec", scale=2.0**18)).codec.scale == 2.0**18

    def test_refuses_weights_below_one_step(self):
        with pytest.raises(SpecError, match="abstain"):
            StudyDraft.from_fields(with_entry("codec", max_weight=15))

    @pytest.mark.parametrize("purposes", [0, 1 << 7, int(Purpose.IRB), int(Purpose.GRU | Purpose.HMB)])
    def test_refuses_purposes_that_no_study_can_have(self, purposes):
        with pytest.raises(SpecError, match="purposes"):
            draft(purposes=purposes)

    def test_a_disease_study_names_its_disease(self):
        with pytest.raises(SpecError, match="disease"):
            draft(purposes=int(Purpose.DS))
        assert draft(purposes=int(Purpose.DS), disease=17).disease == 17

    @pytest.mark.parametrize("cid", ["", "bafy", "Qm" + "a" * 44, "bafybei" + "1" * 52])
    def test_refuses_what_is_no_cid(self, cid):
        with pytest.raises(SpecError, match="initial_model_cid"):
            draft().with_initial_model(cid)

    def test_codec_follows_the_spec(self):
        codec = study().codec
        assert (codec.clip_norm, codec.bound, codec.scale) == (8.0, 2.0, 65536.0)
        assert (codec.max_weight, codec.max_hospitals, codec.size) == (512, 4, 4)

    def test_is_frozen(self):
        with pytest.raises(ValueError, match="frozen"):
            study().rounds = 9


class TestRuleSpec:
    def test_a_study_of_the_plain_sum_names_no_rule(self):
        """Its bytes, hence its CID, are what they were before there were other rules; naming it is another spelling."""
        data = study().to_bytes()
        assert "rule" not in json.loads(data)
        assert study().rule == RuleSpec()
        assert study(rule={"kind": "sum"}).to_bytes() == data
        named = canonical_json(json.loads(data) | {"rule": RuleSpec().model_dump(mode="json")})
        with pytest.raises(SpecError, match="canonical"):
            StudySpec.from_bytes(named)

    @pytest.mark.parametrize(
        "rule",
        [
            {"kind": "median"},
            {"kind": "trimmed-mean", "trim": 2},
            {"kind": "multi-krum", "faulty": 1},
            {"kind": "geometric-median"},
        ],
    )
    def test_another_rule_is_in_the_bytes(self, rule):
        spec = study(rule=rule)
        assert StudySpec.from_bytes(spec.to_bytes()) == spec
        assert json.loads(spec.to_bytes())["rule"].items() >= rule.items()
        assert spec.to_bytes() != study().to_bytes()

    @pytest.mark.parametrize(
        "rule",
        [
            {"kind": "mode"},
            {"kind": "trimmed-mean"},
            {"kind": "trimmed-mean", "trim": 32},
            {"kind": "trimmed-mean", "trim": -1},
            {"kind": "trimmed-mean", "trim": 1, "faulty": 1},
            {"kind": "median", "trim": 1},
            {"kind": "sum", "faulty": 1},
            {"kind": "multi-krum"},
            {"kind": "multi-krum", "faulty": 32},
        ],
    )
    def test_refuses_parameters_that_the_rule_has_not(self, rule):
        with pytest.raises(SpecError):
            draft(rule=rule)

    def test_only_the_sum_counts_by_weight(self):
        """Another rule's updates are coded as of weight 1, so that its codec may use finer steps."""
        with pytest.raises(SpecError, match="wrap"):
            draft(codec=fields()["codec"] | {"scale": 2.0**19})
        codec = draft(codec=fields()["codec"] | {"scale": 2.0**27}, rule={"kind": "median"}).codec
        assert (codec.max_weight, codec.word_limit(1)) == (1, 2**28)
        with pytest.raises(SpecError, match="wrap"):
            draft(codec=fields()["codec"] | {"scale": 2.0**28}, rule={"kind": "median"})

    @pytest.mark.parametrize("rule", [{"kind": "sum"}, {"kind": "median"}])
    def test_an_update_is_one_vector_whose_limit_is_the_codecs(self, rule):
        """What the study's terms say on chain; the contract judges each word as the codec does."""
        spec = study(rule=rule)
        (vector,) = spec.vectors
        assert (vector.words, vector.weighted) == (spec.size, rule["kind"] == "sum")
        for weight in (16, 512):
            assert vector.limit(weight) == spec.codec.word_limit(spec.rule.coded_weight(weight))

    @pytest.mark.parametrize(
        ("rule", "divisors"),
        [
            ({"kind": "sum"}, [77, 77, 77, 77]),
            ({"kind": "median"}, [1, 1, 1, 1]),
            ({"kind": "geometric-median"}, [1, 1, 1, 1]),
            ({"kind": "trimmed-mean", "trim": 2}, [1, 2, 1, 4]),
            ({"kind": "multi-krum", "faulty": 2}, [1, 1, 3, 6]),
        ],
    )
    def test_divisors(self, rule, divisors):
        """What makes a mean of the aggregate of 1, 2, 5 and 8 updates of weight 77 in all."""
        spec = RuleSpec.from_fields(rule)
        assert [spec.divisor(count, 77) for count in (1, 2, 5, 8)] == divisors


class TestModelSpec:
    @pytest.mark.parametrize(
        ("hidden", "size"), [((), 4), ((5,), 26), ((5, 2), 3 * 5 + 5 + 5 * 2 + 2 + 2 + 1), ((1,) * 8, 19 + 1)]
    )
    def test_size_counts_weights_and_biases(self, hidden, size):
        kind = "mlp" if hidden else "logistic"
        assert draft(model={"kind": kind, "hidden": list(hidden)}).size == size

    def test_shapes_are_in_sorted_name_order(self):
        """The order of the flat vector is part of the protocol."""
        shapes = ModelSpec(kind="mlp", hidden=(5, 2)).shapes(3)
        assert list(shapes) == sorted(shapes)
        assert shapes["layers.0.weight"] == (5, 3)
        assert shapes["layers.2.bias"] == (1,)


class TestSchemaHash:
    def test_is_of_the_columns_alone(self):
        """Scaling is the sponsor's choice, so a dataset's hash does not depend on it."""
        schema = draft().columns
        assert schema.schema_hash() == schema_hash(("a", "b", "c"), "ill")
        assert schema.schema_hash() == hashlib.sha256(b'{"features":["a","b","c"],"label":"ill"}').digest()

    @pytest.mark.parametrize(
        ("names", "label"), [(("b", "a", "c"), "ill"), (("a", "b"), "ill"), (("a", "b", "c"), "dead")]
    )
    def test_tells_columns_apart(self, names, label):
        assert schema_hash(names, label) != schema_hash(("a", "b", "c"), "ill")


def manifest(members=20, step=16):
    """A manifest as `build_cohort` makes it, and its disclosed uses."""
    place = use()
    uses = []
    for number in range(members):
        salt = use_salt(secret(number), place)
        leaf = cohort_leaf(place, patient(number), salt)
        uses.append(DisclosedUse(leaf=f"0x{leaf.hex()}", patient=patient(number), salt=f"0x{salt.hex()}"))
    leaves = [bytes.fromhex(entry.leaf[2:]) for entry in uses]
    leaves += [secret("filler", index) for index in range(-members % step)]
    return CohortManifest.of(place, b"".join(sorted(leaves))), tuple(uses)


def disclosure(uses, **changes):
    values = {
        "chain_id": 31337,
        "contract": CONTRACT,
        "hospital": patient("hospital"),
        "study": 1,
        "dataset": 3,
        "rounds": (DisclosedRound(round=2, uses=uses),),
    }
    return Disclosure(**(values | changes))


class TestDisclosure:
    def test_names_the_patients(self):
        made, uses = manifest()
        shown = Disclosure.from_bytes(disclosure(uses).to_bytes())
        assert shown.patients(made, 16, 16) == tuple(patient(number) for number in range(20))

    def test_refuses_a_leaf_of_someone_else(self):
        made, uses = manifest()
        swapped = uses[0].model_copy(update={"patient": patient("other")})
        with pytest.raises(ProtocolError, match="Entry 1 of round 2 of the disclosure has another leaf"):
            disclosure((swapped, *uses[1:])).patients(made, 16, 16)

    @pytest.mark.parametrize("changes", [{"chain_id": 1}, {"contract": "0x" + "12" * 20}])
    def test_proves_leaves_not_salts(self, changes):
        """The leaf binds study, round, dataset, patient and salt; chain and contract only went into the salt."""
        made, uses = manifest()
        assert disclosure(uses, **changes).patients(made, 16, 16)

    @pytest.mark.parametrize("changes", [{"study": 2}, {"dataset": 4}])
    def test_is_of_one_study_and_dataset(self, changes):
        made, uses = manifest()
        with pytest.raises(ProtocolError, match="is of study 1"):
            disclosure(uses, **changes).patients(made, 16, 16)

    def test_refuses_a_leaf_that_is_not_in_the_manifest(self):
        made, _ = manifest(16)
        _, more = manifest(17)
        with pytest.raises(ProtocolError, match="not in the manifest"):
            disclosure(more).patients(made, 16, 16)

    def test_refuses_a_patient_twice(self):
        """Also in another spelling of the address."""
        made, uses = manifest()
        again = uses[0].model_copy(update={"patient": uses[0].patient.lower()})
        with pytest.raises(ProtocolError, match="twice"):
            disclosure((*uses, again)).patients(made, 16, 16)

    @pytest.mark.parametrize("kept", [0, 15])
    def test_refuses_fewer_patients_than_were_paid_for(self, kept):
        made, uses = manifest()
        with pytest.raises(ProtocolError, match="weight"):
            disclosure(uses[:kept]).patients(made, 16, 16)

    def test_refuses_a_round_it_does_not_cover(self):
        made, _ = manifest()
        with pytest.raises(ProtocolError, match="nothing about round 2"):
            disclosure((), rounds=()).patients(made, 16, 16)

    def test_lists_each_round_once_in_order(self):
        one, two = DisclosedRound(round=1, uses=()), DisclosedRound(round=2, uses=())
        for rounds in [(two, one), (one, one)]:
            with pytest.raises(ProtocolError, match="in order"):
                disclosure((), rounds=rounds)

    def test_does_not_show_itself(self):
        """A disclosure that slips into a log or an error message names nobody."""
        _, uses = manifest(1)
        assert uses[0].patient not in repr(disclosure(uses)) + str(disclosure(uses))

    def test_errors_do_not_show_values(self):
        """What a malformed document held stays out of the message."""
        values = json.loads(disclosure(manifest(1)[1]).to_bytes())
        values["rounds"][0]["uses"][0]["patient"] = "Jane Doe"
        with pytest.raises(ProtocolError) as caught:
            Disclosure.from_bytes(canonical_json(values))
        assert "Jane" not in str(caught.value)
        assert "patient" in str(caught.value)
