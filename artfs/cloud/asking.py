"""Questions to a vendor: asked again as the policy says, and its errors in the words of artfs. Any thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from artfs.cloud.buckets import PreconditionFailed
from artfs.cloud.retry import RetryPolicy, TryAgain
from artfs.cloud.upload_body import UploadBody
from artfs.errors import AccessDenied, ArtfsError, NotFound


class Patient(Protocol):
    """What a vendor's session says of patience: with reading, and with writing."""

    policy: RetryPolicy
    write_policy: RetryPolicy


S = TypeVar("S", bound=Patient)
T = TypeVar("T")


def ask(
    session: S,
    explained: Callable[[Exception, str, S, str], ArtfsError | TryAgain | PreconditionFailed],
    uri: str,
    call: Callable[[], T],
    *,
    verb: str = "read",
    body: UploadBody | None = None,
) -> T:
    """What the call to the vendor's SDK returns. `explained` makes of its errors what is raised in their place.

    While bytes of `body` are on their way no time passes.
    """

    def attempt() -> T:
        try:
            return call()
        except (ArtfsError, TryAgain):
            raise
        except Exception as error:
            raise explained(error, uri, session, verb) from error

    policy = session.write_policy if verb in {"stored", "deleted"} else session.policy
    return policy.run(attempt, moving_s=None if body is None else lambda: body.moving_s)


def is_there(look: Callable[[], object]) -> bool:
    """False if what `look` looks for is not there; True also where that is not for everybody to know."""
    try:
        look()
    except NotFound:
        return False
    except AccessDenied:
        return True
    return True
