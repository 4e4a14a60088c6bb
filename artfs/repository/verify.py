"""Verification: does what is stored keep the invariants? One check for each, with its number.

Without `read_data` this reads the registry, the list of objects and all manifests; with it, every byte that a live version needs.
It never repairs, and never raises for damage: it reports, so that one bad sector does not hide the next. All that it changes is
which packs new versions will refer to (`verify_trust`). Only what keeps it from looking at all (a store that does not answer)
raises. Commits, gc and repacks may run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from artfs.errors import IntegrityError
from artfs.model.progress import OnShareDone
from artfs.repository.repository import Repository
from artfs.repository.survey import Holder, Problem, Survey, take_survey
from artfs.repository.verify_checks import CHECKS
from artfs.repository.verify_data import check_every_byte
from artfs.repository.verify_trust import distrust_damaged, trust_restored

__all__ = ["Problem", "VerifyReport", "verify_repository"]

#: How often versions that were moved while they were looked at are looked at again. A repack moves each once.
_LOOKS = 3


@dataclass(slots=True)
class VerifyReport:
    """What was looked at and what was wrong.

    `unknown_objects` are harmless: no commit that the registry knows wrote them. `restored_packs` were damaged or lost when they
    were looked at before, and are whole now.
    """

    problems: list[Problem] = field(default_factory=list)
    versions: int = 0
    packs: int = 0
    bytes_read: int = 0
    unknown_objects: int = 0
    restored_packs: int = 0

    @property
    def is_sound(self) -> bool:
        return not self.problems


def verify_repository(repository: Repository, *, read_data: bool = False, on_progress: OnShareDone | None = None) -> VerifyReport:
    """Check I1 to I4 and I8 over all live versions and unfinished contributions.

    With `read_data` also re-read all their bytes, telling bytes done and to do.
    """
    report = VerifyReport()
    try:
        survey = take_survey(repository)
        report.versions = len(survey.versions)
        report.packs = len(survey.all_needed())
        report.unknown_objects = len(survey.unknown)
        problems, report.bytes_read = _check(survey, on_progress, read_data=read_data)
        for _ in range(_LOOKS):
            lasting, moved = _settle(survey, problems)
            report.problems += lasting
            if not moved:
                break
            survey = take_survey(repository).only(moved)
            problems, _ = _check(survey, None, read_data=read_data)
        distrust_damaged(survey, report.problems)
        report.restored_packs = trust_restored(repository)
    except IntegrityError as error:
        # Data and manifests are read inside the checks, which report; so it is the registry.
        report.problems.append(Problem("I1", f"the registry is damaged: {error}"))
    return report


def _check(survey: Survey, on_progress: OnShareDone | None, *, read_data: bool) -> tuple[list[Problem], int]:
    problems = [problem for check in CHECKS for problem in check(survey)]
    if not read_data:
        return problems, 0
    found, bytes_read = check_every_byte(survey, on_progress)
    return problems + found, bytes_read


def _settle(survey: Survey, problems: list[Problem]) -> tuple[list[Problem], set[str]]:
    """What of the problems is one now, and what they concern that a repack has moved meanwhile.

    Versions that were deleted since, and contributions that were finished or given up, are no problem: gc may have collected their
    packs rightly. What was moved was looked for where it may rightly be gone, and is to be looked at again.
    """
    if not problems:
        return [], set()
    registry = survey.repository.registry
    now: list[Holder] = [*registry.versions.iter_live(), *registry.contributions.list_all()]
    live = {holder.qualified_name for holder in now}
    there = {(holder.qualified_name, holder.manifest) for holder in now}
    stayed = {holder.qualified_name for holder in survey.holders if (holder.qualified_name, holder.manifest) in there}
    lasting: list[Problem] = []
    moved: set[str] = set()
    for problem in problems:
        moved.update(live.difference(stayed).intersection(problem.versions))
        versions = tuple(name for name in problem.versions if name in stayed)
        # Of two that are equal, one alone is none.
        if len(versions) >= (2 if problem.invariant == "I8" else 1) or not problem.versions:
            lasting.append(replace(problem, versions=versions))
    return lasting, moved
