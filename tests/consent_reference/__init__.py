"""Patients' consent written a second time, from the rules in prose alone: an oracle for contract and twin."""
