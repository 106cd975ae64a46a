"""`app new-table`: a tenant table with its migration, feature folder, endpoints and tests.

Everything is computed and checked before the first file is written.
"""
