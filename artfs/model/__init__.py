"""Values, without I/O: digests, names, entries, manifests, records."""
