"""The commands, one a file: parse, call, print. Only the one that is run is imported."""
