"""What makes a contact valid, shared by the API and the CSV import."""

import re

AMOUNT_DIGITS = 14
LONGEST_EMAIL = 254
"""Characters, from RFC 5321's limit on a path."""

_EMAIL = re.compile(
    r"[^@\s\x00-\x1f\x7f,;<>()\[\]\\\"]{1,64}@[^@\s.\x00-\x1f]+(\.[^@\s.\x00-\x1f]+)+"
)
EMAIL = {"pattern": f"^{_EMAIL.pattern}$", "maxLength": LONGEST_EMAIL}
"""For `json_schema_extra`: what `normalize_email` lets in."""


def normalize_email(value: str) -> str:
    """The address in lower case, so that one person is one contact however the case was typed.

    Raises:
        ValueError: it is not an address.
    """
    email = value.strip().lower()
    if len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        raise ValueError("not an email address")
    return email
