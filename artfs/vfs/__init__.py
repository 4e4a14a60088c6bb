"""What artfs looks like as a file system, in plain blocking Python."""
