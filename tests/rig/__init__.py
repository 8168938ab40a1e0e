"""What tests share: the chain in the process, Anvil, actors."""
