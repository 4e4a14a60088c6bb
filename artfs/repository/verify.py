"""Verification: does what is stored keep the invariants? One check for each, with its number.

Without `read_data` this reads the registry, the list of objects and all manifests; with it, every byte that a live version needs.
It never repairs, and never raises for damage: it reports, so that one bad sector does not hide the next. Only what keeps it from
looking at all (a store that does not answer) raises. Commits and gc may run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from artfs.errors import IntegrityError
from artfs.repository.repository import Repository
from artfs.repository.survey import Problem, Survey, names_of, take_survey
from artfs.repository.verify_checks import CHECKS
from artfs.repository.verify_data import Progress, check_every_byte

__all__ = ["Problem", "Progress", "VerifyReport", "verify_repository"]


@dataclass(slots=True)
class VerifyReport:
    """What was looked at and what was wrong. `unknown_objects` are harmless: no commit that the registry knows wrote them."""

    problems: list[Problem] = field(default_factory=list)
    versions: int = 0
    packs: int = 0
    bytes_read: int = 0
    unknown_objects: int = 0

    @property
    def is_sound(self) -> bool:
        return not self.problems


def verify_repository(repository: Repository, *, read_data: bool = False, on_progress: Progress | None = None) -> VerifyReport:
    """Check I1 to I4 and I8 over all live versions and unfinished contributions.

    With `read_data` also re-read all their bytes, telling bytes done and to do.
    """
    report = VerifyReport()
    try:
        survey = take_survey(repository)
        report.versions = len(survey.versions)
        report.packs = len(survey.all_needed())
        for check in CHECKS:
            report.problems += check(survey)
        if read_data:
            problems, report.bytes_read = check_every_byte(survey, on_progress)
            report.problems += problems
        report.unknown_objects = len(survey.unknown_objects())
        _forget_deleted(survey, report)
    except IntegrityError as error:
        # Data and manifests are read inside the checks, which report; so it is the registry.
        report.problems.append(Problem("I1", f"the registry is damaged: {error}"))
    return report


def _forget_deleted(survey: Survey, report: VerifyReport) -> None:
    """Take back what was found of versions that were deleted meanwhile, and of contributions that were finished or given up: gc may
    have collected their packs rightly.
    """
    if report.problems:
        registry = survey.repository.registry
        live = {*names_of(registry.versions.iter_live()), *names_of(registry.contributions.list_all())}
        report.problems = [problem for problem in report.problems if not problem.versions or live.intersection(problem.versions)]
