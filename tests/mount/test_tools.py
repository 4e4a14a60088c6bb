"""Plain tools on a version: what they copy, find and sum up is what was logged."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pandas as pd

from tests.mount.conftest import FILES


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(Path(directory, name).relative_to(root)): Path(directory, name).read_bytes()
        for directory, _, names in os.walk(root)
        for name in names
        if not Path(directory, name).is_symlink()
    }


def test_cp_copies_a_version(shared: Path, tmp_path: Path) -> None:
    run("cp", "-r", "--preserve=mode,timestamps", shared / "data/v0", tmp_path / "copy")
    assert contents(tmp_path / "copy") == FILES


def test_rsync_copies_a_version_and_sees_no_difference_afterwards(shared: Path, tmp_path: Path) -> None:
    run("rsync", "-aH", f"{shared}/data/v0/", tmp_path / "copy")
    assert contents(tmp_path / "copy") == FILES
    assert run("rsync", "-aHn", "--itemize-changes", f"{shared}/data/v0/", tmp_path / "copy") == ""


def test_tar_packs_a_version(shared: Path, tmp_path: Path) -> None:
    run("tar", "-cf", tmp_path / "data.tar", "-C", shared / "data/v0", ".")
    (tmp_path / "copy").mkdir()
    run("tar", "-xf", tmp_path / "data.tar", "-C", tmp_path / "copy")
    assert contents(tmp_path / "copy") == FILES


def test_find_finds_every_file(shared: Path) -> None:
    found = run("find", ".", "-type", "f", cwd=shared / "data/v0").splitlines()
    assert sorted(found) == sorted(f"./{path}" for path in FILES)


def test_grep_searches_a_version(shared: Path) -> None:
    assert run("grep", "-rl", "number 7", ".", cwd=shared / "data/v0") == "./many/file-07.txt\n"


def test_du_counts_the_bytes(shared: Path) -> None:
    total = int(run("du", "-s", "--apparent-size", "--block-size=1", shared / "data/v0").split()[0])
    content = sum(map(len, FILES.values()))
    assert content <= total < content + 200_000
    assert int(run("du", "-s", "--block-size=1", shared / "data/v0").split()[0]) >= content


def test_md5sum_checks_what_it_summed(shared: Path, tmp_path: Path) -> None:
    sums = run("md5sum", *sorted(FILES), cwd=shared / "data/v0")
    (tmp_path / "sums").write_text(sums)
    checked = run("md5sum", "-c", tmp_path / "sums", cwd=shared / "data/latest/../v0")
    assert checked.count(": OK") == len(FILES)


def test_ls_lists_long(shared: Path) -> None:
    lines = run("ls", "-lAR", shared / "data/v0").splitlines()
    assert any(line.startswith("-r-xr-xr-x") and line.endswith("run.sh") for line in lines)
    assert any(line.endswith("link -> images/cat.bin") for line in lines)


def test_diff_of_two_versions_shows_the_change(shared: Path) -> None:
    done = subprocess.run(["diff", "-rq", shared / "data/v0", shared / "data/v1"], capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if line.startswith("Files")] == [
        f"Files {shared}/data/v0/readme.txt and {shared}/data/v1/readme.txt differ"
    ]


def test_pandas_reads_from_a_version(shared: Path) -> None:
    frame = pd.read_csv(shared / "data/latest/labels.csv")
    assert len(frame) == 500
    assert frame["label"].max() == 6


def test_df_and_findmnt_read_well(shared: Path) -> None:
    assert run("findmnt", "-no", "SOURCE,FSTYPE", shared).split() == ["artfs#tester/default", "fuse.artfs"]
