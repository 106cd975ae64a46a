"""How a provider's module finds the keys that the provider publishes.

Apart from the cache that reads them: every process has the settings, and a worker verifies nothing.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

Read: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Reads a document of the provider's; raises `Unusable`."""

FindKeys: TypeAlias = Callable[[Read], Awaitable[str]]
"""Says where the provider publishes its JWK set, after reading up on it where it must."""


class Unusable(Exception):  # noqa: N818 - an answer of the provider's; ends as KeysUnavailable
    """The provider answered with something that does not lead to its signing keys."""
