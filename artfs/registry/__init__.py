"""Metadata: artifacts, versions, aliases, runs, lineage, packs. The only package that knows SQL."""
