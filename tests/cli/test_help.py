"""Help and docs/commands.md: every command is there, with an example that parses."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from artfs.cli import exit_codes
from artfs.cli.main import COMMANDS, app, load_command
from tests.cli.conftest import Artfs
from tests.cli.test_store import STATUS_KEYS
from tests.cli.test_versions import ENTRY_KEYS, RUN_KEYS, VERSION_KEYS

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"


def sections() -> dict[str, str]:
    parts = re.split(r"^### (.+)$", DOCUMENT.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def examples(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("artfs ")]


def parse(line: str) -> str:
    """The command that the line means; raises when it cannot be parsed. Runs nothing."""
    group: Any = typer.main.get_command(app)
    _, *arguments = shlex.split(line)
    with group.make_context("artfs", arguments) as context:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        with command.make_context(name, rest, parent=context):
            return str(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_that_parses(artfs: Artfs, name: str) -> None:
    example = importlib.import_module(f"artfs.cli.commands.{name.replace('-', '_')}").EXAMPLE
    text = artfs(name, "--help").out
    assert example in " ".join(text.split())
    assert re.search(r"<(str|path|list)|\.\.\.[]}]\.\.\.|dynamic", text) is None, "what says nothing to a user"
    assert parse(example) == name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_the_program_says_what_the_help_of_the_command_says(name: str) -> None:
    assert str(load_command(name).help).splitlines()[0] == COMMANDS[name][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_examples_that_parse(name: str) -> None:
    lines = examples(sections()[name])
    assert lines
    assert {parse(line) for line in lines} == {name}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str) -> None:
    assert [parameter.name for parameter in load_command(name).params if not getattr(parameter, "help", None)] == []


def test_every_file_of_a_command_is_in_the_table() -> None:
    folder = Path(str(importlib.import_module("artfs.cli.commands").__file__)).parent
    assert {path.stem.replace("_", "-") for path in folder.glob("*.py")} - {"--init--"} == set(COMMANDS)


def test_nothing_is_documented_that_does_not_exist() -> None:
    assert set(sections()) == set(COMMANDS)


def test_the_program_s_help_names_every_command_and_every_variable(artfs: Artfs) -> None:
    text = artfs("--help").out
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", text, re.MULTILINE)] == []
    for variable in ("ENTITY", "PROJECT", "REGISTRY", "OBJECTS", "HOME", "MEMORY", "DEBUG"):
        assert f"ARTFS_{variable}" in re.sub(r"\s+", "", text)


def test_the_exit_codes_are_documented_as_they_are() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    for source in (DOCUMENT.read_text(), str(exit_codes.__doc__)):
        assert {int(code) for code in re.findall(r"^\| (\d+) +\|", source, re.MULTILINE)} == codes


@pytest.mark.parametrize(
    ("row", "keys"),
    [("ls NAME…", ENTRY_KEYS), ("versions", VERSION_KEYS), ("runs", RUN_KEYS), ("status", STATUS_KEYS)],
)
def test_the_keys_of_json_are_documented(row: str, keys: set[str]) -> None:
    (line,) = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| `{row}` |")]
    assert keys <= set(re.findall(r"`([a-z_]+)`", line))
