"""Metadata and description of an artifact: what they take, and how they come back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import artfs
from tests.client.making import build, log


def test_metadata_is_a_deep_copy_that_is_checked_again_when_it_is_logged() -> None:
    inner = {"rows": [1, 2]}
    artifact = build(metadata={"inner": inner, "nothing": math.nan, "pair": (1, 2)})
    inner["rows"].append(3)
    assert artifact.metadata == {"inner": {"rows": [1, 2]}, "nothing": None, "pair": [1, 2]}
    with artfs.init() as run:
        artifact.metadata["bad"] = object()
        with pytest.raises(TypeError, match="bad"):
            run.log_artifact(artifact)
        artifact.metadata["bad"] = math.inf
        with pytest.raises(ValueError, match="infinite"):
            run.log_artifact(artifact)
        artifact.metadata["bad"] = math.nan
        run.log_artifact(artifact).wait()
    assert artfs.Api().artifact("bike-dataset").metadata["bad"] is None


@pytest.mark.parametrize("metadata", [[], "text", 7, [("a", 1)]])
def test_metadata_that_is_no_dict_is_a_type_error(metadata: object) -> None:
    with pytest.raises(TypeError):
        build(metadata=metadata)
    artifact = build()
    with pytest.raises(TypeError):
        artifact.metadata = metadata  # type: ignore[assignment]


def test_a_description_is_text() -> None:
    for wrong in (7, b"bytes"):
        with pytest.raises(TypeError):
            build(description=wrong)
    with pytest.raises(ValueError, match="Unicode"):
        build().description = "\ud800"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    metadata=st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5), json_values, max_size=4)
)
def test_any_json_metadata_comes_back_as_it_was(workplace: Path, metadata: dict[str, object]) -> None:
    with artfs.init() as run:
        logged = log(run, "any-json", {"data": json.dumps(metadata).encode()}, metadata=metadata)
    assert artfs.Api().artifact(f"any-json:{logged.version}").metadata == metadata
