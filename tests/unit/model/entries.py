"""Hypothesis strategies for what a version can hold."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from artfs.model.digest import Digest, digest_of
from artfs.model.entry import (
    MAX_CHUNK_SIZE,
    NO_CONTENT,
    ChunkRef,
    Content,
    Entry,
    Kind,
    PackId,
    Reference,
    reference_entry,
    symlink_entry,
    with_parents,
)

#: No deadline and no verdict on speed: a test says what is right, and the machine may be busy.
property_test = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

digests = st.binary(min_size=32, max_size=32).map(Digest)
packs = st.sampled_from([PackId(bytes([i]) * 16) for i in range(4)])
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\x7f", min_codepoint=0x20), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
times = st.integers(-(2**62), 2**62)


@st.composite
def chunk_refs(draw: st.DrawFn) -> ChunkRef:
    stored_size = draw(st.integers(1, MAX_CHUNK_SIZE))
    size = draw(st.integers(stored_size, MAX_CHUNK_SIZE))
    return ChunkRef(draw(digests), size, draw(packs), draw(st.integers(0, 2**31)), stored_size)


@st.composite
def runs(draw: st.DrawFn) -> list[ChunkRef]:
    """Some chunks one directly behind the other in one pack, as an ingest leaves them."""
    pack, offset, refs = draw(packs), draw(st.integers(0, 2**20)), []
    for digest in draw(st.lists(digests, min_size=1, max_size=6)):
        refs.append(ChunkRef(digest, 70_000, pack, offset, 60_000))
        offset += 60_000
    return refs


ref_lists = st.lists(runs(), max_size=4).map(lambda lists: [ref for refs in lists for ref in refs])


@st.composite
def files(draw: st.DrawFn, path: str) -> Entry:
    refs = draw(ref_lists)
    executable, mtime_ns = draw(st.booleans()), draw(times)
    if not refs:
        return Entry(path, Kind.FILE, 0, executable, mtime_ns, digest_of(b""), NO_CONTENT)
    if len(refs) == 1:
        return Entry(path, Kind.FILE, refs[0].size, executable, mtime_ns, refs[0].digest, Content(tuple(refs)))
    if draw(st.booleans()):
        spans = tuple(draw(st.lists(st.integers(1, 2**40), min_size=len(refs), max_size=len(refs))))
        content = Content(tuple(refs), spans, tuple(sorted(draw(st.sets(packs, min_size=1)))))
        return Entry(path, Kind.FILE, sum(spans), executable, mtime_ns, draw(digests), content)
    return Entry(path, Kind.FILE, sum(ref.size for ref in refs), executable, mtime_ns, draw(digests), Content(tuple(refs)))


@st.composite
def entries_at(draw: st.DrawFn, path: str) -> Entry:
    kind = draw(st.sampled_from([Kind.FILE, Kind.FILE, Kind.FILE, Kind.SYMLINK, Kind.REFERENCE]))
    if kind is Kind.FILE:
        return draw(files(path))
    if kind is Kind.SYMLINK:
        return symlink_entry(path, draw(paths), draw(times))
    text = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    reference = Reference("s3://bucket/" + path, draw(text), draw(text), draw(st.none() | st.integers(0, 2**50)))
    return reference_entry(path, reference, draw(times))


@st.composite
def manifests(draw: st.DrawFn) -> list[Entry]:
    """Entries of one version, with their directories, in manifest order."""
    chosen = draw(st.lists(paths, max_size=12, unique=True))
    directories = {path[:i] for path in chosen for i, character in enumerate(path) if character == "/"}
    return with_parents([draw(entries_at(path)) for path in chosen if path not in directories])
