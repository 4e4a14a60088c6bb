"""What a folder or a prefix expands to, asked of all homes that have such."""

from __future__ import annotations

import pytest

from artfs.errors import NotFound, UserError
from artfs.references.references import References
from tests.contract.references.homes import Place, read

FILES = {
    "images/cat.png": b"cat",
    "images/dog.png": b"dogs",
    "images/more/ä b#?%.png": b"bird",
    "images/more/empty": b"",
    "images-old/cat.png": b"old cat",
    "readme.txt": b"read me",
}


@pytest.fixture(autouse=True)
def filled(folder: Place) -> None:
    for key, data in FILES.items():
        folder.put(key, data)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_prefix_ends_at_a_slash_and_gives_paths_below_it(references: References, folder: Place, slash: str) -> None:
    entries = references.find(folder.uri_of("images") + slash)
    assert [entry.path for entry in entries] == ["cat.png", "dog.png", "more/empty", "more/ä b#?%.png"]
    assert [entry.size for entry in entries] == [3, 4, 0, 4]
    for entry in entries:
        assert entry.reference is not None
        references.check(entry.reference)
        assert read(references, entry.reference) == FILES[f"images/{entry.path}"]


def test_the_name_given_is_the_folder_they_go_into(references: References, folder: Place) -> None:
    assert [entry.path for entry in references.find(folder.uri_of("images/more"), name="pets")] == [
        "pets/empty",
        "pets/ä b#?%.png",
    ]


def test_all_below_is_found_however_deep(references: References, folder: Place) -> None:
    uri = folder.uri_of("images").removesuffix("/images")
    assert sorted(entry.path for entry in references.find(uri)) == sorted(FILES)


def test_the_uri_of_each_leads_to_it_alone(references: References, folder: Place) -> None:
    for entry in references.find(folder.uri_of("images")):
        assert entry.reference is not None
        (again,) = references.find(entry.reference.uri)
        assert again.reference == entry.reference
        assert again.path == entry.path.rpartition("/")[2]


def test_more_than_allowed_is_refused_and_the_way_out_is_named(references: References, folder: Place) -> None:
    with pytest.raises(UserError, match=r"more than 3 objects.*max_objects="):
        references.find(folder.uri_of("images"), max_objects=3)
    assert len(references.find(folder.uri_of("images"), max_objects=4)) == 4


def test_progress_is_told(references: References, folder: Place) -> None:
    told: list[tuple[int, int]] = []
    references.find(folder.uri_of("images"), on_progress=lambda objects, size: told.append((objects, size)))
    assert told[-1] == (4, 11)


def test_nothing_below_is_not_found(references: References, folder: Place) -> None:
    uri = folder.uri_of("image")
    with pytest.raises(NotFound) as caught:
        references.find(uri)
    assert uri in str(caught.value)
