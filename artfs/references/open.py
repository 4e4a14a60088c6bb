"""Which homes there are: the one place that names them. Nothing of a vendor is imported before a URI of its scheme is met."""

from __future__ import annotations

from pathlib import Path

from artfs.references.lazy import LazyHome
from artfs.references.local_files import LocalFiles
from artfs.references.protocol import Home
from artfs.references.references import References


def open_references(cache_dir: Path) -> References:
    """References to local files, to http(s) and to the buckets of S3 and Google Cloud Storage.

    `cache_dir` is where the digests of large local files are kept; nothing is written before there is one.
    """
    web = LazyHome(_open_web)
    homes: dict[str, Home] = {
        "file": LocalFiles(cache_dir / "file-references"),
        "http": web,
        "https": web,
        "s3": LazyHome(_open_s3),
        "gs": LazyHome(_open_gcs),
    }
    return References(homes)


def _open_web() -> Home:
    from artfs.cloud.http import HttpClient  # noqa: PLC0415 - urllib3 takes 80 ms
    from artfs.references.http import HttpHome  # noqa: PLC0415

    return HttpHome(HttpClient())


def _open_s3() -> Home:
    from artfs.cloud.s3 import S3Client  # noqa: PLC0415 - it takes 15 ms, without boto3
    from artfs.references.buckets import BucketHome  # noqa: PLC0415

    return BucketHome("s3", S3Client())


def _open_gcs() -> Home:
    from artfs.cloud.gcs import GcsClient  # noqa: PLC0415
    from artfs.references.buckets import BucketHome  # noqa: PLC0415

    return BucketHome("gs", GcsClient())
