"""Chunks on a local disk: shared by all processes of a user, within a limit, in few files.

    segment   one large file of chunks, and the bytes of a chunk's record
    index     where a chunk lies: hash tables in files, which all processes read and write in place
    room      what the folder holds, and the promise that it never holds more than its limit (I7)
    shelf     an open folder: chunks out of segments and into them
    cache     `DiskCache`, what a chunk store uses: never fails who reads
    pins      chunks that stay whatever is evicted
    verify    reading all of it again
    open      the cache that the settings name

docs/decisions/0012-disk-cache.md says why it is so.
"""
