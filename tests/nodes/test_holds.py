"""A person's hold: which rounds it stops, and that it survives."""

from __future__ import annotations

import pytest

from medfed.errors import ConfigError
from medfed.nodes.holds import Held, check_hold, hold, read_holds, resume


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state" / "holds.json"


def test_nothing_is_held_at_first(file):
    check_hold(file, 1, 1)
    assert not resume(file, 1)
    assert not file.exists()


def test_a_hold_stops_its_round_and_those_after_it(file):
    hold(file, 1, 3)
    check_hold(file, 1, 2)
    for number in (3, 4):
        with pytest.raises(Held, match="held from round 3 on; `medfed hospital resume 1`"):
            check_hold(file, 1, number)


def test_a_hold_is_of_one_study_and_the_latest_counts(file):
    hold(file, 1, 3)
    hold(file, 2, 1)
    hold(file, 1, 5)
    check_hold(file, 1, 4)
    assert read_holds(file) == {1: 5, 2: 1}


def test_a_resumed_study_goes_on_and_others_stay_held(file):
    hold(file, 1, 1)
    hold(file, 2, 1)
    assert resume(file, 1)
    check_hold(file, 1, 1)
    assert read_holds(file) == {2: 1}


@pytest.mark.parametrize("content", ["", "[]", '{"one": 1}', '{"1": null}'])
def test_a_damaged_file_is_named(file, content):
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"holds\.json cannot be read"):
        check_hold(file, 1, 1)
