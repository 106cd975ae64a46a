"""The secrets with which the sign-in provider's messages are signed."""

from pydantic import BaseModel, Field, SecretStr, field_validator
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError


class Settings(BaseModel):
    """What is needed to listen to the provider."""

    auth_webhook_secrets: SecretStr | None = Field(
        default=None,
        description="Secrets of the provider's webhooks, separated by spaces: the new one and the "
        "old one while one is changed.",
    )

    @field_validator("auth_webhook_secrets")
    @classmethod
    def _are_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        for secret in value.get_secret_value().split():
            try:
                Webhook(secret.removeprefix("v1,"))
            except (ValueError, EmptyWebhookSecretError) as error:
                raise ValueError("each must be as the provider shows it: whsec_…") from error
        return SecretStr(" ".join(value.get_secret_value().split()))
