"""Mails in development: where they go instead of to people."""
