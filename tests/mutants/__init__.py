"""Faults of an earlier form of the contracts, each put back by a patch of a few lines, and what runs the campaign of value against them."""
