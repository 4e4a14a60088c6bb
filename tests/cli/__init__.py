"""The command line, through its installed program and, where that is enough, in this process."""
