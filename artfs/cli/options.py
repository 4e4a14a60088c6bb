"""Options and arguments that several commands share, and how their values are read.

Declared once, so that `-a` or `--json` means the same everywhere and has the same help.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from artfs.cli.completion import complete_alias, complete_artifact, complete_target, complete_version
from artfs.errors import UserError
from artfs.model.metadata import copy_metadata

ArtifactArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="An artifact: NAME, PROJECT/NAME or ENTITY/PROJECT/NAME.", autocompletion=complete_artifact
    ),
]
VersionArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME:VERSION",
        help="A version by number (v3) or alias; latest when none is given.",
        autocompletion=complete_version,
    ),
]
TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME:VERSION/PATH", help="A version (latest when none is given), or a path in one.", autocompletion=complete_target
    ),
]
AliasesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--alias",
        "-a",
        metavar="ALIAS",
        help="Alias to move to the version, beside latest; may be repeated.",
        autocompletion=complete_alias,
    ),
]
DescriptionOption = Annotated[str | None, typer.Option("--description", "-d", metavar="TEXT", help="What the version is.")]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata",
        "-m",
        metavar="KEY=VALUE",
        help="Metadata; VALUE is JSON if it can be read as JSON, else text; may be repeated.",
    ),
]
RunOption = Annotated[
    str | None,
    typer.Option("--run", metavar="ID", envvar="ARTFS_RUN_ID", help="Run that this belongs to, for lineage."),
]
#: Type of a new artifact, when none is said.
DEFAULT_TYPE = "dataset"
TypeOption = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help=f"Type of a new artifact; {DEFAULT_TYPE!r} when none is given.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]


def parse_metadata(pairs: Iterable[str] | None) -> dict[str, Any]:
    """`KEY=VALUE` pairs as metadata: a value that is valid JSON is that value, any other is text.

    The later of two equal keys wins, as in a shell. Raises UserError for what no metadata can hold, as the Python API does.
    """
    metadata = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UserError(f"{pair!r} is not metadata: write KEY=VALUE, for example -m rows=8645")
        metadata[key] = _parse_value(value)
    return copy_metadata(metadata)


def _parse_value(text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(constant)  # NaN and Infinity are no JSON: they stay text

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return text
