"""File bytes in and out: ingest, reader, prefetch, manifests."""
