"""The facade: which home is asked, what becomes an entry without asking, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from artfs.errors import NotFound, NotInstalled, ReferenceChanged, UserError
from artfs.model.entry import Kind, Reference
from artfs.references.lazy import LazyHome
from artfs.references.open import open_references
from artfs.references.protocol import Fetched, Found
from artfs.references.references import References


class RecordingHome:
    """Notes what is asked; every object is `one` with two bytes, unless it says `gone`."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def expand(self, uri: str) -> Iterator[Found]:
        self.calls.append(f"expand {uri}")
        yield Found("one", self.look(Reference(uri)), 7)

    def look(self, reference: Reference) -> Reference:
        self.calls.append(f"look {reference.uri} {reference.version_id}")
        if "gone" in reference.uri or reference.version_id == "old":
            raise NotFound(f"{reference.uri} is gone")
        return Reference(reference.uri, '"one"', "new", 2)

    def fetch(self, reference: Reference, offset: int, length: int) -> Fetched:
        self.calls.append(f"fetch {reference.uri} {offset} {length}")
        return Fetched(offset, 2, iter((b"ab",)))

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def home() -> RecordingHome:
    return RecordingHome()


@pytest.fixture
def references(home: RecordingHome) -> References:
    return References({"s3": home, "gs": home})


def test_the_home_of_the_scheme_is_asked(references: References, home: RecordingHome) -> None:
    (entry,) = references.find("S3://b/one")
    assert (entry.path, entry.mtime_ns, entry.size) == ("one", 7, 2)
    assert entry.reference is not None
    references.fetch(entry.reference, 3, 4)
    assert home.calls == ["expand S3://b/one", "look S3://b/one None", "fetch S3://b/one 3 4"]


def test_a_home_of_two_schemes_is_closed_once(references: References, home: RecordingHome) -> None:
    references.close()
    assert home.calls == ["close"]


@pytest.mark.parametrize(("uri", "name"), [("s3://b/a/k.bin", "k.bin"), ("gs://b/k#12", "k")])
def test_without_checksum_nobody_is_asked(references: References, home: RecordingHome, uri: str, name: str) -> None:
    (entry,) = references.find(uri, checksum=False)
    assert (entry.path, entry.kind, entry.reference) == (name, Kind.REFERENCE, Reference(uri))
    assert entry.mtime_ns > 0
    (named,) = references.find(uri, name="x/y", checksum=False)
    assert named.path == "x/y"
    assert not home.calls


@pytest.mark.parametrize("uri", ["s3://b", "s3://b/", "s3://b/prefix/"])
def test_a_prefix_is_not_recorded_without_asking_what_is_below_it(references: References, home: RecordingHome, uri: str) -> None:
    with pytest.raises(UserError, match="name="):
        references.find(uri, checksum=False)
    assert not home.calls


@pytest.mark.parametrize("checksum", [True, False])
def test_a_scheme_that_nobody_knows_is_recorded_under_a_name(references: References, checksum: bool) -> None:
    uri = "ftp://host/file.bin"
    with pytest.raises(UserError, match=r"ftp://host/file\.bin cannot be fetched.*gs://, s3:// and not ftp://.*name="):
        references.find(uri, checksum=checksum)
    (entry,) = references.find(uri, name="x", checksum=checksum)
    assert (entry.path, entry.reference) == ("x", Reference(uri))
    for call in (references.look, references.check, lambda reference: references.fetch(reference, 0, 1)):
        with pytest.raises(UserError, match=r"ftp://host/file\.bin cannot be fetched"):
            call(Reference(uri))


def test_a_plain_path_is_told_to_write_file(references: References) -> None:
    for name in (None, "x"):
        with pytest.raises(UserError, match="write file:///absolute/path"):
            references.find("/data/images", name=name)


def test_what_is_as_it_was_recorded_passes_the_check(references: References) -> None:
    references.check(Reference("s3://b/k", '"one"', "new", 2))
    references.check(Reference("s3://b/k"))


def test_what_is_not_as_it_was_recorded_fails_the_check_with_what_is_there(references: References) -> None:
    with pytest.raises(ReferenceChanged, match=r'recorded ETag "two", 2 bytes, found ETag "one", version new, 2 bytes'):
        references.check(Reference("s3://b/k", '"two"', None, 2))
    with pytest.raises(ReferenceChanged, match=r'recorded version old, found ETag "one", version new, 2 bytes'):
        references.check(Reference("s3://b/k", None, "old"))
    with pytest.raises(ReferenceChanged, match="found nothing"):
        references.check(Reference("s3://b/gone", '"one"', None, 2))
    with pytest.raises(ReferenceChanged, match="found nothing"):
        references.check(Reference("s3://b/gone", '"one"', "old", 2))
    with pytest.raises(NotFound):
        references.check(Reference("s3://b/gone"))


def test_a_lazy_home_is_opened_once_by_its_first_use_and_again_where_that_failed() -> None:
    opened: list[RecordingHome] = []
    answers = iter((False, True))

    def open_home() -> RecordingHome:
        if not next(answers):
            raise NotInstalled("install it")
        opened.append(RecordingHome())
        return opened[0]

    lazy = LazyHome(open_home)
    lazy.close()
    with pytest.raises(NotInstalled):
        lazy.look(Reference("s3://b/k"))
    lazy.look(Reference("s3://b/k"))
    lazy.fetch(Reference("s3://b/k"), 0, 1)
    assert list(lazy.expand("s3://b/k"))
    lazy.close()
    assert len(opened) == 1
    assert opened[0].calls[-1] == "close"


def test_no_client_is_imported_before_its_scheme_is_met(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\n"
        "from artfs.references.open import open_references\n"
        f"place = pathlib.Path({str(tmp_path)!r})\n"
        "(place / 'a.txt').write_text('a')\n"
        "references = open_references(place / 'cache')\n"
        "references.find((place / 'a.txt').as_uri())\n"
        "references.find('s3://b/k', checksum=False)\n"
        "references.close()\n"
        "print([name for name in ('urllib3', 'boto3', 'botocore', 'google.cloud', 'obstore') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_writes_nothing(tmp_path: Path) -> None:
    references = open_references(tmp_path / "cache")
    references.close()
    assert not list(tmp_path.iterdir())
