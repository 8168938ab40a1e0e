"""Types a document's commands into a real shell, and reads what it promises to print."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

__all__ = ["Block", "Terminal", "blocks", "matches"]

_FENCE = re.compile(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "--- end of block"


@dataclass(frozen=True)
class Block:
    """Commands, and the text that a reader is told to expect (None: nothing is told)."""

    commands: str
    expected: str | None
    terminal: bool
    """Whether each line is to be run in a terminal of its own."""


def blocks(text: str) -> list[Block]:
    """The shell blocks of a document, each with the `text` block that follows it directly."""
    found: list[Block] = []
    for kind, mark, content in _FENCE.findall(text):
        if kind == "sh":
            found.append(Block(content, None, mark == "terminal"))
        elif kind == "text":
            last = found.pop()
            assert last.expected is None, f"two texts follow one block: {content}"
            found.append(Block(last.commands, content, last.terminal))
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether the text was printed: "…" stands for anything in a line, and alone for any lines."""
    pattern = ""
    for line in expected.rstrip("\n").split("\n"):
        part = r"(?:.*\n)*?" if line == "…" else r"[^\n]*".join(map(re.escape, line.split("…"))) + r"\n"
        pattern += part
    return re.fullmatch(pattern, printed) is not None


@dataclass
class Terminal:
    """One shell that stays open, and the processes of the other terminals. Ends all of them."""

    folder: Path
    environment: dict[str, str]
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.shell = subprocess.Popen(
            ["bash", "-e"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=os.environ | self.environment,
        )
        return self

    def __exit__(self, *_error: object) -> None:
        for process in (self.shell, *self.others):
            process.terminate()
        for process in (self.shell, *self.others):
            process.wait(20)
        for stream in (self.shell.stdin, self.shell.stdout):
            if stream is not None:
                stream.close()

    def start(self, commands: str) -> None:
        """Each line in a terminal of its own, its output in a file."""
        for line in commands.splitlines():
            with (self.folder / f"terminal-{len(self.others) + 1}.log").open("wb") as log:
                process = subprocess.Popen(
                    ["bash", "-c", f"exec {line}"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=os.environ | self.environment,
                )
            self.others.append(process)

    def type(self, commands: str) -> str:
        """What the commands print; the first that fails ends the shell, and the test."""
        assert self.shell.stdin is not None
        self.shell.stdin.write(f"{commands}\necho '{_END}'\n")
        self.shell.stdin.flush()
        return "".join(self._until_end(commands))

    def _until_end(self, commands: str) -> Iterator[str]:
        assert self.shell.stdout is not None
        told = []
        for line in self.shell.stdout:
            if line.rstrip("\n") == _END:
                return
            told.append(line)
            yield line
        raise AssertionError(f"A command failed in:\n{commands}\nIt printed:\n{''.join(told)}")
