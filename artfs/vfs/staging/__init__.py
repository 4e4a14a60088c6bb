"""The staging area: writable directories that become versions, kept on the local disk until they are committed or removed."""
