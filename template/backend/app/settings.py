"""Every setting, typed, read from the environment and from `.env`.

A process that starts with a bad or missing setting stops at once and names it.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.choices import PRODUCT_NAME, channel, host, managing, provider, queue, tenancy
from app.comma_separated import CommaSeparated
from app.features.webhooks import settings as webhooks
from app.hosts import ways
from app.hosts.addresses import parsed, with_proof
from app.logins import LEAST_LENGTH, is_guessable

REPOSITORY = Path(__file__).resolve().parents[2]


class Settings(
    provider.Settings,
    queue.Settings,
    channel.Settings,
    tenancy.Settings,
    managing.Settings,
    webhooks.Settings,
    BaseSettings,
):
    """The settings of one process: the API, the worker and the CLI read the same names."""

    model_config = SettingsConfigDict(env_file=REPOSITORY / ".env", extra="ignore")

    environment: Literal["development", "test", "staging", "production"] = "production"

    product_name: str = PRODUCT_NAME
    docs_enabled: bool = Field(default=True, description="Serve the API's reference at /docs.")
    allowed_hosts: CommaSeparated = Field(
        min_length=1, description="Host headers that are answered, comma separated."
    )
    allowed_origins: CommaSeparated = Field(
        default=[], description="Browser origins that may call the API or open a WebSocket."
    )
    max_body_bytes: int = Field(default=1024 * 1024, gt=0)
    max_upload_bytes: int = Field(default=100 * 1024 * 1024, gt=0)
    rate_limit_per_principal: str = "6000/minute"
    rate_limit_per_address: str = "12000/minute"
    api_key_max_days: int = Field(
        default=365, ge=1, le=3650, description="How long an API key may be good, in days."
    )
    rate_limit_storage: str = Field(
        default="async+memory://",
        description="A `limits` storage URI. In memory each API process counts for itself.",
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="Bearer token for GET /metrics. Required in production."
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    database_url: SecretStr = Field(
        description="Postgres, as the login of this process: app_api or app_worker."
    )
    migration_database_url: SecretStr | None = Field(
        default=None, description="Postgres, as the role that owns the schema. Only `app migrate`."
    )
    database_verify: bool = Field(
        default=host.VERIFIES,
        description="Outside development, servers must prove who they are (sslmode verify-full).",
    )
    database_root_certificates: str | None = Field(
        default=host.ROOT_CERTIFICATES,
        description="The file with the authorities whose certificates are believed.",
    )
    database_next_password: SecretStr | None = Field(
        default=None,
        description="What this login's password is going to be: used once the present one is not.",
    )
    app_api_password: SecretStr | None = None
    app_worker_password: SecretStr | None = None
    database_pool_size: int = Field(default=10, gt=0)
    database_pool_timeout: float = Field(default=5.0, gt=0, description="Seconds.")
    database_statement_timeout: float = Field(default=30.0, gt=0, description="Seconds.")
    database_lock_timeout: float = Field(default=5.0, gt=0, description="Seconds.")

    storage_url: str = Field(description="Where uploads live: file:///…, s3://…, gs://…, az://…")

    worker_metrics_port: int | None = Field(
        default=None, description="Where a worker serves its metrics, on loopback; none if unset."
    )
    worker_concurrency: int = Field(default=4, gt=0)
    worker_drain_seconds: float = Field(
        default=25.0, ge=0, description="How long a running job may go on after SIGTERM."
    )
    import_chunk_rows: int = Field(default=5000, gt=0)

    @model_validator(mode="after")
    def _refuse_weak_passwords(self) -> Self:
        for name in ("app_api_password", "app_worker_password", "database_next_password"):
            password = getattr(self, name)
            if password is None or self.is_local:
                continue
            if is_guessable(password.get_secret_value()):
                raise ValueError(
                    f"{name.upper()} can be guessed: take at least {LEAST_LENGTH} random "
                    "characters, as python -c 'import secrets; print(secrets.token_urlsafe(32))' "
                    "prints them"
                )
        return self

    @model_validator(mode="after")
    def _know_where_each_address_leads(self) -> Self:
        for name, key, url in self._addresses():
            try:
                reason = self._why_direct(name)
                if reason is not None:
                    ways.require_direct(url, reason)
                ways.require_poolable(url)
                if self.database_verify and not self.is_local:
                    self._replace(name, key, with_proof(url, self.database_root_certificates))
            except ValueError as error:
                raise ValueError(f"{name.upper()}{f' ({key})' if key else ''}: {error}") from None
        return self

    @model_validator(mode="after")
    def _read_as_who_writes(self) -> Self:
        """A replica has the roles of the database it follows: another one may see more there."""
        copy: SecretStr | None = getattr(self, "read_database_url", None)
        if copy is None:
            return self
        own, there = (
            parsed(url.get_secret_value()).username or "" for url in (self.database_url, copy)
        )
        if there not in {own, host.login_as(own.partition(".")[0], there)}:
            raise ValueError("READ_DATABASE_URL must log in as the same role as DATABASE_URL")
        return self

    def _why_direct(self, name: str) -> str | None:
        """Why the address of this setting must lead past poolers, if it must."""
        if name.startswith("migration_"):
            return "migrations hold a lock for longer than a transaction"
        if name == "listen_database_url":
            return "nobody is heard there"
        # Only a channel that listens to Postgres has the setting.
        if name == "database_url" and getattr(self, "listen_database_url", self) is None:
            return "LISTEN_DATABASE_URL does not say where to listen instead"
        return None

    def _addresses(self) -> list[tuple[str, str | None, str]]:
        """Each address of a database, with its setting's name, and its server's if it has one."""
        found: list[tuple[str, str | None, str]] = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name.endswith("database_url") and isinstance(value, SecretStr):
                found.append((name, None, value.get_secret_value()))
            elif name.endswith("tenant_servers"):
                found += [(name, key, url.get_secret_value()) for key, url in value.items()]
        return found

    def _replace(self, name: str, key: str | None, url: str) -> None:
        if key is None:
            setattr(self, name, SecretStr(url))
        else:
            getattr(self, name)[key] = SecretStr(url)

    @property
    def is_local(self) -> bool:
        """Whether this is a developer's machine or a test, where the dev issuer is allowed."""
        return self.environment in {"development", "test"}

    @model_validator(mode="after")
    def _refuse_what_is_only_for_development(self) -> Self:
        if self.is_local:
            return self
        self.require_production_provider()
        if "*" in self.allowed_hosts:
            raise ValueError("ALLOWED_HOSTS must name the hosts outside development, not *")
        if self.metrics_token is None:
            raise ValueError("METRICS_TOKEN is required outside development: /metrics is internal")
        return self


@lru_cache
def get_settings() -> Settings:
    """Read the settings once per process, or stop with a sentence per bad setting."""
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    lines = ["The settings are not usable:"]
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"]).upper()
        lines.append(f"  {name + ': ' if name else ''}{problem['msg']}")
    lines.append("Set them in the environment or in .env; .env.example explains each.")
    return "\n".join(lines)
