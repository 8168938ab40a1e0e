"""MedFed: federated learning between hospitals, with consent, checks and pay held by contracts."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
