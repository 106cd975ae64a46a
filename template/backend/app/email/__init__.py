"""Mails: one small interface, whichever way they leave."""

from app.email.message import Message, NotSent
from app.email.ways import send

__all__ = ["Message", "NotSent", "send"]
