"""Which homes there are: the one place that names them. Nothing of a vendor is imported before a URI of its scheme is met."""

from __future__ import annotations

from pathlib import Path

from artfs.references.local_files import LocalFiles
from artfs.references.protocol import Home
from artfs.references.references import References


def open_references(cache_dir: Path) -> References:
    """References to local files, to http(s) and to the buckets of S3 and Google Cloud Storage.

    `cache_dir` is where the digests of large local files are kept; nothing is written before there is one.
    """
    homes: dict[str, Home] = {"file": LocalFiles(cache_dir / "file-references")}
    return References(homes)
