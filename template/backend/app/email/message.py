from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A mail of plain text. The subject is one line."""

    to: str
    subject: str
    text: str


class NotSent(Exception):  # noqa: N818  # an outcome: whoever sends decides whether to try again
    """The mail was not taken; trying again later may help."""
