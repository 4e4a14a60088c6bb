from __future__ import annotations

from pathlib import Path

import pytest

from artfs.config import Config
from artfs.errors import UserError
from artfs.mount.daemon import MountRequest, decode_request, encode_request
from artfs.mount.host import check_mountpoint


def test_a_request_survives_the_way_to_the_daemon(config: Config) -> None:
    request = MountRequest(config, Path("/mnt/a b"), "data:best", allow_other=True, run_id="r", deadline_s=3.5, log=Path("/x/log"))
    assert decode_request(encode_request(request)) == request


def test_a_mount_point_is_an_empty_directory(tmp_path: Path) -> None:
    check_mountpoint(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is not empty"):
        check_mountpoint(tmp_path)
