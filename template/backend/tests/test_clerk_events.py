"""When Clerk's events say that something happened."""

import json

import pytest

from app.auth.clerk_events import read_event
from tests.providers.clerk import event


@pytest.mark.parametrize(
    ("timestamp", "as_of"),
    [(1_716_883_200_123, 1_716_883_200.123), (1_716_883_200, 1_716_883_200.999)],
)
def test_times_in_seconds_are_not_taken_for_the_seventies(timestamp: int, as_of: float) -> None:
    """Or whatever was deleted would have been so before it was made."""
    told = event("user.deleted", 0, subject="user_1") | {"timestamp": timestamp}
    change = read_event(json.dumps(told).encode())
    assert change is not None
    assert change.as_of == pytest.approx(as_of)
