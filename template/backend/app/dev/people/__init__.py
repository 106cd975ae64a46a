"""Who there is in development: one module per tenancy model, with the same two names.

- `DEMO`: the people of the demo data, by the tenant they belong to.
- `token(…)`: the command `app token`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to sign in as.

    Attributes:
        user: the user's id, in the provider's words.
        organization: the short name of their organization; None where there are none.
        role: their role in it, in the provider's words; it means nothing without an organization.
    """

    user: str
    organization: str | None = None
    role: str = "admin"
