"""What data may be used for: codes of the GA4GH Data Use Ontology as bits of a uint32. Twin of `Purposes.sol`.

Permissions (bits 0 to 3) say which research is allowed and widen along the ontology: GRU ⊃ HMB ⊃ DS, GRU ⊃ POA.
Modifiers (from bit 8) are conditions: who consents attaches them, who requests declares the ones it meets.
A dataset's permitted uses are judged exactly as a patient's consent.
"""

from __future__ import annotations

from enum import IntFlag

from medfed.errors import InputError

__all__ = [
    "Purpose",
    "check_consent",
    "check_request",
    "describe",
    "duo_id",
    "is_defined",
    "names",
    "narrows",
    "parse",
    "permits",
    "permits_disease",
    "permits_study",
]


class Purpose(IntFlag):
    """One bit per code; the bit is what stands on chain."""

    GRU = 1 << 0
    HMB = 1 << 1
    DS = 1 << 2
    POA = 1 << 3
    NMDS = 1 << 8
    GSO = 1 << 9
    NPUNCU = 1 << 10
    PUB = 1 << 11
    COL = 1 << 12
    IRB = 1 << 13
    GS = 1 << 14
    MOR = 1 << 15
    TS = 1 << 16
    US = 1 << 17
    PS = 1 << 18
    IS = 1 << 19
    RTN = 1 << 20
    CC = 1 << 21
    NPU = 1 << 22
    NCU = 1 << 23
    RS = 1 << 24
    NPOA = 1 << 25


# Plain numbers: a cohort asks `permits` for each patient, and arithmetic on enum members is ten times slower.
_PERMISSIONS = 0x0000000F
_MODIFIERS = 0x03FFFF00
_DEFINED = _PERMISSIONS | _MODIFIERS
_GRU, _HMB, _DS, _POA = 1, 2, 4, 8
_NPUNCU, _NPOA = int(Purpose.NPUNCU), int(Purpose.NPOA)
_NPU_AND_NCU = int(Purpose.NPU | Purpose.NCU)

# Code -> the number in its DUO identifier, and what it means to a person who grants it.
_MEANING: dict[Purpose, tuple[int, str]] = {
    Purpose.GRU: (42, "any research"),
    Purpose.HMB: (6, "health, medical or biomedical research"),
    Purpose.DS: (7, "research into the dataset's disease"),
    Purpose.POA: (11, "research into population origins or ancestry"),
    Purpose.NMDS: (15, "no development of general methods"),
    Purpose.GSO: (16, "genetic studies only"),
    Purpose.NPUNCU: (18, "by not-for-profit organisations and not for commercial use"),
    Purpose.PUB: (19, "results must be published"),
    Purpose.COL: (20, "in collaboration with the primary investigators"),
    Purpose.IRB: (21, "with ethics approval"),
    Purpose.GS: (22, "within a geographical region"),
    Purpose.MOR: (24, "no publication before an agreed date"),
    Purpose.TS: (25, "for a limited time"),
    Purpose.US: (26, "by approved users"),
    Purpose.PS: (27, "in an approved project"),
    Purpose.IS: (28, "within an approved institution"),
    Purpose.RTN: (29, "derived data must be returned"),
    Purpose.CC: (43, "clinical care"),
    Purpose.NPU: (45, "by not-for-profit organisations"),
    Purpose.NCU: (46, "not for commercial use"),
    Purpose.RS: (12, "studies of a certain research type"),
    Purpose.NPOA: (44, "no research into population origins or ancestry"),
}


def permits(consented: int, requested: int) -> bool:
    """Whether data given for `consented` may be used for `requested`; no for anything malformed."""
    if (consented | requested) & ~_DEFINED or not _is_request(requested):
        return False
    if not _widened(consented) & requested & _PERMISSIONS:
        return False
    return not _conditions(consented) & ~_conditions(requested)


def permits_disease(consented_disease: int, requested_disease: int) -> bool:
    """Whether research into one disease code is research into the other: equal codes, 0 being no disease."""
    return requested_disease != 0 and consented_disease == requested_disease


def permits_study(uses: int, disease: int, requested: int, requested_disease: int) -> bool:
    """Whether a dataset with these uses and this disease may take part in a study.

    Disease specific research (DS) asks for the same disease even of a dataset that allows more, as a patient's DS
    consent means the dataset's disease.
    """
    if not permits(uses, requested):
        return False
    return not requested & _DS or permits_disease(disease, requested_disease)


def narrows(before: int, after: int) -> bool:
    """Whether everything that `after` permits was permitted by `before` already."""
    if _widened(after) & ~_widened(before) & _PERMISSIONS:
        return False
    return not _conditions(before) & ~_conditions(after)


def is_defined(purposes: int) -> bool:
    """Whether every bit has a code."""
    return not purposes & ~_DEFINED


def check_consent(purposes: int) -> None:
    """Raise `InputError` unless `purposes` can be consented to: defined bits, at least one permission."""
    _check_defined(purposes)
    if not purposes & _PERMISSIONS:
        raise InputError(
            f"Purposes {describe(purposes) or 0} permit no research; add one of GRU, HMB, DS, POA."
        )


def check_request(purposes: int) -> None:
    """Raise `InputError` unless `purposes` can be requested: one permission, and not POA together with NPOA."""
    _check_defined(purposes)
    if not _is_request(purposes):
        shown = ",".join(names(purposes)) or "nothing"
        raise InputError(
            f"A study requests exactly one of GRU, HMB, DS, POA, and not POA with NPOA; not {shown}."
        )


def parse(text: str) -> int:
    """Bits of codes separated by commas or spaces, e.g. "HMB,IRB"; DUO identifiers serve too. Raises `InputError`."""
    words = text.replace(",", " ").split()
    if not words:
        raise InputError("No purpose is named; give DUO codes such as HMB,IRB.")
    purposes = 0
    for word in words:
        purposes |= _code(word)
    return purposes


def names(purposes: int) -> list[str]:
    """The codes of the bits, permissions first. Raises `InputError` for an undefined bit."""
    _check_defined(purposes)
    return [code.name for code in Purpose if purposes & code and code.name]


def describe(purposes: int) -> str:
    """A phrase for people, e.g. "health, medical or biomedical research; with ethics approval"."""
    _check_defined(purposes)
    return "; ".join(phrase for code, (_, phrase) in _MEANING.items() if purposes & code)


def duo_id(code: Purpose) -> str:
    """The identifier of one code in the ontology, e.g. "DUO:0000042"."""
    return f"DUO:{_MEANING[code][0]:07}"


def _code(word: str) -> int:
    known = {code.name: code for code in Purpose} | {duo_id(code): code for code in Purpose}
    try:
        return int(known[word.upper()])
    except KeyError:
        codes = ", ".join(code.name or "" for code in Purpose)
        raise InputError(f"{word!r} is no purpose that MedFed knows; choose from {codes}.") from None


def _check_defined(purposes: int) -> None:
    undefined = purposes & ~_DEFINED
    if undefined:
        raise InputError(f"Purposes {purposes:#x} have bits that no code is given to: {undefined:#x}.")


def _is_request(purposes: int) -> bool:
    kind = purposes & _PERMISSIONS
    return kind.bit_count() == 1 and not (kind == _POA and purposes & _NPOA)


def _widened(purposes: int) -> int:
    """With every permission that those present include."""
    if purposes & _GRU:
        return purposes | _PERMISSIONS
    if purposes & _HMB:
        return purposes | _DS
    return purposes


def _conditions(purposes: int) -> int:
    """The modifiers, NPUNCU written as NPU and NCU."""
    if purposes & _NPUNCU:
        purposes |= _NPU_AND_NCU
    return purposes & _MODIFIERS & ~_NPUNCU
