"""The objects that an artifact can hold as such: tables, and tables in parts. Public as `artfs.data_types`.

A table is rows in memory (`table`), whose values are brought into a few plain kinds (`values`, `column_type`) and stored as one
Parquet file (`parquet`) that any tool can read. What lies in an artifact under which path is in `stored`. Only `parquet` knows
pyarrow, and imports it when it is needed.
"""
