from __future__ import annotations

from artfs.vfs.problems import MOST_PROBLEMS, Problems


def test_problems_are_lines_of_time_path_and_reason() -> None:
    problems = Problems()
    problems.record("data/v0/a\nb", "it broke:\n  badly")
    time, where, reason = problems.text().decode().rstrip("\n").split("\t")
    assert time.endswith("+00:00")
    assert (where, reason) == ("data/v0/a b", "it broke: badly")


def test_a_problem_that_repeats_is_kept_once() -> None:
    problems = Problems()
    for _ in range(3):
        problems.record("a", "x")
    problems.record("b", "x")
    assert len(problems) == 2


def test_old_problems_make_room_for_new_ones() -> None:
    problems = Problems()
    for number in range(MOST_PROBLEMS + 10):
        problems.record(str(number), "x")
    assert len(problems) == MOST_PROBLEMS
    assert b"\t0\t" not in problems.text()
