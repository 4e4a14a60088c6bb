"""How long work tells the caller how far it is: two numbers, after each piece of work, in the thread of the caller."""

from __future__ import annotations

from collections.abc import Callable

#: Told what is done and what there is to do, in one unit, which the function names: bytes, versions, references.
OnShareDone = Callable[[int, int], object]
#: Told the files (or objects of a store) and the bytes done so far, where how many there are shows at the end only.
OnFilesDone = Callable[[int, int], object]
