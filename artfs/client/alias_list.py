"""The aliases of a version as a handle shows them: a list of text that checks what is put in and remembers it.

What `save()` has to do cannot be told from the list alone: an alias that was in it when it was loaded may have moved to another
version since, and was appended again to move it back. So the list remembers which aliases were put in by the caller. Not for
several threads at once, as any list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, SupportsIndex

from artfs.errors import TypeNotValid
from artfs.model.names import check_alias, check_aliases


class AliasList(list[str]):
    """A list of aliases. `put_in` are those that the caller put in since it was loaded, in order."""

    def __init__(self, aliases: Iterable[str] = ()) -> None:
        super().__init__(aliases)
        self._loaded = tuple(self)
        self.put_in: list[str] = []

    def load(self, aliases: Iterable[str]) -> None:
        """Show `aliases`, as the registry has them, and forget what was changed."""
        super().clear()
        super().extend(aliases)
        self._loaded = tuple(self)
        self.put_in = []

    def replace(self, aliases: str | Iterable[str]) -> None:
        """Make `aliases` the whole list."""
        checked = check_aliases(aliases if isinstance(aliases, str) else _listed(aliases))
        super().clear()
        super().extend(checked)
        self.put_in = checked

    def to_add(self) -> list[str]:
        """The aliases that are to point at the version."""
        return [alias for alias in dict.fromkeys(self) if alias in self.put_in or alias not in self._loaded]

    def to_remove(self) -> list[str]:
        """The aliases that are no longer to point at the version."""
        return [alias for alias in self._loaded if alias not in self]

    def edit(self, add: Iterable[str], remove: Iterable[str]) -> None:
        """Put in `add` and take out `remove`, whether they are in it or not."""
        self.extend(add)
        super().__init__([alias for alias in self if alias not in set(remove)])

    def append(self, alias: str) -> None:
        self.extend([alias])

    def extend(self, aliases: Iterable[str]) -> None:
        checked = check_aliases(_listed(aliases))
        self.put_in += checked
        super().extend(alias for alias in checked if alias not in self)

    def insert(self, index: SupportsIndex, alias: str) -> None:
        check_alias(alias)
        self.put_in.append(alias)
        if alias not in self:
            super().insert(index, alias)

    def __iadd__(self, aliases: Iterable[str]) -> Self:  # type: ignore[misc, override]
        self.extend(aliases)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        changed = list(self)
        changed[index] = value
        checked = check_aliases(changed)
        self.put_in += [alias for alias in checked if alias not in self]
        super().__setitem__(slice(None), checked)

    def __reduce__(self) -> tuple[Any, ...]:
        return (list, (list(self),))


def _listed(aliases: Iterable[str]) -> list[str]:
    if isinstance(aliases, str):
        return [aliases]
    try:
        return list(aliases)
    except TypeError:
        raise TypeNotValid(f"aliases must be a list of text, not {type(aliases).__name__}") from None
