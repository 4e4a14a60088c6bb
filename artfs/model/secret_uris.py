"""URIs that let in whoever has them, and how messages show them. Pure functions; any thread.

A signed URL is a key, and so is one with a token or a password in it: messages end up in logs, and `/.artfs/errors` can be read by
everybody who can read the mount.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

#: In lower case.
_PARAMETERS = frozenset(
    {
        "x-amz-signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-goog-signature",
        "x-goog-credential",
        "awsaccesskeyid",
        "googleaccessid",
        "signature",
        "sig",
        "token",
        "access_token",
        "api_key",
        "key",
        "auth",
        "jwt",
        "hmac",
        "hdnea",
        "policy",
    }
)
#: In these, `?` and `@` are characters of a name like any other.
_VERBATIM = ("s3", "gs", "file")
_PARAMETER = re.compile(r"([?&])([^=&#]*)=([^&#]*)")
_USER = re.compile(r"\A([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)@")


def has_secret(uri: str) -> bool:
    """True if the URI lets in whoever has it: it is signed, or carries a token or a password."""
    return shown_uri(uri) != uri


def shown_uri(uri: str) -> str:
    """The URI as messages show it: without passwords, signatures and tokens."""
    if uri.partition("://")[0].lower() in _VERBATIM:
        return uri
    return _PARAMETER.sub(_without_value, _USER.sub(_without_user, uri))


def _without_user(match: re.Match[str]) -> str:
    scheme, user = match.groups()
    # Over http a user without a password is a token; `ssh://git@host` is no secret.
    return f"{scheme}://…@" if ":" in user or scheme.lower() in {"http", "https"} else match[0]


def _without_value(match: re.Match[str]) -> str:
    mark, name, value = match.groups()
    return f"{mark}{name}=…" if value and unquote(name).lower() in _PARAMETERS else match[0]
