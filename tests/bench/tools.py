"""The programs that are measured side by side: artfs, and restic, borg and rclone where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MOUNT_DEADLINE_S = 30.0


def run(command: list[str], *, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    result = subprocess.run(command, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {result.returncode}: {result.stderr[-2000:]}")
    return result.stdout


def settle() -> None:
    """Wait until what was written is on the disk, so that nobody pays for the one before."""
    os.sync()


@dataclass(frozen=True, slots=True)
class Artfs:
    """artfs with a store of its own in `home`, driven by its command line as a user would."""

    home: Path
    #: More variables: of a server that references point to.
    environ: Mapping[str, str] = field(default_factory=dict)
    #: What is written before its commands: to run them in another network.
    prefix: tuple[str, ...] = ()

    @property
    def env(self) -> dict[str, str]:
        return {"ARTFS_HOME": str(self.home), "ARTFS_ENTITY": "bench", "ARTFS_PROJECT": "bench", **self.environ}

    def call(self, *arguments: str) -> str:
        return run([*self.prefix, str(Path(sys.executable).with_name("artfs")), *arguments], env=self.env)

    def put(self, folder: Path, name: str = "data") -> None:
        self.call("put", str(folder), name)

    @contextmanager
    def mounted(self, mountpoint: Path) -> Iterator[Path]:
        mountpoint.mkdir(exist_ok=True)
        self.call("mount", str(mountpoint))
        try:
            yield mountpoint
        finally:
            self.call("umount", str(mountpoint))

    def stored_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.home / "data" / "objects").rglob("*") if path.is_file())


@dataclass(frozen=True, slots=True)
class Restic:
    home: Path

    @property
    def env(self) -> dict[str, str]:
        return {
            "RESTIC_REPOSITORY": str(self.home / "restic"),
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(self.home / "restic-cache"),
        }

    def put(self, folder: Path) -> None:
        if not (self.home / "restic").exists():
            run(["restic", "init"], env=self.env)
        run(["restic", "backup", "--quiet", str(folder)], env=self.env)

    @contextmanager
    def mounted(self, mountpoint: Path, folder: Path) -> Iterator[Path]:
        with _mounted_by(["restic", "mount", str(mountpoint)], mountpoint, self.env, lambda: mountpoint / "snapshots" / "latest"):
            yield mountpoint / "snapshots" / "latest" / folder.relative_to("/")


@dataclass(frozen=True, slots=True)
class Borg:
    home: Path

    @property
    def env(self) -> dict[str, str]:
        return {
            "BORG_REPO": str(self.home / "borg"),
            "BORG_BASE_DIR": str(self.home / "borg-base"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def put(self, folder: Path) -> None:
        if not (self.home / "borg").exists():
            run(["borg", "init", "--encryption", "none"], env=self.env)
        run(["borg", "create", f"::{time.time_ns()}", str(folder)], env=self.env)

    @contextmanager
    def mounted(self, mountpoint: Path, folder: Path) -> Iterator[Path]:
        archive = run(["borg", "list", "--short"], env=self.env).split()[-1]
        command = ["borg", "mount", "--foreground", f"::{archive}", str(mountpoint)]
        top = folder.relative_to("/")
        with _mounted_by(command, mountpoint, self.env, lambda: mountpoint / top.parts[0]):
            yield mountpoint / top


@dataclass(frozen=True, slots=True)
class Rclone:
    """rclone only mounts: the folder itself, read-only."""

    @contextmanager
    def mounted(self, mountpoint: Path, folder: Path) -> Iterator[Path]:
        command = ["rclone", "mount", "--read-only", "--config", "/dev/null", str(folder), str(mountpoint)]
        with _mounted_by(command, mountpoint, {}, lambda: mountpoint if os.path.ismount(mountpoint) else mountpoint / "none"):
            yield mountpoint


@dataclass(frozen=True, slots=True)
class S3Mount:
    """A bucket mounted by rclone or s3fs, read-only, as they are without further options; objects do not change meanwhile."""

    tool: str
    environ: Mapping[str, str]
    prefix: tuple[str, ...] = ()

    @contextmanager
    def mounted(self, mountpoint: Path, bucket: str) -> Iterator[Path]:
        endpoint = self.environ["AWS_ENDPOINT_URL"]
        # rclone refuses to start where this is set, which is nothing to a server without TLS.
        env = {**self.environ, "AWS_CA_BUNDLE": ""}
        if self.tool == "rclone":
            remote = f":s3,provider=Other,env_auth=true,endpoint='{endpoint}':{bucket}"
            command = ["rclone", "mount", "--read-only", "--config", "/dev/null", remote, str(mountpoint)]
        else:
            env = {"AWSACCESSKEYID": env["AWS_ACCESS_KEY_ID"], "AWSSECRETACCESSKEY": env["AWS_SECRET_ACCESS_KEY"]}
            options = f"ro,url={endpoint},use_path_request_style"
            command = ["s3fs", "-f", bucket, str(mountpoint), "-o", options]
        with _mounted_by([*self.prefix, *command], mountpoint, env, lambda: mountpoint):
            yield mountpoint


@contextmanager
def _mounted_by(command: list[str], mountpoint: Path, env: dict[str, str], answers: Callable[[], Path]) -> Iterator[None]:
    """Run `command` in the background until the path of `answers` is there; unmount afterwards."""
    mountpoint.mkdir(exist_ok=True)
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + MOUNT_DEADLINE_S
        while not (os.path.ismount(mountpoint) and answers().exists()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} did not mount")
            time.sleep(0.05)
        yield
    finally:
        subprocess.run(["fusermount3", "-u", str(mountpoint)], check=False, capture_output=True)
        if process.poll() is None:
            process.terminate()
        process.wait(MOUNT_DEADLINE_S)


def available(name: str) -> bool:
    return shutil.which(name) is not None
