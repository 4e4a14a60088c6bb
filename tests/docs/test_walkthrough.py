"""The walkthrough runs as it is written, with a bucket on a real S3 server, one on a GCS server, and pages of a real web server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.docs.pages import blocks_of
from tests.servers.fake_gcs import FakeGcs
from tests.servers.nginx import Nginx
from tests.servers.seaweedfs import SeaweedFs

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "walkthrough.md"
#: The headings of what needs a server.
SERVED = ("HTTP", "S3", "Google Cloud Storage")


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """The folder of the reader. What the page leaves mounted when it fails is unmounted."""
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    if os.path.ismount(folder / "mnt"):
        subprocess.run(["fusermount3", "-u", "-z", folder / "mnt"], check=False)


def run_page(work: Path, environ: Mapping[str, str], *left_out: str, page: Path = PAGE) -> None:
    """Run a page in a folder, in an environment in which servers are found by nothing but `environ`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ARTFS_", "AWS_", "GOOGLE_"))}
    environ = {
        **inherited,
        **environ,
        "ARTFS_HOME": str(work.parent / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-m", "tests.docs.pages", str(page), str(work), *left_out]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]


def test_the_walkthrough_runs_as_it_is_written(work: Path, s3_server: SeaweedFs, gcs_server: FakeGcs, http_server: Nginx) -> None:
    (work / "web").mkdir()
    web = http_server.link("walkthrough", work / "web")
    try:
        run_page(work, {**s3_server.environ, **gcs_server.environ, "WALKTHROUGH_WEB": web})
    finally:
        http_server.delete("walkthrough")


def test_the_walkthrough_can_be_followed_without_servers(work: Path) -> None:
    run_page(work, {}, *SERVED)


def test_the_parts_that_need_servers_say_so() -> None:
    for heading in SERVED:
        text = PAGE.read_text().partition(f"### {heading}\n")[2]
        assert text.lstrip().startswith("This part needs a ")


def test_the_walkthrough_says_what_it_prints() -> None:
    blocks = [block for block in blocks_of(PAGE) if block.kind == "python" and "print(" in block.code]
    assert len(blocks) > 15
    assert [block.line for block in blocks if not block.expected] == []


def test_the_walkthrough_has_code_of_these_kinds_only() -> None:
    text = PAGE.read_text()
    assert set(re.findall(r"^```(\w+)$", text, re.MULTILINE)) == {"python", "sh"}
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(blocks_of(PAGE))


def test_every_file_the_walkthrough_links_to_is_there() -> None:
    targets = re.findall(r"\]\((?!#|http)([^)#]*)", PAGE.read_text())
    assert targets
    assert [target for target in targets if not (PAGE.parent / target).exists()] == []
