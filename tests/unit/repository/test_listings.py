"""How many requests a listing costs: those of the manifest's size, and none for each page or file (I3 included)."""

from __future__ import annotations

from artfs.config import Config
from artfs.repository.commit import CommitRequest, begin_ingest, commit_entries
from artfs.repository.open import open_repository
from tests.fault.versions import ARTIFACT, resolve

FILES = 100_000


def test_first_listing_of_a_hundred_thousand_files_is_few_requests(config: Config) -> None:
    with open_repository(config) as writing:
        ingest = begin_ingest(writing, "tester")
        one = ingest.add_bytes(b"one content for all, as only their names matter here", "any")
        commit_entries(
            writing, ingest, [one.at(f"images/{number:06}.jpg") for number in range(FILES)], CommitRequest(ARTIFACT, "dataset")
        )
    with open_repository(config) as reading:
        manifest = reading.manifest(resolve(reading, "latest"))
        assert len(manifest.list("images")) == FILES
        assert sum(1 for _ in manifest.iter_entries()) == FILES + 1
        counts = reading.objects.counts()
        assert counts["read_range"] <= 10
        assert sum(counts[verb] for verb in ("put", "get", "size", "has", "delete", "iter_objects")) == 0
