"""The mount: pyfuse3 and trio, a thin adapter over `vfs`. Nothing outside this package knows either."""
