"""Any OpenID Connect provider that issues its access tokens as JWTs."""

from app.auth.oidc.settings import Settings
from app.auth.plain_events import read_event

__all__ = ["Settings", "read_event"]
