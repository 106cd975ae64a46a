"""The message brokers of the realtime tests: servers of their own, to be stopped and killed."""
