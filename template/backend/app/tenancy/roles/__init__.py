"""Who there is, and what there is nothing of, in each model of tenancy. It imports little."""
