"""The content of an artifact that is being built.

Content is taken in when it is added: bytes go to the store at once, under the lease of this draft, and what the draft keeps is
one entry a path. Nothing of it is visible to anybody before the commit (I1). Methods are thread-safe; the content of files is
read outside the lock, so that several threads can add at the same time.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from typing_extensions import Buffer

from artfs.client.draft_content import DraftContent
from artfs.client.notices import hidden_warning, notice
from artfs.client.session import SESSION
from artfs.client.taking_in_again import take_in_again
from artfs.config import Config
from artfs.content.ingest import Ingest
from artfs.errors import EntryNotFound, LeaseLost, NameNotValid, ReadOnly, UserError
from artfs.model.entry import Entry, Kind, directory_entry, parent_paths
from artfs.model.names import MOUNT_FOLDER

Progress = Callable[[int, int], None]

logger = logging.getLogger(__name__)


class Draft:
    """Paths and their content, until the artifact is logged."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        #: How many calls are reading content at the moment; signals each end.
        self._reading = 0
        self._read = threading.Condition(self._lock)
        self._entries: dict[str, Entry] = {}
        self._sources: dict[str, str] = {}
        #: How many entries lie below each directory.
        self._directories: Counter[str] = Counter()
        self._writing: set[str] = set()
        self._frozen = False
        self._config: Config | None = None
        self._ingest: Ingest | None = None
        self._pid = os.getpid()

    def check_open(self) -> None:
        """Raise ReadOnly if the artifact was logged or used already."""
        if self._frozen:
            raise ReadOnly(
                f"the artifact {self.name!r} was logged, used or contributed, so its content is final: build a new one to change it"
            )

    def add_file(self, source: Path, path: str, config: Config, *, overwrite: bool) -> Entry:
        self._check_place(path)
        put = partial(self._put_all, overwrite=overwrite, sources={path: _absolute(source)})
        return self._add(config, lambda ingest: put([ingest.add_file(source, path)]))[0]

    def add_bytes(self, data: bytes, path: str, config: Config, mtime_ns: int) -> Entry:
        self._check_place(path)
        put = partial(self._put_all, overwrite=False)
        return self._add(config, lambda ingest: put([ingest.add_bytes(data, path, mtime_ns)]))[0]

    def add_object(
        self, data: Buffer, path: str, others: Sequence[str], config: Config, mtime_ns: int, *, overwrite: bool
    ) -> Entry:
        """Add the file of an object. `others` are the paths that an object of another type would have under the same name."""
        self._check_place(path)
        put = partial(self._put_all, overwrite=overwrite, instead_of=others)
        return self._add(config, lambda ingest: put([ingest.add_bytes(data, path, mtime_ns)]))[0]

    def add_files(
        self,
        items: Sequence[tuple[str, Path]],
        directories: Iterable[Entry],
        config: Config,
        on_progress: Progress | None,
        *,
        overwrite: bool,
    ) -> None:
        """Add many files and the empty `directories`: all of them, or none when one is refused."""
        for path, _ in items:
            self._check_place(path)
        empty = list(directories)
        put = partial(self._put_all, overwrite=overwrite, sources={path: _absolute(source) for path, source in items})
        self._add(config, lambda ingest: put([*ingest.add_files(items, on_progress), *empty]))

    def add_references(self, references: Sequence[Entry], *, overwrite: bool) -> list[Entry]:
        """Add references, whose bytes stay where they are: all of them, or none when one is refused."""
        with self._lock:
            self._check_process()
        return self._put_all(references, overwrite=overwrite)

    def reserve(self, path: str) -> None:
        """Take `path` for a file that is being written. Raises NameNotValid if there is one, or is going to be."""
        self._check_place(path)
        with self._lock:
            if path in self._entries or path in self._writing:
                raise NameNotValid(f"{path!r} is in the artifact {self.name!r} already: choose another name, or remove it first")
            self._writing.add(path)

    def release(self, path: str) -> None:
        with self._lock:
            self._writing.discard(path)

    def remove(self, path: str) -> None:
        """Remove what is at `path`, and all below it."""
        with self._lock:
            self.check_open()
            found = [path] if path in self._entries else [other for other in self._entries if other.startswith(f"{path}/")]
            if not found:
                raise EntryNotFound(f"the artifact {self.name!r} has no {path!r} that could be removed")
            for other in found:
                self._drop(other)

    def close(self) -> None:
        """Make the content final."""
        with self._lock:
            self._frozen = True

    def find(self, path: str) -> Entry | None:
        """What is at `path`: what was added there, or the directory that it makes."""
        with self._lock:
            entry = self._entries.get(path)
            return directory_entry(path) if entry is None and path in self._directories else entry

    def make_readable(self) -> Config:
        """See to it that what was added can be read from the repository; the settings that name it."""
        with self._lock:
            self._check_process()
            config, ingest = self._config, self._ingest
            self._reading += 1
        try:
            if ingest is not None:
                ingest.flush()
        finally:
            self._end_reading()
        return config or SESSION.current_config()

    def content(self) -> DraftContent:
        with self._lock:
            return self._content()

    def hand_over(self) -> DraftContent:
        """The content, final from now on; whoever takes it ends the ingest.

        Waits for the calls that are reading content: they then find it final, and the ingest is used by nobody any more.
        """
        with self._lock:
            self._check_process()
            self._frozen = True
            self._read.wait_for(lambda: not self._reading)
            content = self._content()
            self._ingest = None
        return content

    def _content(self) -> DraftContent:
        return DraftContent(list(self._entries.values()), self._config, self._ingest, dict(self._sources))

    def take_back(self, content: DraftContent) -> None:
        """Undo `hand_over`: whoever took the content has done nothing with it."""
        with self._lock:
            self._ingest = content.ingest
            self._frozen = False

    def _add(self, config: Config, add: Callable[[Ingest], list[Entry]]) -> list[Entry]:
        """`add` with the ingest; once more with another one if its lease was lost, as the machine slept."""
        try:
            with self._taking_in(config) as ingest:
                return add(ingest)
        except LeaseLost as error:
            logger.info("doing it once more: %s", error)
        self._begin_again(ingest)
        with self._taking_in(config) as ingest:
            return add(ingest)

    def _begin_again(self, lost: Ingest) -> None:
        """Take everything in again, unless another thread did or the content was handed over."""
        with self._lock:
            self._read.wait_for(lambda: not self._reading)
            if self._ingest is lost:
                fresh = take_in_again(self._content())
                self._entries = {entry.path: entry for entry in fresh.entries}
                self._ingest = fresh.ingest

    @contextmanager
    def _taking_in(self, config: Config) -> Iterator[Ingest]:
        """The ingest, opened when it is first needed and not ended within the block."""
        with self._lock:
            self.check_open()
            self._check_process()
            if self._ingest is None:
                self._config, self._ingest, self._pid = config, SESSION.begin_ingest(config), os.getpid()
            ingest = self._ingest
            self._reading += 1
        try:
            yield ingest
        finally:
            self._end_reading()

    def _end_reading(self) -> None:
        with self._lock:
            self._reading -= 1
            self._read.notify_all()

    def _check_process(self) -> None:
        # The packs that are being filled are in the memory of the process that began them.
        if self._pid != os.getpid() and self._ingest is not None:
            raise UserError(
                f"the artifact {self.name!r} was begun before this process was forked: build it in the process that logs it"
            )

    def _check_place(self, path: str) -> None:
        """Refuse `path` where it cannot be, before any content is read."""
        with self._lock:
            self.check_open()
            self._refuse_beside(path)

    def _refuse_beside(self, path: str) -> None:
        if path in self._directories:
            raise NameNotValid(f"{path!r} cannot be a file in the artifact {self.name!r}: there are files below it")
        for parent in parent_paths(path):
            if (entry := self._entries.get(parent)) and entry.kind is not Kind.DIRECTORY:
                raise NameNotValid(f"{path!r} cannot be in the artifact {self.name!r}: {parent!r} is a file there")

    def _put_all(
        self,
        entries: Sequence[Entry],
        *,
        overwrite: bool,
        instead_of: Sequence[str] = (),
        sources: Mapping[str, str] | None = None,
    ) -> list[Entry]:
        with self._lock:
            self.check_open()
            taken = [path for path in instead_of if path in self._entries]
            if taken and not overwrite:
                raise NameNotValid(
                    f"the artifact {self.name!r} has another object of this name already, {taken[0]!r}: choose another name, or "
                    "pass overwrite=True"
                )
            for path in taken:
                self._drop(path)
            added: list[str] = []
            replaced: dict[str, Entry] = {}
            try:
                put = [self._put(entry, added, replaced, overwrite=overwrite) for entry in entries]
            except UserError:
                for path in added:
                    self._drop(path)
                self._entries.update(replaced)
                raise
            for path in replaced:
                self._sources.pop(path, None)
            self._sources.update(sources or {})
            if hidden := next((path for path in added if path.partition("/")[0] == MOUNT_FOLDER), None):
                notice(hidden_warning(hidden))
            return put

    def _put(self, entry: Entry, added: list[str], replaced: dict[str, Entry], *, overwrite: bool) -> Entry:
        """Put one entry in its place; says in `added` and `replaced` what has to be undone should another be refused."""
        old = self._entries.get(entry.path)
        if old is not None and old.kind is entry.kind and old.digest == entry.digest:
            return old
        if entry.kind is Kind.DIRECTORY and (old is not None or entry.path in self._directories):
            return old or entry  # an empty directory adds nothing where there is something
        self._refuse_beside(entry.path)
        if old is None:
            for parent in parent_paths(entry.path):
                if parent in self._entries:  # no longer an empty directory
                    self._drop(parent)
                self._directories[parent] += 1
            added.append(entry.path)
        elif old.kind is not Kind.DIRECTORY and not overwrite:
            raise NameNotValid(
                f"{entry.path!r} is in the artifact {self.name!r} already, with other content: choose another name, or pass "
                "overwrite=True"
            )
        else:
            replaced.setdefault(entry.path, old)
        self._entries[entry.path] = entry
        return entry

    def _drop(self, path: str) -> None:
        del self._entries[path]
        self._sources.pop(path, None)
        for parent in parent_paths(path):
            self._directories[parent] -= 1
            if not self._directories[parent]:
                del self._directories[parent]


def _absolute(source: Path) -> str:
    return os.path.join(os.getcwd(), source)  # noqa: PTH109, PTH118 - a string takes a fraction of the memory of a Path
