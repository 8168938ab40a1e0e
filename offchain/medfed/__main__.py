"""`python -m medfed` is the command line."""

from __future__ import annotations

from medfed.cli import main

main()
