"""What has to be known to send mails."""

from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from app.email.ways import WAYS


class Settings(BaseModel):
    """The settings of whatever sends mails, and of what the mails are about."""

    email_url: SecretStr = Field(
        description="How mails leave: smtp://user:password@host:587 (STARTTLS), smtps://…:465, "
        "resend://KEY@api.resend.com or postmark://TOKEN@api.postmarkapp.com."
    )
    email_from: str = Field(
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description='Who sends them: app@example.com, or "The App <app@example.com>".',
    )
    app_url: str = Field(description="Where your front end is: links in mails begin with it.")
    organizations_per_person: int = Field(
        default=10, ge=0, description="How many organizations one person may own."
    )
    invitations_per_day: int = Field(
        default=100, ge=0, description="Mails with invitations that one organization may send."
    )

    @field_validator("email_url")
    @classmethod
    def _is_known(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if parts.scheme not in WAYS:
            raise ValueError(f"must begin with one of {', '.join(f'{way}://' for way in WAYS)}")
        if not parts.hostname:
            raise ValueError("names no host")
        return value

    @field_validator("app_url")
    @classmethod
    def _is_a_page(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError("must be an address such as https://app.example.com")
        return value.rstrip("/")
