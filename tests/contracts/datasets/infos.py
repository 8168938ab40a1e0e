"""What hospitals say of datasets in these tests."""

from __future__ import annotations

from medfed.protocol.basis import Basis
from medfed.protocol.purposes import Purpose
from tests.rig.evm import NO_ONE

__all__ = ["HMB", "NAMES", "USES", "info", "version"]

USES, HMB = int(Purpose.GRU), int(Purpose.HMB)
NAMES = ("recordsRoot", "schemaHash", "report", "records", "quality")
"""What a version changes."""


def info(**changes):
    values = {
        "recordsRoot": b"\x01" * 32,
        "schemaHash": b"\x02" * 32,
        "report": b"\x03" * 32,
        "records": 100,
        "uses": USES,
        "disease": 0,
        "quality": 9000,
        "basis": Basis.CONSENT,
        "issuer": NO_ONE,
    }
    return values | changes


def version(**changes):
    said = info(**changes)
    return {name: said[name] for name in NAMES}
