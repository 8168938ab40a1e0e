"""What reaches a log line, and what never does."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain.keys import account_from_key
from medfed.log import configure, drop_secrets, get_logger
from tests.rig import studies

SECRETS = [
    "password",
    "link_secret",
    "private_key",
    "seed",
    "use_salt",
    "Mnemonic",
    "signature",
    "PASSPHRASE",
]
RECORDS = ["record_id", "patient", "patients", "features", "labels", "register_rows"]
MARK = "5ec7e7"

words = st.text(max_size=20).filter(lambda text: "://" not in text)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), words)
nested = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("xyz_0", max_size=8), inner, max_size=3),
        st.tuples(inner, inner),
    ),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def restored():
    """Other tests find logging as they left it."""
    yield
    configure("error")


def written(form, log):
    """What one call writes."""
    out = io.StringIO()
    configure("debug", form, out)
    log(get_logger(hospital="h"))
    return out.getvalue()


@dataclass
class Thing:
    """A type that logging has never heard of."""

    held: str


class TestDropSecrets:
    @given(
        key=st.sampled_from(SECRETS + RECORDS),
        around=st.tuples(st.text("ab_", max_size=4), st.text("ab_", max_size=4)),
        value=st.one_of(st.just(MARK), st.just(MARK.encode()), st.lists(st.just(MARK)), st.just({"x": MARK})),
        path=st.lists(st.sampled_from(["list", "tuple", "dict"]), max_size=4),
    )
    def test_a_telling_key_hides_its_value(self, key, around, value, path):
        """However deep it lies, whatever stands around the word, whatever type the value has."""
        event = {around[0] + key + around[1]: value}
        for step in path:
            event = {"outer": {"dict": event, "list": [event], "tuple": (1, event)}[step]}
        shown = json.dumps(drop_secrets(None, "", event))
        assert MARK not in shown
        assert MARK.encode().hex() not in shown

    @given(nested)
    def test_plain_values_come_through(self, value):
        """What has no telling key or type is shown as it is, tuples as lists."""
        shown = drop_secrets(None, "", {"value": value})["value"]
        assert json.dumps(shown) == json.dumps(value)

    @pytest.mark.parametrize("key", SECRETS)
    def test_numbers_are_secrets_too(self, key):
        assert drop_secrets(None, "", {key: 123456789})[key] == "(dropped)"

    def test_how_many_patients_there_were_is_shown(self):
        """A number under `patients` is a count; a number under `patient` or `record_id` may be a name."""
        shown = drop_secrets(None, "", {"patients": 12, "patient": 12, "record_id": 12})
        assert shown == {"patients": 12, "patient": "(dropped)", "record_id": "(dropped)"}

    @pytest.mark.parametrize(
        "value",
        [
            account_from_key(b"\1" * 32),
            studies.dataset(),
            studies.register(studies.dataset()),
            np.array([5.25, 7.5]),
            np.float64(5.25),
            Thing(MARK),
            iter([MARK]),
            ValueError(MARK),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_types_that_are_not_plain_show_their_name_only(self, value):
        shown = drop_secrets(None, "", {"value": value, "more": [{"deep": value}]})
        if not isinstance(value, float):
            assert shown == {
                "value": f"({type(value).__name__})",
                "more": [{"deep": f"({type(value).__name__})"}],
            }

    @given(user=st.text("abc123:%-", min_size=1, max_size=12))
    def test_credentials_in_addresses(self, user):
        """Who may use an RPC often stands in its address."""
        text = f"no answer from https://{user}@node.example:8545/path, will try again"
        shown = drop_secrets(None, "", {"event": text})["event"]
        assert shown == "no answer from https://(dropped)@node.example:8545/path, will try again"


class TestLines:
    def test_json_is_one_object_a_line(self):
        """With an event, a level and a time in UTC, and what was bound."""
        text = written("json", lambda log: log.info("submit", round=3, cid=b"\1\2", place=Path("a/b")))
        line = json.loads(text)
        assert text.endswith("}\n")
        assert text.count("\n") == 1
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "event": "submit",
            "level": "info",
            "hospital": "h",
            "round": 3,
            "cid": "0x0102",
            "place": "a/b",
        }

    @pytest.mark.parametrize("form", ["json", "console"])
    def test_a_traceback_shows_no_variables(self, form):
        """An error's own message and the lines of code, and nothing that was in memory."""

        def fail(log):
            hidden = "yromemni"[::-1]
            try:
                raise ValueError("plain reason")
            except ValueError:
                log.exception("failed", password=hidden)

        text = written(form, fail)
        assert "plain reason" in text
        assert "inmemory" not in text

    @pytest.mark.parametrize("form", ["json", "console"])
    def test_secrets_reach_neither_form(self, form):
        text = written(form, lambda log: log.bind(link_secret=MARK).warning("x", patient=MARK, seed=MARK))
        assert MARK not in text

    def test_the_level_is_kept(self):
        out = io.StringIO()
        configure("warning", "json", out)
        get_logger().info("too much")
        get_logger().warning("enough")
        assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["enough"]
