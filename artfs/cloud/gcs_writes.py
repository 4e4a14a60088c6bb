"""Storing and deleting objects of Google Cloud Storage, each by one request; trying again and translating errors is the caller's.

An object goes up in one request of the JSON API, metadata and bytes together. google-cloud-storage would do that with two copies of
the bytes, or by several requests for each object, and give up where the bytes of one take longer than the longest silence. Any
thread.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from urllib.parse import quote

from typing_extensions import Buffer

from artfs.cloud.gcs_session import GcsSession
from artfs.cloud.upload_body import UploadBody

_PIECE = 1 << 20


def crc32c_of(data: Sequence[Buffer]) -> str:
    """The checksum that Google compares with what has come, in the form in which it is sent."""
    import google_crc32c

    crc = 0
    for piece in data:
        view = memoryview(piece).cast("B")
        for offset in range(0, view.nbytes, _PIECE):
            # It takes nothing but bytes.
            crc = google_crc32c.extend(crc, bytes(view[offset : offset + _PIECE]))
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def make_body(key: str, data: Sequence[Buffer]) -> tuple[str, UploadBody]:
    """A content type and the body that goes with it: the object's name and checksum, and its bytes."""
    boundary = secrets.token_hex(16)
    facts = {"name": key, "contentType": "application/octet-stream", "crc32c": crc32c_of(data)}
    head = f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(facts)}\r\n"
    head += f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
    body = UploadBody([head.encode(), *data, f"\r\n--{boundary}--\r\n".encode()])
    return f"multipart/related; boundary={boundary}", body


def put_object(bucket: str, content_type: str, body: UploadBody, session: GcsSession) -> None:
    """Raises what the SDK raises: PreconditionFailed where there is an object under the key."""
    from google.api_core.exceptions import from_http_response

    # Tokens are renewed with a time limit here; the library below would wait for as long as it likes.
    session.check_credentials()
    body.seek(0)
    answer = session.uploads.post(
        f"{session.endpoint}/upload/storage/v1/b/{quote(bucket, safe='')}/o",
        params={"uploadType": "multipart", "ifGenerationMatch": "0", "fields": "size"},
        data=body,
        headers={"Content-Type": content_type},
        timeout=session.write_timeout,
        allow_redirects=False,
    )
    if answer.status_code != 200:
        raise from_http_response(answer)  # type: ignore[no-untyped-call]


def delete_object(bucket: str, key: str, session: GcsSession) -> None:
    """Raises the SDK's NotFound when there is no such object, or bucket."""
    session.client.bucket(bucket).blob(key).delete(timeout=session.write_timeout, retry=None)
