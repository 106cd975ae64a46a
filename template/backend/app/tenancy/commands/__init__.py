"""What `app tenants` says and asks in each model of tenancy."""
