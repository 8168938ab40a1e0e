"""The twin of the contracts: what must agree with them bit for bit. Pure functions of bytes, arrays and numbers."""
