"""Any OpenID Connect provider that issues its access tokens as JWTs."""

from app.auth.oidc.settings import Settings

__all__ = ["Settings"]
