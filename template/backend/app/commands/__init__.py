"""Groups of commands: each module is one, `group`, and its name is what is typed."""
