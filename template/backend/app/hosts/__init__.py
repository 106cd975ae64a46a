"""Where Postgres runs in production: a module for each host, behind one interface.

`app.choices.host` is the module that was chosen. It has, from its own lines or from those that
all of them share:

NAME: What the host is called in a message.
ROOT_CERTIFICATES: Whose signature on a server's certificate is believed unless a setting says
    otherwise: a file, or None where only the operator can know.
VERIFIES: Whether, outside development, a server has to prove who it is unless a setting says
    otherwise.
HASHES_PASSWORDS: Whether the host takes a password in the form that the server keeps.
SHARED, DIRECT: A pooled address as an example for messages, and the direct one beside it.
way_of: Whether an address leads to sessions that transactions of others share, and what says so.
login_as: How another role is named in an address of this database.
PREPARE: The file of `migrations/sql` that runs with the roles, before every migration.
SCHEMAS: The names of the schemas that are the host's own, as a regular expression: neither the
    doctor nor an operator's commands look into them.
ADMIN_LOGINS: Which logins with BYPASSRLS are the host's or its owner's own, as a condition on
    `pg_roles r`: the doctor reports every other.
CHECKS: What the doctor asks beyond what holds on every host.
"""
