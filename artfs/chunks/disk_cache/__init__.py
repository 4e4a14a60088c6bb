"""Chunks on a local disk: shared by all processes of a user, within a limit, in few files.

segment   one large file of chunks, and the bytes of a chunk's record
index     where a chunk lies: hash tables in files, which all processes read and write in place
room      what the folder holds, and the promise that it never holds more than its limit (I7)
cache     `DiskCache`, what a chunk store uses
"""
