"""Events of whatever stands between the product and a provider that sends none of its own."""

from datetime import UTC, datetime
from typing import Any

_NAMES = {"user": "user", "organization": "organization", "member": "membership"}


def event(kind: str, as_of: float, **told: Any) -> dict[str, Any]:
    """An event: `user.deleted` and the like, with `subject`, `organization`, `role` and so on."""
    subject, _, verb = kind.partition(".")
    names = {"subject": "user_id", "organization": "organization_id"}
    return {
        "type": f"{_NAMES[subject]}.{verb}",
        "timestamp": datetime.fromtimestamp(as_of, UTC).isoformat(),
        "data": {names.get(name, name): value for name, value in told.items()},
    }
