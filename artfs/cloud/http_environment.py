"""What the environment says about HTTP, as curl and requests read it: proxies, certificates, and ~/.netrc.

| variable | says |
|---|---|
| `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` (or in lower case) | the proxy for addresses of a scheme, or of all |
| `NO_PROXY` (or in lower case) | hosts that are asked directly, by comma |
| `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` | the certificates to trust, a file or a folder |
| `SSL_CERT_FILE`, `SSL_CERT_DIR` | the same, as OpenSSL reads it |
| `NETRC` | the file in the place of `~/.netrc` |

Values read once, by whoever makes a client. Any thread.
"""

from __future__ import annotations

import netrc
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.request import proxy_bypass

from artfs.errors import ConfigNotValid


class HttpEnvironment:
    """`environ` is the environment of this process unless another is given."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._proxies = _read_proxies(environ)
        self._bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
        self._cert_file = environ.get("SSL_CERT_FILE")
        self._netrc = _read_netrc(environ)

    def proxy_for(self, scheme: str, host: str) -> str | None:
        """The address of the proxy through which `host` is reached, None where there is none."""
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        if not proxy or proxy_bypass(host, self._proxies):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    def user_for(self, host: str) -> str | None:
        """`user:password` for a host that ~/.netrc names."""
        known = self._netrc.authenticators(host) if self._netrc else None
        return f"{known[0] or ''}:{known[2] or ''}" if known else None

    def ssl_context(self) -> ssl.SSLContext:
        """Certificates are always verified. ConfigNotValid where those to trust cannot be read."""
        context = ssl.create_default_context()
        bundle = self._bundle or self._cert_file
        if bundle:
            try:
                if Path(bundle).is_dir():
                    context.load_verify_locations(capath=bundle)
                else:
                    context.load_verify_locations(cafile=bundle)
            except OSError as error:  # ssl.SSLError is one
                raise ConfigNotValid(
                    f"the certificates in {bundle}, which REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE names,"
                    f" cannot be read: {error.strerror or error}; name a file of PEM certificates"
                ) from error
        return context


def _read_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    proxies: dict[str, str] = {}
    # In lower case last, so that it wins, as in curl.
    for name in sorted(environ):
        scheme, _, last = name.lower().rpartition("_")
        if last == "proxy" and scheme:
            proxies[scheme] = environ[name]
    return proxies


def _read_netrc(environ: Mapping[str, str]) -> netrc.netrc | None:
    try:
        return netrc.netrc(environ.get("NETRC") or str(Path.home() / ".netrc"))
    except (OSError, RuntimeError, ValueError, netrc.NetrcParseError):
        # A file for other programs is no reason to refuse addresses that need no password.
        return None
