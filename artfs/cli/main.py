"""The program `artfs`: its global options, its commands by name, and what becomes of an error.

Commands are modules of `artfs.cli.commands` with a function `command` and an `EXAMPLE`; only the one that is run is imported, so
that `artfs --help` and completion of a command's name import nothing heavy. The table below must therefore say each command's help
a second time; a test compares them.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from artfs.cli import failure
from artfs.cli.completion import words_of_bash
from artfs.cli.exit_codes import DONE, INTERRUPTED, PIPE_CLOSED
from artfs.version import __version__

CONTENT, NAMES, LINEAGE, MOUNT, STORE = "Content", "Versions and names", "Lineage", "Mount and staging", "Store"

#: Command → help panel and the first line of its help, in the order of `artfs --help`.
COMMANDS = {
    "put": (CONTENT, "Log files, folders and references as a version, and print NAME:vN."),
    "get": (CONTENT, "Write a version, or a path of one, to a folder, and print where."),
    "ls": (CONTENT, "List the artifacts of the project, or the files of a version."),
    "cat": (CONTENT, "Write files of a version to stdout."),
    "diff": (CONTENT, "Show which paths differ between two versions."),
    "show": (NAMES, "Show all that is known of a version."),
    "versions": (NAMES, "List the versions of an artifact, newest first."),
    "alias": (NAMES, "Move aliases to a version."),
    "unalias": (NAMES, "Take aliases away from an artifact."),
    "describe": (NAMES, "Change the description and the metadata of a version."),
    "rm": (NAMES, "Delete versions."),
    "runs": (LINEAGE, "List the runs of the project, or show one of them."),
    "lineage": (LINEAGE, "Show which runs and versions a version came from and went into."),
    "mount": (MOUNT, "Mount artifacts as directories."),
    "umount": (MOUNT, "Unmount, once acknowledged work is safe."),
    "stage": (MOUNT, "Open a staging directory in a mount, and print its path."),
    "commit": (MOUNT, "Make a staging directory the next version, and print NAME:vN."),
    "copy": (STORE, "Copy artifacts with all versions to another place, project or name."),
    "bench-store": (STORE, "Measure what an object store gives, and say what that means."),
    "status": (STORE, "Show the settings in force, what is stored and what is mounted."),
    "gc": (STORE, "Delete bytes that no version needs any more."),
    "upgrade": (STORE, "Bring the registry to the schema of this artfs."),
    "warm": (STORE, "Fetch versions of a remote store, or paths of them, to the cache on this machine."),
    "verify": (STORE, "Check that all that is stored is whole."),
    "cache": (STORE, "Show, check, empty or fill the cache of remote object stores."),
}


class Commands(TyperGroup):
    """The commands, imported when they are run; and the one place where errors become lines and exit codes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (panel, line) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=line, rich_help_panel=panel, rich_markup_mode=self.rich_markup_mode))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, stub, rest = super().resolve_command(ctx, args)
        command = stub and load_command(str(name))
        gc.freeze()  # modules and classes stay as long as the process: not to be looked through each time
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # `artfs cat … | head`: nobody reads on. Point stdout elsewhere, or the flush at exit fails once more, with a message.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        return result

    # Takes what its callers give it; the other parameters of the overridden one go through `extra`.
    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command line and leave with its exit code, however it ends."""
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            with words_of_bash(os.environ):
                code = super().main(arguments, prog_name or "artfs", **{**extra, "standalone_mode": False})
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 -- the last one to see an error: it becomes a line and a code
            code = failure.report(error, show_traceback=failure.wants_tracebacks(_count_verbose(arguments)))
        if code == INTERRUPTED:
            failure.print_error("interrupted")
        sys.exit(code or DONE)


def load_command(name: str) -> TyperCommand:
    """The real command behind a name in COMMANDS."""
    module = importlib.import_module(f"artfs.cli.commands.{name.replace('-', '_')}")
    single = typer.Typer(add_completion=False, rich_markup_mode=_markup_mode())
    single.command(name, help=_unwrapped(module.command.__doc__), epilog=f"Example: {module.EXAMPLE}")(module.command)
    command = cast("TyperCommand", typer.main.get_command(single))
    for parameter in command.params:
        if isinstance(parameter, TyperArgument) and not parameter.type_descriptor.is_choice:
            parameter.display_type = _no_type  # type: ignore[method-assign]
    return command


def _no_type(ctx: Any) -> str:
    """What help shows of an argument's type: those of Python, such as list[str], say nothing to who uses a shell."""
    del ctx
    return ""


def _unwrapped(text: str) -> str:
    """Each paragraph as one line: the terminal's width is not that of our source."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _markup_mode() -> Any:
    return "rich" if sys.stdout.isatty() else None


def _count_verbose(arguments: Sequence[str]) -> int:
    """How often -v was said; for errors that came before, or instead of, parsing."""
    options = [argument for argument in arguments if argument.startswith("-")]
    return sum(argument == "--verbose" or (not argument.startswith("--") and set(argument[1:]) == {"v"}) for argument in options)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"artfs {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="artfs",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=_markup_mode(),
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(
    epilog="Settings are taken from options, from ARTFS_* variables, from $XDG_CONFIG_HOME/artfs/config.toml, in this order. "
    "ARTFS_HOME keeps everything in one folder, ARTFS_MEMORY bounds the memory of reads, ARTFS_CACHE_LIMIT the disk that remote "
    "stores are cached on, ARTFS_DEBUG=1 shows tracebacks."
)
def options(
    *,
    entity: Annotated[
        str | None,
        typer.Option(
            "--entity", metavar="NAME", envvar="ARTFS_ENTITY", help="Who the artifacts belong to; your login name by default."
        ),
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", envvar="ARTFS_PROJECT", help="Project of names that say none.")
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option("--registry", metavar="URL", envvar="ARTFS_REGISTRY", help="Where metadata is: sqlite:///… or postgresql://…"),
    ] = None,
    objects: Annotated[
        str | None,
        typer.Option(
            "--objects", metavar="URL", envvar="ARTFS_OBJECTS", help="Where bytes are: file:///…, s3://BUCKET/PREFIX or gs://…"
        ),
    ] = None,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Say what is being done, and show tracebacks; -vv says more.")
    ] = 0,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version of artfs.")
    ] = False,
) -> None:
    """Versioned artifacts for machine learning: log, mount, read, stage, commit."""
    del entity, project, registry, objects, version  # commands read them from the context
    logging.basicConfig(format="artfs: %(message)s", stream=sys.stderr)
    # Of artfs alone: what a database driver has to say at INFO is of no use to anybody here.
    logging.getLogger("artfs").setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG))


def main() -> None:
    """The console script."""
    # Python's collector looks for cycles after each 700 new objects. Imports and entries make hundreds of thousands of them and
    # hardly a cycle: looking took a tenth of the time of `put`.
    gc.set_threshold(100_000, 50, 50)
    if isinstance(sys.stdout, TextIOWrapper):
        # A path of the user's may be no UTF-8: it is printed as the bytes it is.
        sys.stdout.reconfigure(errors="surrogateescape")
    app()
