"""`artfs cache`: what is kept on this machine of remote object stores."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from artfs.chunks.disk_cache.cache import DiskCache
from artfs.chunks.disk_cache.open import open_disk_cache
from artfs.cli.completion import complete_version
from artfs.cli.context import Invocation, current
from artfs.cli.exit_codes import INTEGRITY
from artfs.cli.options import JsonOption
from artfs.cli.output import Cell, Size, format_size, print_fields, print_json, print_line, print_note
from artfs.cli.pinned import follow_pins
from artfs.cli.progress import byte_progress
from artfs.config import Config
from artfs.errors import ArtfsError, ConfigNotValid, NotFound, UserError
from artfs.repository.open import open_repository
from artfs.repository.pins import Pin, list_pins, pin_version, unpin_version

EXAMPLE = "artfs cache pin pets:latest"


class Action(StrEnum):
    """What to do with the cache."""

    SHOW = "show"
    VERIFY = "verify"
    CLEAR = "clear"
    PIN = "pin"
    UNPIN = "unpin"


def command(
    ctx: typer.Context,
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="What to do.")] = Action.SHOW,
    versions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME:VERSION", help="To pin or unpin: versions by number or alias.", autocompletion=complete_version
        ),
    ] = None,
    pinned: Annotated[bool, typer.Option("--pinned", help="With clear: what is pinned as well.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show, check, empty or fill the cache of remote object stores.

    show says what the cache holds, and has pins follow what repacks have moved. verify reads all of it, drops what is damaged, and
    then exits with 5. clear empties it. pin fetches all of a version and keeps it on this machine until unpin, whatever else is
    read.
    """
    invocation = current(ctx)
    names = versions or []
    if names and action not in {Action.PIN, Action.UNPIN}:
        raise UserError(f"{names[0]!r} is one too many: `artfs cache {action}` is about all of the cache")
    if not names and action in {Action.PIN, Action.UNPIN}:
        raise UserError(f"say what to {action}: for example `artfs cache {action} pets:latest`")
    if pinned and action is not Action.CLEAR:
        raise UserError("--pinned is said with `artfs cache clear`")
    cache = open_disk_cache(invocation.config.chunk_cache_dir, invocation.config.cache_limit)
    if action is Action.SHOW:
        _show(invocation.config, cache, as_json=as_json)
        return
    if cache is None:
        raise ConfigNotValid("there is no cache, as cache_limit is 0: set it to a size, for example ARTFS_CACHE_LIMIT=10GiB")
    if action is Action.VERIFY:
        _verify(cache, as_json=as_json)
    elif action is Action.CLEAR:
        _clear(cache, pinned=pinned, as_json=as_json)
    elif action is Action.PIN:
        _pin(invocation, cache, names, as_json=as_json)
    else:
        _unpin(invocation, cache, names, as_json=as_json)


def _show(config: Config, cache: DiskCache | None, *, as_json: bool) -> None:
    facts: dict[str, Any] = {"folder": str(config.chunk_cache_dir), "limit": 0, "used": 0, "reserved": 0, "pinned": 0}
    if cache is not None:
        facts = cache.facts()
    pins = [] if cache is None else _list_pins(config, cache)
    staging = _size_below(config.staging_dir)
    if as_json:
        form = {key: facts[key] for key in ("folder", "limit", "used", "reserved", "pinned")}
        print_json({**form, "pins": [_pin_form(pin) for pin in pins], "staging": staging})
        return
    fields: list[tuple[str, Cell | list[str]]] = [
        ("folder", facts["folder"]),
        ("limit", Size(facts["limit"])),
        ("used", Size(facts["used"])),
        ("pinned", Size(facts["pinned"])),
        ("reserved, beside what is used", Size(facts["reserved"])),
        ("pins", [_described(pin) for pin in pins] or None),
        ("staging, beside the limit", Size(staging)),
    ]
    print_fields(fields)


def _list_pins(config: Config, cache: DiskCache) -> list[Pin]:
    """The pins, which have followed repacks as far as the stores can be reached."""
    pins = list_pins(cache)
    if not pins:
        return pins
    try:
        with open_repository(config) as repository:
            follow_pins(repository)
            return list_pins(cache, repository)
    except ArtfsError:
        return pins


def _verify(cache: DiskCache, *, as_json: bool) -> None:
    with byte_progress("verify") as on_progress:
        report = cache.verify(on_progress)
    broken = [pin for pin in list_pins(cache) if pin.missing]
    if as_json:
        print_json(
            {
                "chunks": report.chunks,
                "bytes_read": report.bytes_read,
                "damaged": report.damaged,
                "recovered": report.recovered,
                "incomplete_pins": [pin.version for pin in broken],
            }
        )
    else:
        print_fields(
            [
                ("chunks", report.chunks),
                ("bytes read", Size(report.bytes_read)),
                ("damaged and dropped", report.damaged),
                ("found again", report.recovered),
                ("incomplete pins", [f"{_described(pin)}: run `artfs cache pin {pin.version}`" for pin in broken] or None),
            ]
        )
    if report.damaged or broken:
        raise typer.Exit(INTEGRITY)


def _clear(cache: DiskCache, *, pinned: bool, as_json: bool) -> None:
    before = cache.facts()["used"]
    cache.clear(pinned=pinned)
    freed = max(0, before - cache.facts()["used"])
    if as_json:
        print_json({"freed": freed})
    else:
        print_fields([("freed", Size(freed))])


def _pin(invocation: Invocation, cache: DiskCache, names: list[str], *, as_json: bool) -> None:
    cache.ensure_usable()  # else who reads the manifest says so, too
    with open_repository(invocation.config) as repository:
        for name in names:
            version = repository.names.version(invocation.version(name))
            with byte_progress(f"pin {version.name}") as on_progress:
                size = pin_version(repository, cache, version, on_progress)
            if not as_json:
                print_line(version.qualified_name)
                print_note(f"{format_size(size)} stay on this machine until `artfs cache unpin`")
    if as_json:
        print_json([_pin_form(pin) for pin in list_pins(cache)])


def _unpin(invocation: Invocation, cache: DiskCache, names: list[str], *, as_json: bool) -> None:
    with open_repository(invocation.config) as repository:
        for text in names:
            name = invocation.version(text)
            # One that is named by its number may have been deleted.
            label = str(name) if name.number is not None else repository.registry.versions.resolve(name).qualified_name
            if not unpin_version(repository, cache, label):
                raise NotFound(f"{label} is not pinned: `artfs cache show` lists what is")
    if as_json:
        print_json([_pin_form(pin) for pin in list_pins(cache)])


def _pin_form(pin: Pin) -> dict[str, Any]:
    return {
        "version": pin.version,
        "registry": pin.registry,
        "size": pin.size,
        "chunks": pin.chunks,
        "missing": pin.missing,
        "moved": pin.is_moved,
    }


def _described(pin: Pin) -> str:
    missing = f", {pin.missing} of {pin.chunks} chunks missing" if pin.missing else ""
    moved = ", moved by a repack: reading it needs the object store" if pin.is_moved else ""
    return f"{pin.version} ({format_size(pin.size)}{missing}{moved})"


def _size_below(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
