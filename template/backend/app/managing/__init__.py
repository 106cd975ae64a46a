"""Who decides who belongs to an organization, and what the product has for it: a module for each.

`app.choices.managing` is the module that was chosen. It has:

ENDPOINTS, TASKS: The modules of the features that this takes.
Settings: What they have to be told.
"""
