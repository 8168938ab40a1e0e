"""Contract wallets that only an attacker would write, as bytecode."""

from __future__ import annotations

__all__ = ["GREEDY", "TWO_FACED", "deploying", "put_code"]

_YES = "631626ba7e60e01b60005260206000f3"
GREEDY = bytes.fromhex("5b5a6117701060005763" + _YES[2:])
"""Takes all its gas but 6,000, then takes any signature: JUMPDEST GAS 6000 LT 0 JUMPI, then the magic value."""
TWO_FACED = bytes.fromhex("3a15600957600080fd5b" + _YES)
"""Takes any signature while it is asked for nothing (GASPRICE is 0), none in a transaction."""


def deploying(code: bytes) -> bytes:
    """What deploys it."""
    return bytes.fromhex(f"60{len(code):02x}600c60003960{len(code):02x}6000f3") + code


def put_code(evm, code: bytes) -> str:
    """The address of a contract with this code."""
    return evm.send("", deploying(code)).contract
