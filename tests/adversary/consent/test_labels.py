"""Names as an attacker would write them: what a wallet shows beside a signature is the contract's frame around somebody's text."""

from __future__ import annotations

import pytest

from tests.rig.evm import Revert

WEAK = pytest.mark.xfail(strict=True, reason="Labels looks for U+2000 to U+207F only, and reads no UTF-8")


def given(world, title: bytes) -> bool:
    """Whether the chain takes the bytes as a title."""
    held = world.datasets.encode("giveTitle", 1, "A" * len(title)).replace(b"A" * len(title), title)
    try:
        world.evm.call(world.datasets.address, held, sender=world.operators[0])
    except UnicodeDecodeError:  # of the refused label, in the error
        return False
    except Revert as error:
        assert error.name == "LabelRefused"
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "A\nB",
        "A\rB",
        "A\x1b[2JB",
        "A\x7fB",
        'A", of "B',
        "A\u201dB",
        "A\u2028B",
        "A\u2066B",
        "A\u200bB",
        " A",
        "A ",
    ],
)
def test_what_moves_or_ends_the_text(world, text):
    assert not given(world, text.encode())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A\u0085B", id="next line", marks=WEAK),
        pytest.param("A\u009b2JB", id="control sequence", marks=WEAK),
        pytest.param("A\u00adB", id="soft hyphen", marks=WEAK),
        pytest.param("A\u061cB", id="Arabic letter mark", marks=WEAK),
        pytest.param("A\u180eB", id="Mongolian separator", marks=WEAK),
        pytest.param("A\ufeffB", id="byte order mark", marks=WEAK),
        pytest.param("A\u3164B", id="Hangul filler", marks=WEAK),
        pytest.param("A\U000e0041B", id="tag letter", marks=WEAK),
        pytest.param("A\u02ba, of \u02baB", id="double prime", marks=WEAK),
        pytest.param("A\uff02, of \uff02B", id="fullwidth quotation mark", marks=WEAK),
        pytest.param("A\u275e, of \u275dB", id="ornamental quotation marks", marks=WEAK),
        pytest.param("A\u301e, of \u301dB", id="double prime quotation marks", marks=WEAK),
    ],
)
def test_what_hides_or_looks_like_a_frame(world, text):
    """`dataset 1, "A”, of “B", of "Hospital A"`, in letters that are not of the general punctuation."""
    assert not given(world, text.encode())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"A\xffB", id="no UTF-8", marks=WEAK),
        pytest.param(b"A\xc0\xa2, of \xc0\xa2B", id="overlong quotation mark", marks=WEAK),
        pytest.param(b"A\xed\xa0\x80B", id="surrogate", marks=WEAK),
        pytest.param(b"A\xe2", id="cut short", marks=WEAK),
    ],
)
def test_what_is_no_text(world, data):
    """No wallet can sign under it: the dataset has no consent by signature for good."""
    assert not given(world, data)
