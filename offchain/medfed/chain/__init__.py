"""The Python side of the contracts: client, keys, sender, wrappers, event index, deployment.

Import the module you need (`medfed.chain.client`, `medfed.chain.sender` ...): nothing is imported from here, so that a
command that talks to no chain pays for none of it.
"""

from __future__ import annotations

__all__: list[str] = []
