"""The package as text: meta tests judge what is written, without importing it."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

__all__ = ["PACKAGE", "ROOT", "calls", "imports", "modules", "tracked"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "offchain" / "medfed"


@cache
def modules() -> dict[str, ast.Module]:
    """Dotted name below `medfed` ('' for the package itself) -> syntax tree."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports(tree: ast.Module) -> set[str]:
    """Every module that is imported anywhere in `tree`, functions and type checking included."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer; name the module in full"
            module = node.module or ""
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def calls(tree: ast.Module) -> set[str]:
    """Names of everything called in `tree`: `open` for open(...), `read_text` for path.read_text(...)."""
    nodes = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    plain = {node.id for node in nodes if isinstance(node, ast.Name)}
    return plain | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


@cache
def tracked() -> tuple[Path, ...]:
    """Files that git keeps, as paths from the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return tuple(Path(name) for name in listed.decode().split("\0") if name and (ROOT / name).is_file())
