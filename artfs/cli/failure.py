"""How an error is shown: one line `artfs: …` on stderr and an exit code; a traceback only for who asked for one.

A defect of artfs says where its traceback was written, so that it can be passed on without doing the thing again.
"""

from __future__ import annotations

import os
import sys
import traceback
from datetime import UTC, datetime

import typer

from artfs.cli.exit_codes import INTERNAL, INTERRUPTED, exit_code_of
from artfs.config import load_config, make_private_folder
from artfs.errors import ArtfsError

#: A non-empty value has the same effect as -v: tracebacks are shown.
DEBUG_VARIABLE = "ARTFS_DEBUG"


def wants_tracebacks(verbose: int) -> bool:
    return verbose > 0 or bool(os.environ.get(DEBUG_VARIABLE))


def report(error: BaseException, *, show_traceback: bool) -> int:
    """Say on stderr what went wrong; returns the exit code."""
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return INTERRUPTED
    if isinstance(error, typer.TyperException):
        return _report_usage(error)
    if show_traceback:
        traceback.print_exception(error, file=sys.stderr)
    code = exit_code_of(error)
    if code == INTERNAL:
        print_error(f"internal error: {_describe(error)}{'' if show_traceback else _keep_traceback(error)}")
    else:
        print_error(_describe(error))
    return code


def print_error(text: str) -> None:
    """One line on stderr, whatever is in `text`."""
    sys.stderr.write(f"artfs: {' '.join(text.split())}\n")


def _report_usage(error: typer.TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(error.format_message() + "\n")
        return error.exit_code
    context = getattr(error, "ctx", None)
    hint = f" (try '{context.command_path} --help')" if context is not None else ""
    option = getattr(error, "option_name", None)
    if (
        context is not None
        and context.parent is not None
        and any(option in each.opts for each in context.find_root().command.params)
    ):
        print_error(f"{option} stands before the command: artfs {option} … {context.info_name} … (try 'artfs --help')")
        return error.exit_code
    _put_in_our_words(error)
    print_error(_lower_first(error.format_message().rstrip().removesuffix(".")) + hint)
    return error.exit_code


def _put_in_our_words(error: typer.TyperException) -> None:
    """Say of a value what is wrong with it: typer gives the words of the package that looks at values for it."""
    problems = getattr(error.__cause__, "errors", None)
    if not isinstance(error, typer.BadParameter) or problems is None:
        return
    problem = problems()[0]
    value, facts = problem["input"], problem.get("ctx", {})
    if "error" in facts:
        error.message = str(facts["error"])
    elif "ge" in facts:
        error.message = f"{value!r} is less than {facts['ge']}"
    elif problem["type"].startswith("int_"):
        error.message = f"{value!r} is no whole number"


def _describe(error: BaseException) -> str:
    if isinstance(error, ArtfsError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes, os.PathLike))]
        return f"{' → '.join(names)}: {error.strerror}" if names else error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _keep_traceback(error: BaseException) -> str:
    """Append the traceback to the log of the command line; gives the words that say where it is."""
    try:
        path = load_config().log_dir / "cli.log"
        make_private_folder(path.parent)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{datetime.now(UTC).isoformat()} artfs {' '.join(sys.argv[1:])}\n")
            traceback.print_exception(error, file=log)
    except (OSError, ArtfsError):
        return "; run it again with -v to see the traceback"
    return f"; the traceback is in {path}"
