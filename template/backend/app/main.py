"""Builds the ASGI application: the one place where its parts are wired together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from importlib import import_module

import httpx
from fastapi import FastAPI

from app import health, logs, metrics
from app.audit import endpoints as audit
from app.auth.verifier import TokenVerifier
from app.choices import channel, managing, queue, tenancy
from app.database import refuse_unsafe_login
from app.features.api_keys import endpoints as api_keys
from app.features.contacts import endpoints as contacts
from app.features.imports import endpoints as imports
from app.features.me import endpoints as me
from app.features.webhooks import endpoints as webhooks
from app.jobs.intake import acceptor
from app.jobs.readings import readings
from app.migrations import require_current
from app.realtime import endpoints as realtime
from app.realtime.access import access_checker
from app.realtime.hub import Hub
from app.security import docs, middleware, problems
from app.security.described import describe_errors
from app.settings import Settings, get_settings
from app.storage import Storage

API = "/api/v1"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application. It opens no connection before its lifespan begins."""
    settings = settings or get_settings()
    logs.configure(level=settings.log_level, readable=settings.environment == "development")

    engine = tenancy.create_engine(settings, application_name="api")
    replica = tenancy.replica(engine, settings)
    jobs = queue.create_queue(settings)
    events = channel.create_channel(settings)
    storage = Storage(settings.storage_url)
    http = httpx.AsyncClient(timeout=5.0, follow_redirects=False)
    verifier = TokenVerifier(settings, http)
    hub = Hub(events)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await refuse_unsafe_login(engine)
        watched = nullcontext() if replica is None else replica.watched()
        async with hub, jobs.intake(acceptor(engine, verifier)), watched:
            yield
        await verifier.aclose()
        await http.aclose()
        await jobs.close()
        await engine.dispose()

    app = FastAPI(
        title=settings.product_name,
        openapi_url="/openapi.json" if settings.docs_enabled else None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.engine = engine
    app.state.replica = replica
    app.state.storage = storage
    app.state.verifier = verifier
    app.state.hub = hub
    app.state.check_access = access_checker(engine)

    problems.install(app)
    describe_errors(app)
    app.state.principal_limit = middleware.install(app, settings, uploads=[f"{API}/imports"])

    # First, because routes are tried in order; and each by itself, because a router inside of
    # another router is searched twice.
    for feature in (me, contacts, imports, audit, realtime, api_keys, webhooks):
        app.include_router(feature.router, prefix=API)
    for name in managing.ENDPOINTS:
        app.include_router(import_module(name).router, prefix=API)

    checks = {
        "database": lambda: require_current(engine),
        "queue": jobs.check,
        "storage": storage.check,
    }
    app.include_router(health.router(checks, tenancy.readings(engine)))
    app.include_router(metrics.router(settings.metrics_token, readings(engine)))
    if settings.docs_enabled:
        app.include_router(docs.router())
    return app
