"""Shell completion."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Artfs


def in_bash(artfs: Artfs, line: str) -> list[str]:
    """What bash is offered for the last word of the line, cut into words as bash cuts it: at colons, too."""
    words = line.replace(":", " : ").split(" ")
    words = [word for index, word in enumerate(words) if word or index == len(words) - 1]
    if line.endswith(":"):
        words.pop()
    environ = {"_ARTFS_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    return artfs(env=environ).out.split()


def in_zsh(artfs: Artfs, line: str) -> str:
    return artfs(env={"_ARTFS_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}).out


def test_commands_are_completed(artfs: Artfs) -> None:
    assert in_bash(artfs, "artfs un") == ["unalias"]
    assert "versions" in in_bash(artfs, "artfs ")


def test_options_are_completed(artfs: Artfs) -> None:
    assert in_bash(artfs, "artfs put --desc") == ["--description"]


@pytest.mark.parametrize("command", ["versions", "ls", "get", "put x", "stage", "show", "rm"])
def test_artifact_names_are_completed(pets: Artfs, command: str) -> None:
    assert in_bash(pets, f"artfs {command} pe") == ["pets"]


def test_artifact_names_of_other_projects_are_completed(pets: Artfs) -> None:
    assert in_bash(pets, "artfs ls default/p") == ["default/pets"]
    assert in_bash(pets, "artfs ls tester/default/") == ["tester/default/pets"]


def test_global_options_count_when_completing(pets: Artfs) -> None:
    assert in_bash(pets, "artfs --project other ls pe") == []
    assert in_bash(pets, "artfs --project default ls pe") == ["pets"]


def test_versions_and_aliases_are_completed_in_bash_without_what_is_before_the_colon(pets: Artfs) -> None:
    assert in_bash(pets, "artfs show pets:") == ["best", "latest", "old", "v1", "v0"]
    assert in_bash(pets, "artfs show pets:b") == ["best"]
    assert in_bash(pets, "artfs diff pets:v0 pets:v") == ["v1", "v0"]


def test_versions_and_aliases_are_completed_in_zsh(pets: Artfs) -> None:
    assert "pets:best" in in_zsh(pets, "artfs show pets:b").replace("\\", "")


def test_paths_are_completed(pets: Artfs) -> None:
    assert in_bash(pets, "artfs cat pets:best/") == ["best/empty/", "best/images/", "best/readme.txt"]
    assert in_bash(pets, "artfs cat pets:best/images/c") == ["best/images/cat.bin"]


def test_aliases_of_the_artifact_are_completed(pets: Artfs) -> None:
    assert in_bash(pets, "artfs unalias pets o") == ["old"]
    assert in_bash(pets, "artfs stage pets --from ") == ["best", "latest", "old"]
    assert in_bash(pets, "artfs put x pets -a b") == ["best"]


def test_the_artifact_behind_the_sources_of_put_is_completed(pets: Artfs) -> None:
    for line in ("artfs put x pe", "artfs put x s3://b/y pe", "artfs put --at a x y p"):
        assert in_bash(pets, line) == ["pets"]
    assert in_bash(pets, "artfs put pe") == []  # a file, which the shell completes
    assert in_bash(pets, "artfs put x y pets -a b") == ["best"]
    assert in_bash(pets, "artfs verify --references pets:b") == ["best"]


def test_what_cannot_be_completed_is_silence(pets: Artfs) -> None:
    for line in ("artfs show dogs:", "artfs cat pets:v9/", "artfs cat pets:v0/nothing/", "artfs ls a/b/c/d", "artfs show :"):
        assert in_bash(pets, line) == []


def test_completion_does_not_create_a_registry(artfs: Artfs, tmp_path: Path) -> None:
    assert in_bash(artfs, "artfs ls ") == []
    assert not (tmp_path / "artfs-home" / "data").exists()


def test_bash_itself_completes(pets: Artfs) -> None:
    script = f"""
        source <(_ARTFS_COMPLETE=source_bash {PROGRAM})
        COMP_WORDS=({PROGRAM} cat pets : best/im) COMP_CWORD=4
        _artfs_completion {PROGRAM}
        echo "${{COMPREPLY[@]}}"
    """
    environ = {**os.environ, **pets.environ}
    done = subprocess.run(["bash", "--norc", "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "best/images/\n", done.stderr
