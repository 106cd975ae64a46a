"""What makes a contact valid, shared by the API and the CSV import."""

import re

AMOUNT_DIGITS = 14
LONGEST_EMAIL = 254
"""Characters, from RFC 5321's limit on a path."""

_EMAIL = re.compile(
    r"[^@\s\x00-\x1f\x7f,;<>()\[\]\\\"]{1,64}@[^@\s.\x00-\x1f]+(\.[^@\s.\x00-\x1f]+)+"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def normalize_email(value: str) -> str:
    """The address in lower case, so that one person is one contact however the case was typed.

    Raises:
        ValueError: it is not an address.
    """
    email = value.strip().lower()
    if len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        raise ValueError("not an email address")
    return email


def refuse_control_characters(value: str) -> str:
    """The value as it is.

    Raises:
        ValueError: it holds a character that no text holds, such as NUL.
    """
    if found := _CONTROL.search(value):
        raise ValueError(f"holds the control character U+{ord(found.group()):04X}")
    return value
