"""Names as an attacker would write them: what a wallet shows beside a signature is the contract's frame around somebody's text."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest

from deploy.compile import CONTRACTS
from tests.rig.evm import Revert


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
        pytest.param("A\u0085B", id="next line"),
        pytest.param("A\u009b2JB", id="control sequence"),
        pytest.param("A\u00adB", id="soft hyphen"),
        pytest.param("A\u061cB", id="Arabic letter mark"),
        pytest.param("A\u180eB", id="Mongolian separator"),
        pytest.param("A\ufeffB", id="byte order mark"),
        pytest.param("A\u3164B", id="Hangul filler"),
        pytest.param("A\U000e0041B", id="tag letter"),
        pytest.param("A\u02ba, of \u02baB", id="double prime"),
        pytest.param("A\uff02, of \uff02B", id="fullwidth quotation mark"),
        pytest.param("A\u275e, of \u275dB", id="ornamental quotation marks"),
        pytest.param("A\u301e, of \u301dB", id="double prime quotation marks"),
    ],
)
def test_what_hides_or_looks_like_a_frame(world, text):
    """`dataset 1, "A”, of “B", of "Hospital A"`, in letters that are not of the general punctuation."""
    assert not given(world, text.encode())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A\u2800\u2800B", id="empty Braille pattern"),
        pytest.param("A\U0001d159B", id="note without a head"),
        pytest.param("A\U00013437B\U00013438", id="controls of hieroglyphs"),
        pytest.param("A\U0001f677, of \U0001f676B", id="heavy double quotation marks"),
    ],
)
def test_what_shows_as_nothing_or_as_a_quotation_mark(world, text):
    """Either a title that reads like another dataset's, or one that seems to end before it does."""
    assert not given(world, text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "St. Mary's Hospital (Site 2)",
        "Universitätsklinikum Köln",
        "Hôpital Necker – Enfants malades".replace("–", "-"),
        "東京大学医学部附属病院",
        "서울대학교병원",
        "مستشفى الملك فيصل",
        "अखिल भारतीय",
        "Больница № 1",
        "𠮷田病院",
    ],
)
def test_names_of_hospitals_in_their_letters(world, text):
    assert given(world, text.encode()[:64])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"A\xffB", id="no UTF-8"),
        pytest.param(b"A\xc0\xa2, of \xc0\xa2B", id="overlong quotation mark"),
        pytest.param(b"A\xed\xa0\x80B", id="surrogate"),
        pytest.param(b"A\xe2", id="cut short"),
        pytest.param(b"A\xe0\x80\xafB", id="overlong in three bytes"),
        pytest.param(b"A\xf0\x82\x82\xacB", id="overlong in four bytes"),
        pytest.param(b"A\xf4\x90\x80\x80B", id="beyond the last code point"),
        pytest.param(b"A\x80B", id="a continuation alone"),
        pytest.param(b"A\xc3(B", id="no continuation"),
    ],
)
def test_what_is_no_text(world, data):
    """No wallet can sign under it: the dataset has no consent by signature for good."""
    assert not given(world, data)


def _is_listed(point: int) -> bool:
    return any(first <= point <= last for first, last in _REFUSED)


_REFUSED = [
    (int(pair[:6], 16), int(pair[6:], 16))
    for pair in re.findall(r'hex"([0-9a-f]{12})"', (CONTRACTS / "libraries" / "Labels.sol").read_text())
]
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Pf", "Pi", "Zl", "Zp", "Zs"}


def test_no_letter_of_unicode_was_forgotten():
    """What shows nothing, turns text around or looks like a quotation mark by Unicode's own tables, but for the space."""
    odd = re.compile("QUOTATION|DOUBLE PRIME|INVISIBLE|ZERO WIDTH|VARIATION SELECTOR|HANGUL .*FILLER")
    points = (point for point in range(sys.maxunicode + 1) if chr(point) != " ")
    forgotten = [
        f"U+{point:04X} {unicodedata.name(chr(point), '')}"
        for point in points
        if (unicodedata.category(chr(point)) in _HIDDEN or odd.search(unicodedata.name(chr(point), "")))
        and not _is_listed(point)
    ]
    assert forgotten == []
