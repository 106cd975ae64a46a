"""Who the tenants are and where their rows live: a module for each model, behind one interface.

`app.choices.tenancy` is the module that was chosen. It has, from its own lines or from those that
several models share:

MODEL: The answer to the question `tenancy_model`, as the database knows it.
TENANT, TENANT_COLUMN, TENANT_FUNCTION: What a tenant is called, the column of a feature's tables
    that says whose a row is, and the function in SQL that says whose it must be.
TenantTable: The mixin of a feature's models.
IDENTITY_SQL, ISOLATION_SQL, CHANGES_SQL: The files of the first migration that differ.
ENTER: The function in SQL that begins a transaction.
HOMES, schema_of: Where the tables of tenants are.
REVISIONS: The query for the migrations that a tenant's tables came to.
PROCESSES: What runs beside the API and the workers.
CHECKS: What the doctor asks beyond row level security.
make_place, migrate_tenants, remove_place: What a new tenant, a new version and a deletion take.
readings: What `/readyz` tells about tenants.
recycle: What is done with a connection after a transaction of a tenant.
Settings, create_engine: What a process is told about databases, and its connections.
replica: The copy of the database that answers requests that only read, if there is one.
routed, reroute, home: In which database claims are proven, and a tenant's rows and jobs are.
announce, visit, homes_with_jobs: How a job is found, wherever its outbox is.
everywhere: What is done in every database, even if some of them are away.
at_home, home_named, databases_of: The same for an operator, and for the doctor.
tell_control: What the control database has a copy of, after a commit.
organization_json, why_no_tenant: What a person is told.
"""
