"""Bytes under digests: cut, compress, pack, read, verify."""
