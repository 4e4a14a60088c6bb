"""Benchmarks: the figures of docs/design.md, each beside other tools on the same data in the same run. Not part of the tests."""
