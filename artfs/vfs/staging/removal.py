"""Removing trees of the host file system, whatever modes their directories have and however deep they are. Any thread."""

from __future__ import annotations

import os
from pathlib import Path


def remove_tree(top: str, *, keep_top: bool = False) -> None:
    """Remove everything below `top`, and `top` itself unless told to keep it."""
    # Not shutil.rmtree: it stops at a directory that its owner may not write to, and recursion would limit the depth.
    open_directories, directories = [top], []
    while open_directories:
        directory = open_directories.pop()
        directories.append(directory)
        Path(directory).chmod(0o700)
        with os.scandir(directory) as rows:
            for row in rows:
                if row.is_dir(follow_symlinks=False):
                    open_directories.append(row.path)
                else:
                    Path(row.path).unlink(missing_ok=True)
    for directory in reversed(directories):
        if not (keep_top and directory == top):
            Path(directory).rmdir()
