"""Contributions of parallel runs that wait for their finish, as `status` and `gc` show them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from artfs.cli.durations import format_age
from artfs.cli.output import format_time
from artfs.model.contributions import ContributionSet
from artfs.model.counted import counted

_SHOWN_WRITERS = 5


def unfinished_form(found: ContributionSet) -> dict[str, Any]:
    return {
        "entity": found.artifact.entity,
        "project": found.artifact.project,
        "artifact": found.artifact.name,
        "type": found.type,
        "distributed_id": found.distributed_id,
        "writers": list(found.writers),
        "contributions": found.contributions,
        "file_count": found.file_count,
        "size": found.size,
        "first_at": format_time(found.first_at),
        "last_at": format_time(found.last_at),
    }


def describe_unfinished(found: ContributionSet) -> str:
    """`demo/parts under the distributed_id 'g': 12 files in 3 contributions by a and b, the last 5m ago`; sizes are for columns."""
    shown = ", ".join(found.writers[:_SHOWN_WRITERS])
    more = len(found.writers) - _SHOWN_WRITERS
    writers = f"{shown} and {more} more" if more > 0 else shown
    files = f"{counted(found.file_count, 'file')} in {counted(found.contributions, 'contribution')}"
    age = format_age((datetime.now(UTC) - found.last_at).total_seconds())
    return f"{found.artifact} under the distributed_id {found.distributed_id!r}: {files} by {writers}, the last {age} ago"
