"""Speed and memory, each beside its limit: `python -m bench` measures all, `python -m bench seal check` some."""
