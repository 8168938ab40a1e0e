"""`__all__` says exactly what a module offers. (That it is sorted is ruff's RUF022.)"""

from __future__ import annotations

import ast

import pytest

from tests.meta.source import modules


def public(tree: ast.Module) -> set[str]:
    """Functions and classes that a module defines without an underscore; commands of the CLI are not imported."""
    found = set()
    for node in tree.body:
        if isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        ) and not node.name.startswith("_"):
            decorators = {
                ast.unparse(decorator).split("(")[0].split(".")[-1] for decorator in node.decorator_list
            }
            if not decorators & {"command", "callback"}:
                found.add(node.name)
    return found


def bound(tree: ast.Module) -> set[str]:
    """Every name that exists at the top of a module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(alias.asname or alias.name for alias in node.names)
    return found


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))
    return None


@pytest.mark.parametrize("name", [name for name in modules() if "._" not in f".{name}"])
def test_all_is_complete_and_true(name):
    """Every public function and class is listed, and every listed name exists."""
    tree = modules()[name]
    listed = exported(tree)
    if listed is None:
        assert not public(tree), f"medfed.{name} defines {sorted(public(tree))} and has no __all__"
        return
    assert len(listed) == len(set(listed)), f"medfed.{name} lists a name twice"
    assert public(tree) <= set(listed), f"medfed.{name} hides {sorted(public(tree) - set(listed))}"
    lazy = "__getattr__" in bound(tree)
    assert lazy or set(listed) <= bound(tree), f"medfed.{name} lists {sorted(set(listed) - bound(tree))}"
