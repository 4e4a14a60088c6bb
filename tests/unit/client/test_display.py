"""What an artifact looks like."""

from __future__ import annotations

from itertools import count

import pytest

from artfs.client.display import SHOWN_FILES, Look, ShownFile, format_html, format_line, format_size

LOOK = Look("bike-dataset:v3", "dataset", "", ("latest",), None, 2, 1536)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536 << 10, "1.5 MiB"),
        (1 << 30, "1.0 GiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


def test_a_line_for_the_terminal() -> None:
    assert format_line(LOOK) == "<Artifact bike-dataset:v3 (dataset): aliases latest; 2 files; 1.5 KiB>"


def test_a_version_of_many_files_shows_the_first_and_counts_the_rest() -> None:
    look = Look("big:v0", "dataset", "", (), None, 1_000_000, 1)
    html = format_html(look, (ShownFile(f"file-{number}", number) for number in count()))
    assert html.count("<tr><td>file-") == SHOWN_FILES
    assert f"{1_000_000 - SHOWN_FILES} more" in html


def test_everything_is_escaped() -> None:
    evil = "<img src=x onerror='alert(1)'>"
    html = format_html(Look(evil, evil, evil, (evil,), evil, 1, 1), [ShownFile(evil, 1, evil)])
    assert "<img" not in html
    assert html.count("&lt;img") == 7


def test_a_reference_shows_where_its_content_is_and_that_its_size_is_not_known() -> None:
    html = format_html(LOOK, [ShownFile("cat.png", None, "s3://bikes/cat.png")])
    assert "s3://bikes/cat.png" in html
    assert ">unknown</td>" in html
