"""Shell completion of artifact names, versions, aliases and paths, read from the registry, or from what is known while it is away.

Bash takes a colon for the end of a word, so that it asks for the completion of `la` when the line says `get bike:la`, and expects
to be given `latest`, not `bike:latest`. `words_of_bash` puts such words together before the line is parsed, and takes the part away
again that bash believes to be another word.

A completion never prints an error and creates nothing: a name that cannot be completed is just not completed.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import typer

from artfs.errors import ArtfsError

if TYPE_CHECKING:
    from artfs.cli.context import Invocation
    from artfs.model.records import VersionRecord
    from artfs.repository.repository import Repository

#: What typer is told by the shell in.
COMPLETE_VARIABLE = "_ARTFS_COMPLETE"
#: Nobody waits for longer after a press of Tab.
_PATIENCE_S = 3.0


@contextmanager
def words_of_bash(environ: MutableMapping[str, str]) -> Iterator[None]:
    """While the block runs, typer finds the line in `environ` as it was meant, and what it prints is cut as bash expects it."""
    cut = _join_words_at_colons(environ) if environ.get(COMPLETE_VARIABLE) == "complete_bash" else ""
    if not cut:
        yield
        return
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:  # typer leaves with SystemExit
        sys.stdout.write("".join(line.removeprefix(cut) for line in printed.getvalue().splitlines(keepends=True)))


def _join_words_at_colons(environ: MutableMapping[str, str]) -> str:
    """Undo bash's word breaks in `environ`; gives the beginning of the last word that bash believes to be other words."""
    words, current = environ.get("COMP_WORDS", "").split("\n"), int(environ.get("COMP_CWORD", "0"))
    words = words[: current + 1] + [""] * (current + 1 - len(words))
    joined: list[str] = []
    for index, word in enumerate(words):
        if index > 1 and (word == ":" or words[index - 1] == ":"):
            joined[-1] += word
        else:
            joined.append(word)
    environ["COMP_WORDS"], environ["COMP_CWORD"] = "\n".join(joined), str(len(joined) - 1)
    return joined[-1][: joined[-1].rfind(":") + 1] if len(joined) < len(words) else ""


def complete_artifact(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of artifacts, spelled as far as `incomplete` spells them."""
    return _complete(ctx, incomplete, _artifacts)


def complete_source(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of artifacts as soon as a source was said: the word may be the last one. The shell itself knows about files."""
    if not ctx.params.get("name") and not ctx.params.get("sources"):
        return []
    return _complete(ctx, incomplete, _artifacts)


def complete_side(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of artifacts, and after an @ of places."""
    from artfs.cli.context import current

    head, at, _ = incomplete.rpartition("@")
    if not at:
        return complete_artifact(ctx, incomplete)
    try:
        return [text for place in sorted(current(ctx).config.places) if (text := f"{head}@{place}").startswith(incomplete)]
    except ArtfsError:
        return []


def complete_version(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of artifacts, and after the colon of their versions and aliases."""
    return _complete(ctx, incomplete, _versions)


def complete_target(ctx: typer.Context, incomplete: str) -> list[str]:
    """As `complete_version`, and after a slash the paths in the version."""
    return _complete(ctx, incomplete, _targets)


def complete_alias(ctx: typer.Context, incomplete: str) -> list[str]:
    """Aliases of the artifact that the line has named already."""
    # An option that still wants its value ends the parsing: what was said before is in `args` then.
    named = ctx.params.get("name") or ctx.params.get("version") or next(iter(reversed(ctx.args)), None)
    if not isinstance(named, str):
        return []
    return _complete(ctx, incomplete, lambda invocation, repository, _: _aliases(invocation, repository, named))


def _complete(ctx: typer.Context, incomplete: str, candidates: Callable[[Invocation, Repository, str], Iterable[str]]) -> list[str]:
    try:
        with _opened(ctx) as (invocation, repository):
            if repository is None:
                return []
            return [text for text in candidates(invocation, repository, incomplete) if text.startswith(incomplete)]
    except (ArtfsError, OSError):
        return []


@contextmanager
def _opened(ctx: typer.Context) -> Iterator[tuple[Invocation, Repository | None]]:
    from artfs.cli.context import current
    from artfs.registry.database import hurried
    from artfs.repository.open import open_repository

    invocation = current(ctx)
    default_registry = f"sqlite:///{invocation.config.data_dir}/"
    if invocation.config.registry.startswith(default_registry) and not invocation.config.data_dir.exists():
        yield invocation, None  # nothing was ever put: a press of Tab should not be what creates the registry
        return
    with _without_warnings(), hurried(_PATIENCE_S), open_repository(invocation.config) as repository:
        yield invocation, repository


@contextmanager
def _without_warnings() -> Iterator[None]:
    """That the registry is away would stand in the middle of what is being typed."""
    logger = logging.getLogger("artfs")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _artifacts(invocation: Invocation, repository: Repository, incomplete: str) -> Iterator[str]:
    said = incomplete.split("/")[:-1]
    config = invocation.config
    project = said[-1] if said else config.project
    entity = said[-2] if len(said) > 1 else config.entity
    prefix = "/".join([*said, ""])
    for collection in repository.names.collections(entity, project):
        yield prefix + collection.artifact.name


def _versions(invocation: Invocation, repository: Repository, incomplete: str) -> Iterator[str]:
    head, colon, _ = incomplete.partition(":")
    if not colon:
        yield from _artifacts(invocation, repository, incomplete)
        return
    artifact = invocation.artifact(head)
    versions = repository.names.versions(artifact)
    yield from (f"{head}:{alias}" for alias in _sorted_aliases(versions))
    yield from (f"{head}:{version.label}" for version in versions)


def _targets(invocation: Invocation, repository: Repository, incomplete: str) -> Iterator[str]:
    head, colon, tail = incomplete.partition(":")
    if not colon or "/" not in tail:
        yield from _versions(invocation, repository, incomplete)
        return
    from artfs.model.entry import Kind

    selector, _, path = tail.partition("/")
    directory = path.rpartition("/")[0]
    manifest = repository.manifest(repository.names.version(invocation.version(f"{head}:{selector}")))
    for entry in manifest.list(directory):
        yield f"{head}:{selector}/{entry.path}{'/' if entry.kind is Kind.DIRECTORY else ''}"


def _aliases(invocation: Invocation, repository: Repository, named: str) -> Iterator[str]:
    artifact = invocation.artifact(named.partition(":")[0])
    yield from _sorted_aliases(repository.names.versions(artifact))


def _sorted_aliases(versions: Iterable[VersionRecord]) -> list[str]:
    return sorted(alias for version in versions for alias in version.aliases)
