"""The process that serves one mount: `python -m artfs.mount.daemon`, started by `control`, or in the foreground within the caller.

It reads what to mount as JSON from standard input, so that the address of a database with its password is in no list of processes,
and says through a pipe when the mount answers, or why not. It ends when it is unmounted, by whomever, and on SIGTERM and SIGINT
unmounts itself within a bound. Before it ends, what was written to staging is on the disk (I5).
"""

from __future__ import annotations

import dataclasses
import gc
import json
import logging
import logging.handlers
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyfuse3
import trio

from artfs.cloud.object_reads import use_few_threads
from artfs.config import Config, Place
from artfs.errors import AlreadyExists, ArtfsError, Busy, InternalError, NotFound, UserError
from artfs.mount.connection import fuse_descriptors, has_ended
from artfs.mount.host import CONNECTIONS, raise_background, raise_read_ahead, unmount
from artfs.mount.malloc import keep_freed_memory
from artfs.mount.mount_info import MountInfo, remove_note, start_of_process, write_note
from artfs.mount.operations import ArtfsOperations
from artfs.mount.pins_following import PinsFollowing
from artfs.mount.processors import OneProcessor
from artfs.mount.request_turns import serve_requests
from artfs.mount.threads import DEFAULT_DEADLINE_S, MOST_BACKGROUND, MOST_TASKS, Threads
from artfs.mount.warming import Warming
from artfs.repository.belonging import refuse_foreign_store
from artfs.repository.open import open_repository
from artfs.repository.repository import Repository
from artfs.vfs.filesystem import open_scene
from artfs.vfs.target import Target, parse_target
from artfs.vfs.version_root import PinnedVersion

logger = logging.getLogger(__name__)

READ_AHEAD_KB = 1024
#: How long a signal waits for those who use the mount before it is taken from them.
_PATIENCE_S = 5.0
#: How often the mount looks whether it is still there.
_LOOK_EVERY_S = 0.5
_FSNAME_SAFE = re.compile(r"[^A-Za-z0-9_.:/#-]")


@dataclass(frozen=True, slots=True)
class MountRequest:
    """What to mount where, and how. `deadline_s` is how long a read may wait for the store; `warm` is for one version only."""

    config: Config
    mountpoint: Path
    target: str | None = None
    allow_other: bool = False
    read_only: bool = False
    run_id: str | None = None
    warm: bool = False
    deadline_s: float = DEFAULT_DEADLINE_S
    log: Path | None = None

    def parsed_target(self) -> Target:
        target = parse_target(self.target, entity=self.config.entity, project=self.config.project)
        if self.warm and target.version is None:
            raise UserError(f"--warm fetches one version, and {target} is more than that: mount for example NAME:latest")
        return target


def encode_request(request: MountRequest) -> str:
    return json.dumps(dataclasses.asdict(request), default=str)


def decode_request(text: str) -> MountRequest:
    fields = json.loads(text)
    config = fields.pop("config")
    for name in ("data_dir", "cache_dir", "state_dir"):
        config[name] = Path(config[name])
    config["places"] = {name: Place(**place) for name, place in config["places"].items()}
    log = fields.pop("log")
    mountpoint = Path(fields.pop("mountpoint"))
    return MountRequest(Config(**config), mountpoint, log=Path(log) if log else None, **fields)


def serve(request: MountRequest, on_ready: Callable[[MountInfo], None], repository: Repository | None = None) -> None:
    """Mount, say so, serve until unmounted. `repository` stands in for the one that the settings name."""
    repository = repository or open_repository(request.config, to_serve=True)
    try:
        _serve(request, on_ready, repository)
    finally:
        repository.close()


def _serve(request: MountRequest, on_ready: Callable[[MountInfo], None], repository: Repository) -> None:
    target = request.parsed_target()
    _ensure_run(repository, request)
    info = _describe(request, target)
    scene, root = open_scene(repository, target, run_id=request.run_id, read_only=request.read_only, facts=dataclasses.asdict(info))
    refuse_foreign_store(repository)
    operations = ArtfsOperations(scene, root, Threads(request.deadline_s, OneProcessor()))
    scene.status.gauges.update(inodes=lambda: len(operations.inodes), handles=lambda: len(operations.handles))
    warming = Warming(repository, root.view.version) if request.warm and isinstance(root, PinnedVersion) else None
    if warming is not None:
        scene.status.gauges["warm"] = warming.state
    pins = PinsFollowing(repository)
    others = fuse_descriptors()
    try:
        pyfuse3.init(operations, str(request.mountpoint), _options(request, target))
    except RuntimeError as error:
        said = f"; what fuse said about it is in {request.log}" if request.log else ""
        raise InternalError(f"FUSE refused to mount {request.mountpoint}: {error}{said}") from error
    try:
        write_note(request.config.mounts_dir, info)
        repository.names.follow(scene.tell_moved)
        trio.run(_main, request, operations, fuse_descriptors() - others, partial(_ready, info, on_ready, pins, warming))
    finally:
        pins.stop()
        if warming is not None:
            warming.stop()
        repository.names.close()
        operations.notifier.stop()
        operations.pusher.stop()
        pyfuse3.close(unmount=True)
        for file in operations.handles.open_files():
            file.close()
        _make_durable(request.config.staging_dir)
        scene.staged.close()
        remove_note(request.config.mounts_dir, info)
        logger.info("unmounted %s", request.mountpoint)


def _ready(info: MountInfo, on_ready: Callable[[MountInfo], None], pins: PinsFollowing, warming: Warming | None) -> None:
    on_ready(info)
    pins.start()
    if warming is not None:
        warming.start()


def _ensure_run(repository: Repository, request: MountRequest) -> None:
    """A run id that the registry has not seen is a run that begins here."""
    if request.run_id is None:
        return
    runs = repository.registry.runs
    try:
        runs.get(request.run_id)
    except NotFound:
        try:
            runs.create(request.config.entity, request.config.project, run_id=request.run_id)
        except AlreadyExists:
            runs.get(request.run_id)


def _describe(request: MountRequest, target: Target) -> MountInfo:
    return MountInfo(
        mountpoint=request.mountpoint,
        target=str(target),
        pid=os.getpid(),
        process_start=start_of_process(os.getpid()) or 0,
        entity=target.entity,
        project=target.project,
        read_only=request.read_only,
        allow_other=request.allow_other,
        run_id=request.run_id,
        log=request.log,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _options(request: MountRequest, target: Target) -> set[str]:
    options = {
        "default_permissions",
        f"fsname=artfs#{_FSNAME_SAFE.sub('_', str(target))}",
        "subtype=artfs",
    }
    if request.allow_other:
        options.add("allow_other")
    if request.read_only:
        options.add("ro")
    return options


async def _main(
    request: MountRequest, operations: ArtfsOperations, connections: Iterable[int], on_ready: Callable[[], None]
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_unmount_on_signal, request.mountpoint, operations.threads)
        for connection in connections:
            nursery.start_soon(_end_reads_with, connection, operations.threads)
        nursery.start_soon(_say_ready, request.mountpoint, operations, on_ready)
        operations.notifier.start()
        await serve_requests(min_tasks=4, max_tasks=MOST_TASKS)
        nursery.cancel_scope.cancel()


async def _say_ready(mountpoint: Path, operations: ArtfsOperations, on_ready: Callable[[], None]) -> None:
    """Ready is when the mount answers."""
    await trio.to_thread.run_sync(os.stat, mountpoint)
    if not await trio.to_thread.run_sync(raise_read_ahead, mountpoint, READ_AHEAD_KB):
        logger.info("read-ahead stays as it is, as raising it takes root: content is pushed into the page cache instead")
        operations.pusher.start()
    if not await trio.to_thread.run_sync(raise_background, mountpoint, MOST_BACKGROUND):
        operations.threads.expect_few_reads()
        logger.info("the kernel lets 12 reads out at once, as raising that takes root or %s", CONNECTIONS)
    logger.info("serving %s", mountpoint)
    await trio.to_thread.run_sync(on_ready)


async def _end_reads_with(connection: int, threads: Threads) -> None:
    """Whoever waits for the end of the mount shall not wait for servers that do not answer."""
    while not has_ended(connection):  # noqa: ASYNC110  nobody tells
        await trio.sleep(_LOOK_EVERY_S)
    threads.end_reads()


async def _unmount_on_signal(mountpoint: Path, threads: Threads) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for number in signals:
            logger.info("got %s: unmounting %s", signal.Signals(number).name, mountpoint)
            await _unmount(mountpoint)
            threads.end_reads()
            return


async def _unmount(mountpoint: Path) -> None:
    """Unmount politely, then lazily, then end the session: the mount is gone within a bound whoever uses it."""
    with trio.move_on_after(_PATIENCE_S):
        while True:
            try:
                await trio.to_thread.run_sync(unmount, mountpoint, abandon_on_cancel=True)
                return
            except Busy:
                await trio.sleep(0.1)
            except ArtfsError as error:
                logger.warning("%s", error)
                break
    try:
        await trio.to_thread.run_sync(lambda: unmount(mountpoint, lazy=True), abandon_on_cancel=True)
    except ArtfsError as error:
        logger.warning("%s", error)
    pyfuse3.terminate()


def _make_durable(staging_dir: Path) -> None:
    """All that was written to staging goes to the disk."""
    if not staging_dir.is_dir():
        return
    try:
        pyfuse3.syncfs(str(staging_dir))
    except OSError:
        logger.exception("could not bring %s to the disk", staging_dir)


def set_up_log(path: Path) -> None:
    """Log to a file of bounded size, and nothing to the terminal that is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=4 << 20, backupCount=2)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(capture=True)


def _calm_collector() -> None:
    """Look for cycles less often: a listing makes objects by the hundred thousand, none of them in cycles.

    Measured for a directory of 100 000 files: 1.0 s to list with Python's thresholds, of which 0.65 s were collections.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def main() -> int:
    """Serve what standard input says; tell file descriptor ARGV[1] how it went."""
    pipe = int(sys.argv[1])
    request = decode_request(sys.stdin.read())
    os.umask(0o077)
    os.chdir("/")
    _calm_collector()
    keep_freed_memory()
    use_few_threads()
    if request.log is not None:
        set_up_log(request.log)

    def say(answer: dict[str, Any]) -> None:
        nonlocal pipe
        if pipe >= 0:
            with open(pipe, "w", encoding="utf-8") as file:
                json.dump(answer, file, default=str)
            pipe = -1

    try:
        serve(request, lambda info: say({"ready": dataclasses.asdict(info)}))
    except ArtfsError as error:
        logger.error("%s", error)  # noqa: TRY400 - a reason for people, no defect
        say({"error": type(error).__name__, "message": str(error)})
        return 1
    except Exception as error:
        logger.exception("the mount of %s ended in a way that nobody expected", request.mountpoint)
        say({"error": "InternalError", "message": f"the mount failed: {error!r}; the log is {request.log}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
