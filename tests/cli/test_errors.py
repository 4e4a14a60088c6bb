"""An error is one line on stderr and an exit code from one table."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from artfs import errors
from artfs.cli.exit_codes import EXIT_CODES, INTERNAL, exit_code_of
from artfs.cli.failure import report
from tests.cli.conftest import Artfs


def descendants(root: type[errors.ArtfsError]) -> Iterator[type[errors.ArtfsError]]:
    yield root
    for child in root.__subclasses__():
        yield from descendants(child)


ALL_ERRORS = sorted(set(descendants(errors.ArtfsError)), key=lambda error: error.__name__)


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_every_error_has_an_exit_code(kind: type[errors.ArtfsError]) -> None:
    code = exit_code_of(kind.__new__(kind, "a sentence"))
    assert 2 <= code < 126  # 0 is success, 1 an answer, from 126 on the shell speaks
    assert (code == INTERNAL) == (kind in (errors.ArtfsError, errors.InternalError))


def test_the_table_has_no_entry_for_what_does_not_exist() -> None:
    assert set(EXIT_CODES) <= set(ALL_ERRORS)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NameNotValid("x"), 2),
        (errors.EntryNotFound("x"), 3),
        (errors.Busy("x"), 4),
        (errors.IntegrityError("x"), 5),
        (errors.RegistryUnavailable("x"), 6),
        (errors.ReadOnly("x"), 7),
        (errors.StoreFull("x"), 8),
        (OSError(errno.ENOSPC, "No space left on device"), 8),
        (OSError(errno.EROFS, "Read-only file system"), 7),
        (PermissionError(errno.EACCES, "Permission denied"), 2),
        (ZeroDivisionError(), 70),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert exit_code_of(error) == code


def test_an_error_of_several_lines_is_printed_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(errors.NotFound("nothing\nhere"), show_traceback=False) == 3
    assert capsys.readouterr().err == "artfs: nothing here\n"


def test_an_error_of_the_operating_system_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    report(PermissionError(errno.EACCES, "Permission denied", "/some/file"), show_traceback=False)
    assert capsys.readouterr().err == "artfs: /some/file: Permission denied\n"


def test_ctrl_c_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyboardInterrupt(), show_traceback=False) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["nothing"], "No such command 'nothing'"),
        (["verison"], "Did you mean 'versions'"),
        (["put"], "Missing argument 'NAME'"),
        (["put", "a"], "Missing argument 'NAME'"),
        (["put", "a", "b", "--max-objects", "0"], "value for '--max-objects': '0' is less than 1 (try"),
        (["ls", "--nothing"], "No such option: --nothing"),
        (["ls", "a", "b"], "unexpected extra argument"),
        (["lineage", "a", "--depth", "x"], "value for '--depth': 'x' is no whole number (try"),
        (["cache", "foo"], "value for 'ACTION': 'foo' is not one of 'show', 'verify', 'clear', 'pin', 'unpin' (try"),
        (["--nothing", "ls"], "No such option: --nothing"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_says_where_help_is(artfs: Artfs, arguments: list[str], hint: str) -> None:
    outcome = artfs.fails(*arguments)
    assert outcome.code == 2
    assert hint.lower() in outcome.err.lower()
    assert "--help" in outcome.err


def test_a_setting_that_cannot_be_used_is_told_with_where_it_was_said(artfs: Artfs) -> None:
    assert "project that was given cannot be used: 'a b'" in artfs.fails("--project", "a b", "ls").err
    assert "project in the variable ARTFS_PROJECT cannot" in artfs.fails("ls", env={"ARTFS_PROJECT": "a b"}).err


@pytest.mark.parametrize("option", ["--project", "--registry", "-v"])
def test_a_global_option_after_the_command_is_told_where_it_belongs(artfs: Artfs, option: str) -> None:
    outcome = artfs.fails("ls", option, "other")
    assert outcome.code == 2
    assert f"{option} stands before the command: artfs {option} … ls" in outcome.err


def test_verbose_shows_the_traceback_of_an_error(artfs: Artfs) -> None:
    for outcome in (artfs.run("-v", "show", "pets"), artfs.run("show", "pets", env={"ARTFS_DEBUG": "1"})):
        assert outcome.code == 3
        assert "Traceback" in outcome.err
        assert outcome.err.splitlines()[-1].startswith("artfs: ")


def test_without_a_command_help_is_shown_and_the_exit_code_is_that_of_a_mistake(artfs: Artfs) -> None:
    outcome = artfs.run()
    assert outcome.code == 2
    assert "Usage: artfs" in outcome.out + outcome.err
