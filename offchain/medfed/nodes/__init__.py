"""Daemons: one loop, and the hospital that runs in it. A daemon may be killed at any line and started again."""
