"""What a server looks like at each host, before the product comes: roles, schemas, privileges.

Each module is made from the host's documentation and source, on a Postgres that is nobody's. The
role that migrates is called `migrator` here, and `postgres` or `neondb_owner` there; it has the
same attributes.

API_ROLES: Whom the host lets in past the product, each in the name of whoever asks.
MUTATIONS: What only this host's checks notice: a name, SQL, and what the doctor says.
POOLED, DIRECT: Addresses that lead through a pooler in transaction mode, and that do not.
SERVER, POOLER: Under which names the server and its pooler in transaction mode are reached.
NAMED: How a role is named in an address that names another.
prepare_server: Once for a server, as its superuser.
prepare_database: Once for each database, as the superuser, connected to it.
"""
