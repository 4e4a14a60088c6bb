"""`artfs` in this process, and as the installed program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from artfs.cli.main import app

#: The console script that the package's installation made.
PROGRAM = Path(sys.executable).with_name("artfs")


class Outcome:
    """What one invocation came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> list[list[str]]:
        """The cells of tab-separated lines."""
        return [line.split("\t") for line in self.lines]

    @property
    def fields(self) -> dict[str, str]:
        """The values of `name<TAB>value` lines; the last one of a name."""
        return {row[0]: row[1] for row in self.rows}

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Artfs:
    """Runs the command line in this process."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> Outcome:
        """Run it, and demand success."""
        outcome = self.run(*arguments, stdin=stdin, env=env)
        assert outcome.code == 0, f"exit code {outcome.code}: {outcome.err or outcome.out}"
        return outcome

    def run(self, *arguments: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> Outcome:
        """Run it, whatever it comes to."""
        foreign = {name: None for name in os.environ if name.startswith(("ARTFS_", "_ARTFS_"))}
        result = CliRunner().invoke(
            app, [str(argument) for argument in arguments], input=stdin, env={**foreign, **self.environ, **(env or {})}
        )
        return Outcome(result.exit_code, result.stdout, result.stderr)

    def fails(self, *arguments: str | Path, env: dict[str, str] | None = None) -> Outcome:
        """Run it, and demand that it fails with one line and nothing on stdout."""
        outcome = self.run(*arguments, env=env)
        assert outcome.code != 0
        assert outcome.out == ""
        assert outcome.err.startswith("artfs: ")
        assert outcome.err.count("\n") == 1, outcome.err
        assert "Traceback" not in outcome.err
        return outcome


@pytest.fixture
def artfs(environ: dict[str, str]) -> Artfs:
    return Artfs(environ)


Program = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def program(environ: dict[str, str]) -> Program:
    """The installed `artfs` as a process of its own."""

    def run(
        *arguments: str | bytes | Path, env: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        options.setdefault("capture_output", True)
        return subprocess.run([PROGRAM, *arguments], env={**environ, **(env or {})}, timeout=60, check=False, **options)

    return run


@pytest.fixture
def pets(artfs: Artfs, dataset: Callable[..., Path]) -> Artfs:
    """A project with `pets:v0` (alias `old`) and `pets:v1` (alias `best`, `latest`)."""
    first = {"readme.txt": b"two pets\n", "images/cat.bin": bytes(range(256)) * 40, "images/dog.bin": b"wuff" * 500, "empty": None}
    artfs("put", dataset(first, name="first"), "pets", "-a", "old", "-d", "the first two")
    second = {**first, "readme.txt": b"three pets\n", "images/bird.bin": b"tweet"}
    del second["images/dog.bin"]
    artfs("put", dataset(second, name="second"), "pets", "-a", "best", "-m", "count=3", "-m", "source=home")
    return artfs
