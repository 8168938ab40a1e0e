"""What data may be used for: codes of the GA4GH Data Use Ontology as bits of a uint32. Twin of `Purposes.sol`.

Who consents names what it permits (bits 0 to 5), what it denies (8, 11) and its conditions; who requests names what it
does and the conditions it meets. A dataset's permitted uses are judged exactly as a patient's consent. What each code
means stands in `docs/purposes.md`. Bit 31 is no code: a consent on chain that has it is followed by its details.
"""

from __future__ import annotations

from enum import IntFlag
from functools import lru_cache

from medfed.errors import InputError

__all__ = [
    "DETAILS",
    "PARAMETERISED",
    "Purpose",
    "asked",
    "beyond",
    "check_confirmable",
    "check_consent",
    "check_request",
    "describe",
    "describe_request",
    "duo_id",
    "from_byte",
    "is_defined",
    "is_void",
    "meaning",
    "met",
    "names",
    "narrows",
    "parse",
    "permits",
    "permits_study",
    "to_byte",
]


class Purpose(IntFlag):
    """One bit per code; the bit is what stands on chain. A denial is five bits above what it denies."""

    GRU = 1 << 0
    HMB = 1 << 1
    DS = 1 << 2
    POA = 1 << 3
    CC = 1 << 4
    NRES = 1 << 5
    MDS = 1 << 6
    NPOA = 1 << 8
    NMDS = 1 << 11
    GSO = 1 << 12
    IRB = 1 << 13
    PUB = 1 << 14
    COL = 1 << 15
    RTN = 1 << 16
    NPU = 1 << 17
    NCU = 1 << 18
    NRI = 1 << 19
    NGU = 1 << 20
    RS = 1 << 24
    GS = 1 << 25
    MOR = 1 << 26
    TS = 1 << 27
    US = 1 << 28
    PS = 1 << 29
    IS = 1 << 30
    NPUNCU = NPU | NCU


PARAMETERISED = 0x7F000000
"""Conditions that carry a parameter, met where the dataset's owner confirmed it: RS, GS, MOR, TS, US, PS, IS."""
DETAILS = 1 << 31
"""The bit of a consent on chain that has details. Nobody asks for it, and whoever consents does not name it."""

# Plain numbers: arithmetic on enum members is ten times slower.
_GRU, _HMB, _DS, _CC, _NRES, _MDS = 1 << 0, 1 << 1, 1 << 2, 1 << 4, 1 << 5, 1 << 6
_RESEARCH = 0x0F
_PERMISSIONS = 0x3F
_USES = _RESEARCH | _CC | _MDS
_DENIALS = 0x900
_PROMISED = 0x1FF000
_CONDITIONS = _PROMISED | PARAMETERISED
_DEFINED = _PERMISSIONS | _MDS | _DENIALS | _CONDITIONS

# Code -> the number in its DUO identifier, 0 for what is ours, and what it means to a person.
_MEANING: dict[Purpose, tuple[int, str]] = {
    Purpose.GRU: (42, "any research"),
    Purpose.HMB: (6, "health, medical or biomedical research"),
    Purpose.DS: (7, "research into the dataset's disease"),
    Purpose.POA: (11, "research into population origins or ancestry"),
    Purpose.CC: (43, "clinical care"),
    Purpose.NRES: (4, "anything, without restriction"),
    Purpose.MDS: (0, "development of methods"),
    Purpose.NPOA: (44, "no research into population origins or ancestry"),
    Purpose.NMDS: (15, "no development of methods"),
    Purpose.GSO: (16, "genetic studies alone"),
    Purpose.IRB: (21, "an ethics approval"),
    Purpose.PUB: (19, "publication of the results"),
    Purpose.COL: (20, "collaboration with the primary investigators"),
    Purpose.RTN: (29, "return of derived data"),
    Purpose.NPU: (45, "use by not-for-profit organisations alone"),
    Purpose.NCU: (46, "no commercial use"),
    Purpose.NRI: (0, "nobody is re-identified"),
    Purpose.NGU: (0, "no generative models"),
    Purpose.RS: (12, "a certain type of research"),
    Purpose.GS: (22, "a geographical region"),
    Purpose.MOR: (24, "no publication before a date"),
    Purpose.TS: (25, "a limited time"),
    Purpose.US: (26, "approved users"),
    Purpose.PS: (27, "an approved project"),
    Purpose.IS: (28, "an approved institution"),
    Purpose.NPUNCU: (18, "use by not-for-profit organisations alone, no commercial use"),
}


@lru_cache(maxsize=1024)  # a cohort asks for each patient, who all consented to one of a few things
def permits(consented: int, requested: int) -> bool:
    """Whether data given for `consented` may be used for `requested`; no for anything malformed."""
    if consented & ~(_DEFINED ^ _MDS | DETAILS) or not _is_request(requested):
        return False
    if _requested_uses(requested) & ~_permitted_uses(consented):
        return False
    return not consented & _CONDITIONS & ~requested


def asked(requested: int, disease: int, requested_disease: int) -> int:
    """What the patients of a dataset with this disease are asked for, given a study's purposes and disease.

    Disease specific research (DS) into another disease asks for health research (HMB): a patient's DS means the
    dataset's disease. Codes are compared as they are, 0 being no disease.
    """
    if requested & (_HMB | _DS) != _DS or (disease and requested_disease == disease):
        return requested  # with both it is no request, and stays none
    return requested ^ (_HMB | _DS)


def permits_study(uses: int, disease: int, requested: int, requested_disease: int) -> bool:
    """Whether a dataset with these uses and this disease may take part in a study.

    Data for GRU or HMB serve research into any disease, data for DS into their own.
    """
    return permits(uses, asked(requested, disease, requested_disease))


def met(requested: int, confirmed: int) -> int:
    """`requested` without the parameterised conditions that are not `confirmed`: what a seat's study meets."""
    return requested & (~PARAMETERISED | confirmed)


def narrows(before: int, after: int) -> bool:
    """Whether everything that `after` permits was permitted by `before` already."""
    return not any(beyond(before, after))


def beyond(before: int, after: int) -> tuple[int, int]:
    """What makes `after` no narrowing of `before`: the uses that it permits besides, and the conditions that it leaves out."""
    return _permitted_uses(after) & ~_permitted_uses(before), before & _CONDITIONS & ~after


def is_void(consented: int, disease: int) -> bool:
    """Whether a consent permits no study anything with data of this disease: DS alone means none where there is none (0)."""
    return not _permitted_uses(consented) & ~(_MDS if disease else _MDS | _DS)


def to_byte(purposes: int) -> int:
    """Parameterised conditions as one byte, e.g. those that a seat's owner confirmed."""
    return (purposes & PARAMETERISED) >> 24


def from_byte(conditions: int) -> int:
    """The conditions of such a byte; its highest bit means nothing and stays."""
    return conditions << 24


def is_defined(purposes: int) -> bool:
    """Whether every bit has a code."""
    return not purposes & ~_DEFINED


def check_consent(purposes: int) -> None:
    """Raise `InputError` unless `purposes` can be consented to: a permission that is not denied, NRES alone."""
    _check_defined(purposes)
    if purposes & _MDS:
        raise InputError(
            "MDS is what a study does; a consent permits it unless it names NMDS. Leave MDS out."
        )
    if not _permitted_uses(purposes) & ~_MDS:
        raise InputError(
            f"Purposes {','.join(names(purposes)) or 0} permit nothing; add one of GRU, HMB, DS, POA, CC, NRES."
        )
    if purposes & _NRES and purposes & (_DENIALS | _CONDITIONS):
        raise InputError("NRES says that there is no restriction; leave it or the restrictions out.")


def check_request(purposes: int) -> None:
    """Raise `InputError` unless `purposes` can be requested: one kind of research, clinical care, or both."""
    _check_defined(purposes)
    if not _is_request(purposes):
        shown = ",".join(names(purposes)) or "nothing"
        raise InputError(
            "A study requests exactly one of GRU, HMB, DS, POA, or CC, or CC with one of them; "
            f"not NRES, not POA with NPOA, not MDS with NMDS; not {shown}."
        )


def check_confirmable(requested: int, confirmed: int) -> None:
    """Raise `InputError` unless `confirmed` are parameterised conditions that `requested` names."""
    unasked = int(confirmed) & ~(
        int(requested) & PARAMETERISED
    )  # enum members drop undefined bits when inverted
    if unasked:
        shown = ",".join(names(unasked & _DEFINED)) or f"{unasked:#x}"
        raise InputError(f"The study does not ask for {shown} to be confirmed.")


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
    """A phrase for people, which says whose word each condition is; of a consent what `ConsentText.uses` says.

    For example "health, medical or biomedical research; only if the sponsor promises: an ethics approval; only if the
    hospital confirms: an approved institution".
    """
    _check_defined(purposes)
    parts = [meaning(code) for code in Purpose if purposes & code & ~_CONDITIONS]
    for said, kind in (("sponsor promises", _PROMISED), ("hospital confirms", PARAMETERISED)):
        conditions = [meaning(code) for code in Purpose if purposes & code & kind]
        if conditions:
            parts.append(f"only if the {said}: {', '.join(conditions)}")
    return "; ".join(parts)


def describe_request(purposes: int) -> str:
    """The same of a study: what it does, and which conditions it meets by whose word."""
    return describe(purposes).replace("only if the ", "the ")


def meaning(code: Purpose) -> str:
    """What one code means to a person."""
    return _MEANING[code][1]


def duo_id(code: Purpose) -> str:
    """The identifier of one code in the ontology, e.g. "DUO:0000042"; empty for a code that is not of it."""
    number, _ = _MEANING[code]
    return f"DUO:{number:07}" if number else ""


def _code(word: str) -> int:
    known = Purpose.__members__ | {duo_id(code): code for code in _MEANING if duo_id(code)}
    try:
        return int(known[word.upper()])
    except KeyError:
        raise InputError(
            f"{word!r} is no purpose that MedFed knows; choose from {', '.join(Purpose.__members__)}. "
            "What each of them means is told in docs/purposes.md."
        ) from None


def _check_defined(purposes: int) -> None:
    undefined = purposes & ~_DEFINED
    if undefined:
        raise InputError(f"Purposes {purposes:#x} have bits that no code is given to: {undefined:#x}.")


def _is_request(purposes: int) -> bool:
    if purposes & ~(_DEFINED ^ _NRES) or not purposes & (_RESEARCH | _CC):
        return False
    return (purposes & _RESEARCH).bit_count() <= 1 and not purposes & _denied(purposes)


def _requested_uses(requested: int) -> int:
    """What a study does that names these purposes. Any research (GRU) is into origins and into methods too, unless the
    request denies it."""
    uses = requested & _USES
    if uses & _GRU:
        return (uses | _RESEARCH | _MDS) & ~_denied(requested)
    return uses


def _permitted_uses(consented: int) -> int:
    """All that a consent to these purposes lets studies do."""
    uses = consented & (_RESEARCH | _CC) | _MDS
    if consented & _NRES:
        uses = _USES
    elif uses & _GRU:
        uses |= _RESEARCH
    elif uses & _HMB:
        uses |= _DS
    return uses & ~_denied(consented)


def _denied(purposes: int) -> int:
    """The uses that the denials among `purposes` exclude."""
    return (purposes & _DENIALS) >> 5
