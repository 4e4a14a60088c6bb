"""Objects as files below one folder.

    ROOT/packs/<lease>/<sequence>    an object: its key is its path below ROOT
    ROOT/.incoming/<random>          an object that is being put; its writer holds flock(2) on it

An object is written into `.incoming`, synced, renamed to its name, and then the folder that got the name is synced, as are folders
newly made above it: a crash between any two steps leaves the object whole or not there, and a power cut after `put` has returned
cannot take it away. What a dead process left in `.incoming` is removed at the first `put` of the next: the lock tells the dead from
the living, across containers and hosts too, where a process number would not.

The bytes of a large object go past the page cache where that can be had (`file_system.write_all`).

It does not verify: that is done for each chunk above it (I3). All methods may be called from any thread and from many processes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from typing_extensions import Buffer

from artfs.errors import ArtfsError, IntegrityError, NotFound, StoreUnavailable
from artfs.objectstore.file_system import FileSystem, explain, sync_folder, write_all
from artfs.objectstore.key import check_key, is_key
from artfs.objectstore.open_files import OpenFiles
from artfs.objectstore.protocol import ObjectInfo

INCOMING = ".incoming"
#: Open packs kept for reading. At 32 MiB each these are 4 GiB of content; the usual limit of a process is 1024 descriptors.
OPEN_FILES = 128
_ATTEMPTS = 100
_FOLDERS_REMEMBERED = 1024


class LocalStore:
    """An ObjectStore in the folder `root`, which is made when the first object is put.

    `file_system` is what changes files: `os`, unless a test wants to see or to break the steps.
    """

    def __init__(self, root: Path, *, file_system: FileSystem = os, open_files: int = OPEN_FILES) -> None:
        self._root = root.absolute()
        self._read_root = str(self._root)
        self._incoming = self._root / INCOMING
        self._fs = file_system
        self._open_files = OpenFiles(open_files)
        self._durable_folders: set[Path] = set()
        self._cleaned = False
        self._cleaning = threading.Lock()

    @property
    def is_remote(self) -> bool:
        return False

    def put(self, key: str, data: Sequence[Buffer]) -> None:
        path = self._root / check_key(key)
        try:
            self._ensure_folder(self._incoming)
            self._clean_once()
            self._put(path, data)
        except OSError as error:
            raise explain(error, "store", path) from error
        finally:
            self._open_files.forget(str(path))

    def get(self, key: str) -> bytes:
        path = self._root / check_key(key)
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._not_read(error, key) from error

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        # Called for each read of a mount: no Path objects here, they would cost more than the read.
        try:
            file = self._open_files.get(f"{self._read_root}/{check_key(key)}")
            found = os.pread(file.descriptor, length, offset)
            while len(found) < length:  # pread(2) stops at 2 GiB
                more = os.pread(file.descriptor, length - len(found), offset + len(found))
                if not more:
                    end = os.fstat(file.descriptor).st_size
                    raise IntegrityError(f"object {key} ends after {end} bytes: {length} bytes at {offset} were expected")
                found += more
        except OSError as error:
            raise self._not_read(error, key) from error
        except OverflowError as error:  # from a damaged reference: no file is that long
            raise IntegrityError(f"object {key} ends before {offset}") from error
        return found

    def size(self, key: str) -> int:
        try:
            return self._stat_object(self._root / check_key(key)).st_size
        except OSError as error:
            raise self._not_read(error, key) from error

    def has(self, key: str) -> bool:
        path = self._root / check_key(key)
        try:
            self._stat_object(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise explain(error, "look for", path) from error
        return True

    def delete(self, key: str) -> None:
        path = self._root / check_key(key)
        self._open_files.forget(str(path))
        try:
            with contextlib.suppress(FileNotFoundError):
                self._fs.unlink(path)
            # Also when it was gone: a delete that a crash cut short is finished by the next one.
            self._remove_empty_folders(path.parent)
        except (NotADirectoryError, IsADirectoryError):
            return  # an object in the place of a folder, or the reverse: no object of that key
        except OSError as error:
            raise explain(error, "delete", path) from error

    def iter_objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        try:
            yield from self._iter_folder("", prefix)
        except OSError as error:
            raise explain(error, "list", self._root / prefix) from error

    def _not_read(self, error: OSError, key: str) -> ArtfsError:
        if isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError)):
            return NotFound(f"there is no object {key} in {self._root}: run `artfs verify` to learn what needs it")
        return explain(error, "read", self._root / key)

    @staticmethod
    def _stat_object(path: Path) -> os.stat_result:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(path)  # a folder of objects is no object
        return found

    def _put(self, path: Path, data: Sequence[Buffer]) -> None:
        was_there = path.exists()
        incoming, descriptor = self._create_incoming()
        leftover = incoming
        try:
            write_all(self._fs, descriptor, data)
            self._fs.fsync(descriptor)
            self._rename_into_place(incoming, path)
            leftover = path
            sync_folder(self._fs, path.parent)
        except Exception:
            if leftover == incoming or not was_there:
                with contextlib.suppress(OSError):
                    self._fs.unlink(leftover)
            raise
        finally:
            os.close(descriptor)

    def _create_incoming(self) -> tuple[Path, int]:
        """A new file in `.incoming`, locked as being written."""
        for _ in range(_ATTEMPTS):
            path = self._incoming / secrets.token_hex(8)
            descriptor = self._fs.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                # Between open and flock another process may have taken it for a dead one's and removed it.
                if os.fstat(descriptor).st_nlink:
                    return path, descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)
        raise StoreUnavailable(f"files in {self._incoming} vanish as soon as they are made: find out what removes them")

    def _rename_into_place(self, incoming: Path, path: Path) -> None:
        for _ in range(_ATTEMPTS):
            self._ensure_folder(path.parent)
            try:
                self._fs.rename(incoming, path)
            except FileNotFoundError:
                # A racing `delete` of the last object in the folder has removed it: make it again.
                self._durable_folders.discard(path.parent)
            else:
                return
        raise StoreUnavailable(f"the folder {path.parent} vanishes as soon as it is made: find out what removes it")

    def _ensure_folder(self, folder: Path) -> None:
        """Make `folder` and those above it, and sync their names, so that an object cannot get lost with its folder.

        One that is there already may have been made by a process that has not come to its fsync yet: so it is synced too, once.
        """
        if folder in self._durable_folders and folder.is_dir():
            return
        if folder == self._root:
            self._ensure_root(folder)
        else:
            self._ensure_folder(folder.parent)
            with contextlib.suppress(FileExistsError):
                self._fs.mkdir(folder, 0o755)
            sync_folder(self._fs, folder.parent)
        if len(self._durable_folders) > _FOLDERS_REMEMBERED:
            self._durable_folders.clear()
        self._durable_folders.add(folder)

    def _ensure_root(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._ensure_root(folder.parent)
        with contextlib.suppress(FileExistsError):
            self._fs.mkdir(folder, 0o700)
        sync_folder(self._fs, folder.parent)

    def _clean_once(self) -> None:
        """Remove what dead processes have left in `.incoming`."""
        if self._cleaned:
            return
        with self._cleaning:
            if not self._cleaned:
                for path in self._incoming.iterdir():
                    self._remove_if_dead(path)
                self._cleaned = True

    def _remove_if_dead(self, path: Path) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return  # put in place meanwhile, or not ours to open
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Names are random and never used again, so this is the file that was locked, or one that is gone.
            self._fs.unlink(path)
        except OSError:
            return  # its writer lives, or it was put in place meanwhile
        finally:
            os.close(descriptor)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._root:
            try:
                self._fs.rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError:
                break  # not empty
            folder = folder.parent
        # gc forgets what it has deleted: an object that comes back after a power cut would never be found again.
        with contextlib.suppress(FileNotFoundError):
            sync_folder(self._fs, folder)

    def _iter_folder(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        """The objects below `folder` (empty, or ending in a slash), in order of their keys."""
        try:
            with os.scandir(self._root / folder) as found:
                # A folder sorts with its slash: `a-b` comes before `a/b`, as in the order of keys.
                items = sorted((f"{item.name}/" if item.is_dir() else item.name, item) for item in found if is_key(item.name))
        except (FileNotFoundError, NotADirectoryError):
            return
        for name, item in items:
            key = folder + name
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._iter_folder(key, prefix)
            elif key.startswith(prefix):
                with contextlib.suppress(FileNotFoundError):
                    status = item.stat()
                    yield ObjectInfo(key, status.st_size, status.st_mtime)
