"""`artfs commit`: a staging directory of a mount becomes the next version.

Does what `mv` does, with options: they are written to `NAME.json` beside the staging directory, then rename(2) commits. What came
of it, the mount says in the artifact's `.artfs/log`.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from artfs import errors
from artfs.cli.context import current
from artfs.cli.options import AliasesOption, DescriptionOption, JsonOption, MetadataOption, parse_metadata
from artfs.cli.output import print_json, print_line, print_note
from artfs.cli.staging_places import find_staging
from artfs.config import Config
from artfs.errors import ArtfsError, Busy, Conflict, IntegrityError, InternalError, ReadOnly, StoreFull, UserError
from artfs.model.names import LATEST, VersionName, check_aliases
from artfs.vfs.staging.folder import OPTIONS_SUFFIX
from artfs.vfs.staging.options import StagingOptions, parse_options

EXAMPLE = "artfs commit mnt/pets/staging/no-dogs -a best"
_KINDS: dict[int, type[ArtfsError]] = {
    errno.EBUSY: Busy,
    errno.EEXIST: Conflict,
    errno.ENOSPC: StoreFull,
    errno.EDQUOT: StoreFull,
    errno.EROFS: ReadOnly,
    errno.EIO: IntegrityError,
}


def command(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A staging directory in a mount: MOUNT/NAME/staging/….")],
    *,
    aliases: AliasesOption = None,
    description: DescriptionOption = None,
    metadata: MetadataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a staging directory the next version, and print NAME:vN.

    The alias latest always moves. Content that equals a version of the artifact makes no new one. If it fails, the staging
    directory is as it was.
    """
    options = StagingOptions(tuple(check_aliases(aliases)), description, parse_metadata(metadata))
    config = current(ctx).config
    staging = find_staging(path, config)
    with _options_beside(staging.path, options) as merged:
        _rename(staging.path, staging.artifact_directory / (merged.aliases[0] if merged.aliases else LATEST))
    outcome = _last_line(staging.path, "commit")
    if outcome is None:
        raise InternalError(f"{path} was committed, but {_log(staging.path)} does not say as what")
    if as_json:
        print_json({**_version_form(config, VersionName(staging.artifact, outcome["version"])), "created": outcome["created"]})
        return
    if not outcome["created"]:
        print_note(f"the content is that of {staging.artifact.name}:{outcome['version']} already")
    print_line(f"{staging.artifact.name}:{outcome['version']}")


def _version_form(config: Config, name: VersionName) -> dict[str, Any]:
    # A rename needs neither, and they take long to import.
    from artfs.cli.forms import version_form
    from artfs.repository.open import open_repository

    with open_repository(config) as repository:
        return version_form(repository.names.version(name))


@contextmanager
def _options_beside(staging: Path, options: StagingOptions) -> Iterator[StagingOptions]:
    """Add `options` to those in the file beside `staging`; if the block fails, they are as they were (I6)."""
    file = staging.with_name(staging.name + OPTIONS_SUFFIX)
    before = file.read_bytes() if file.exists() else None
    merged = parse_options(before or b"", str(file)).merged_with(options)
    file.write_text(json.dumps(_form(merged)), encoding="utf-8")
    try:
        yield merged
    except BaseException:
        if before is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(before)
        raise


def _form(options: StagingOptions) -> dict[str, Any]:
    form = {
        "aliases": list(options.aliases),
        "description": options.description,
        "metadata": dict(options.metadata),
        "type": options.type,
    }
    return {key: value for key, value in form.items() if value}


def _rename(staging: Path, target: Path) -> None:
    """rename(2), which commits; why it did not, the mount has written into the log."""
    before = _last_line(staging, "commit-failed")
    try:
        staging.rename(target)
    except OSError as error:
        line = _last_line(staging, "commit-failed")
        if line is None or line == before:
            raise _KINDS.get(error.errno or 0, UserError)(f"{staging} was not committed: {error.strerror}") from error
        raise _kind_of(line, error)(f"{staging} was not committed: {line['reason']}") from error


def _kind_of(line: dict[str, Any], error: OSError) -> type[ArtfsError]:
    """The class of what the mount met, or the next above it that is made of a sentence; an older mount does not tell it."""
    kind = getattr(errors, line.get("error", ""), None)
    if not isinstance(kind, type) or not issubclass(kind, ArtfsError):
        return _KINDS.get(error.errno or 0, UserError)
    return next(each for each in kind.__mro__ if issubclass(each, ArtfsError) and each.__init__ is ArtfsError.__init__)


def _last_line(staging: Path, event: str) -> dict[str, Any] | None:
    """The newest line of the artifact's log that says `event` of this staging directory."""
    for text in reversed(_log(staging).read_text(encoding="utf-8").splitlines()):
        line: dict[str, Any] = json.loads(text)
        if line.get("event") == event and line.get("staging") == staging.name:
            return line
    return None


def _log(staging: Path) -> Path:
    return staging.parent.parent / ".artfs" / "log"
