"""Which packs new versions may refer to: none that verify has found damaged or lost, until verify finds that it is whole again.

The chunk index is all that changes. A pack that is out of it in vain costs space, never content. One comes back only when all of
its bytes have been read and verified a moment ago, whatever was found before: the object may have been put back since then. Who
finds damage at the same time may be overruled; the pack is then as one that is damaged a moment after it was verified.

One call runs in one thread; packs are read by several.
"""

from __future__ import annotations

from collections.abc import Sequence

from artfs.chunks.pack import read_chunk_table
from artfs.errors import IntegrityError, NotFound
from artfs.model.entry import PackId, pack_key
from artfs.model.records import PackRecord
from artfs.repository.repository import Repository
from artfs.repository.survey import Problem, Survey
from artfs.repository.verify_packs import PackResult, read_packs

#: Packs that are read before the first of them comes back.
_AT_ONCE = 16


def distrust_damaged(survey: Survey, problems: Sequence[Problem]) -> None:
    """Have nothing of the packs that are damaged or gone offered for deduplication: who puts the same content again is to store it.

    Not done where nothing at all is there: it will be somewhere else.
    """
    packs = {pack for problem in problems for pack in problem.packs}
    if packs and survey.objects:
        survey.repository.registry.packs.distrust(packs)


def trust_restored(repository: Repository) -> int:
    """Offer what is whole again of the packs that are not trusted; how many packs that were.

    Reads all of them that are there with the size that they had: they are as many as the objects that were found damaged.
    """
    suspects = repository.registry.packs.distrusted()
    return sum(
        _trust(repository, pack, result)
        for start in range(0, len(suspects), _AT_ONCE)
        for pack, result in _read_again(repository, suspects[start : start + _AT_ONCE]).items()
    )


def _read_again(repository: Repository, suspects: Sequence[PackRecord]) -> dict[PackId, PackResult]:
    there = {pack.id: pack.size for pack in suspects if _size(repository, pack.id) == pack.size}
    return read_packs(repository.objects, there)


def _size(repository: Repository, pack: PackId) -> int | None:
    try:
        return repository.objects.size(pack_key(pack))
    except NotFound:
        return None


def _trust(repository: Repository, pack: PackId, result: PackResult) -> bool:
    """True if the pack is whole, and trusted now."""
    if result.table_error is not None or result.bad:
        return False
    try:
        table = read_chunk_table(repository.objects, pack)
    except (IntegrityError, NotFound):  # harmed in this moment
        return False
    return all(map(result.is_sound, table)) and repository.registry.packs.trust(pack, table)
