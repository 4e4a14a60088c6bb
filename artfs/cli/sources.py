"""What `artfs put` is told to put: local files and folders, stdin, and references, each with its place in the artifact.

Checked before a repository is opened: a mistake in the last of many is told before the first is read.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import cast

from artfs.errors import NotFound, SourceNotReadable, UserError
from artfs.model.names import MOUNT_FOLDER, normalise_path

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to put. `uri` is that of a reference, and else empty; `place` is where it is to go, None where nothing was said."""

    said: str
    place: str | None = None
    uri: str = ""

    @property
    def path(self) -> Path:
        return Path(self.said)

    @property
    def is_stdin(self) -> bool:
        return self.said == STDIN

    @property
    def is_folder(self) -> bool:
        return not self.uri and not self.is_stdin and self.path.is_dir()

    @property
    def hidden(self) -> str | None:
        """What it brings to the place that a mount has for itself; of what is in a bucket, this is not known."""
        if self.place is not None:
            return self.place if self.place.partition("/")[0] == MOUNT_FOLDER else None
        there = self.path / MOUNT_FOLDER if self.path.is_dir() else self.path
        return MOUNT_FOLDER if there.name == MOUNT_FOLDER and there.exists() else None


def parse_sources(said: Sequence[str], places: Sequence[str], *, references: bool) -> list[Source]:
    """The sources `said`, the n-th at the n-th of `places`; an empty place is the default one.

    What has a scheme is a reference; with `references`, local paths become references to them, too. Raises UserError for what
    cannot be put.
    """
    if len(places) > len(said):
        raise UserError(f"--at {places[len(said)]} has no source: say it as often as there are sources, at most")
    padded = [*places, *("" for _ in said[len(places) :])]
    sources = [_parse(text, normalise_path(place) if place else None, references) for text, place in zip(said, padded, strict=True)]
    if sum(source.is_stdin for source in sources) > 1:
        raise UserError("stdin can be read only once: name - once")
    return sources


def _parse(text: str, place: str | None, references: bool) -> Source:
    from artfs.references.uri import scheme_of

    if text == STDIN:
        if place is None:
            raise UserError("content from stdin has no name: say --at FILE")
        if references:
            raise UserError("stdin cannot be a reference: name a path or a URI")
        return Source(text, place)
    if scheme_of(text):
        return Source(text, place, uri=text)
    path = Path(text)
    if not path.exists():
        raise SourceNotReadable(f"{path} does not exist")
    if not path.is_dir() and not path.is_file():
        raise SourceNotReadable(f"{path} is neither a file nor a folder")
    return Source(text, place, uri=path.absolute().as_uri() if references else "")


@contextmanager
def readable(source: Source) -> Iterator[Path]:
    """The local path to read; stdin is spooled into a file of the user's, as it can be read only once."""
    if not source.is_stdin:
        yield source.path
        return
    with tempfile.NamedTemporaryFile(prefix="artfs-stdin-") as spool:
        # Not read(): it goes on reading without a look at signals until it has all that was asked for, and Ctrl-C may be lost.
        stdin = cast("BufferedReader", sys.stdin.buffer)
        while piece := stdin.read1(1 << 20):
            spool.write(piece)
        spool.flush()
        yield Path(spool.name)


@contextmanager
def in_words_of_put() -> Iterator[None]:
    """What the block raises names the options of `artfs put` in place of the parameters of `add_reference`."""
    try:
        yield
    except (UserError, NotFound) as error:
        error.message = error.message.replace("max_objects=", "--max-objects").replace("name=", "--at")
        raise
