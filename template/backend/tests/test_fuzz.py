"""The running API against its own description, with requests that Schemathesis makes up.

Valid ones and invalid ones, from everybody who may send some. What is sent is the same in every
run; FUZZ_EXAMPLES=200 sends more of each kind than the few that every run has time for.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx
import hypothesis
import psycopg
import pytest
import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import (
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.command_choices import tenancy
from app.dev.servers import Connections
from app.main import create_app
from app.settings import Settings
from tests.choices import tenants
from tests.conftest import MintToken
from tests.running import Platform
from tests.test_isolation_http import Operation, Tenant, World

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
"""Requests of each kind, to each operation, from each caller."""

REMOVED = "removed member"
NOBODY = "nobody"

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

UNLIMITED = "1000000/second"


@pytest.fixture(scope="module")
def database(new_database: Callable[..., Connections]) -> Connections:
    """A database of these tests' own, in which no worker runs."""
    return new_database()


@pytest.fixture(scope="module")
def address(platform: Platform, database: Connections) -> Iterator[str]:
    limits = dict.fromkeys(("RATE_LIMIT_PER_PRINCIPAL", "RATE_LIMIT_PER_ADDRESS"), UNLIMITED)
    process, address = platform.api(database, **limits)
    process.start()
    yield address
    process.stop()


@pytest.fixture(scope="module")
def world(platform: Platform, database: Connections, token: MintToken) -> Iterator[World]:
    """What is needed to make tenants, and to know the operations."""
    values = platform.environment(database.for_api())
    fields = {name.lower(): value for name, value in values.items()}
    app = create_app(Settings(_env_file=None, **fields))  # type: ignore[arg-type]
    assert database.admin is not None
    with psycopg.connect(database.admin, autocommit=True) as admin:
        yield World(app, httpx.AsyncClient(), admin, token)


@pytest.fixture(scope="module")
def description(address: str) -> schemathesis.BaseSchema:
    # Parameters that nobody knows are ignored, and tokens are what the tests are about.
    generation = GenerationConfig(allow_extra_parameters=False, with_security_parameters=False)
    config = SchemathesisConfig(
        projects=ProjectsConfig(default=ProjectConfig(generation=generation))
    )
    document = httpx.get(f"{address}/openapi.json", trust_env=False).json()
    return schemathesis.openapi.from_dict(document, config=config)


def headers_of(caller: str, tenant: Tenant, world: World) -> Mapping[str, str]:
    if caller == NOBODY:
        return {}
    if caller == REMOVED:
        bearer = world.token(f"former_{tenant.name}", tenant.name)
    else:
        bearer = world.token_of(tenant, caller)
    return {"Authorization": f"Bearer {bearer}"}


def send_many(
    operation: schemathesis.APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    address: str,
    headers: Mapping[str, str],
    ids: dict[str, str] | None,
) -> set[int]:
    """Send the same requests as in every run, check each answer, and return their statuses."""
    statuses = set()
    strategy = operation.as_strategy(generation_mode=mode, path_parameters=ids)
    checks = [*CHECKS, negative_data_rejection]

    with requests.Session() as session:
        session.trust_env = False

        @hypothesis.seed(1)
        @hypothesis.settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=strategy)
        def send(case: schemathesis.Case[Any]) -> None:
            response = case.call(base_url=address, session=session, headers=dict(headers))
            statuses.add(response.status_code)
            case.validate_response(response, checks=checks)

        # There may be nothing to get wrong: no parameter and no body.
        with suppress(hypothesis.errors.Unsatisfiable):
            send()
    return statuses


@pytest.mark.timeout(60 + 60 * EXAMPLES)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("caller", [*tenancy.ROLES, REMOVED, NOBODY])
def test_every_answer_is_as_described(
    world: World,
    address: str,
    description: schemathesis.BaseSchema,
    caller: str,
    mode: GenerationMode,
) -> None:
    tenant = world.tenant()
    for found in description.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        named = Operation(operation.method, operation.path, {}, {}).ids
        ids = {name: tenant.ids[name] for name in named}
        headers = headers_of(caller, tenant, world)
        statuses = set()
        # Ids of what there is, and whatever looks like one.
        for known in [ids, None] if ids and mode is GenerationMode.POSITIVE else [None]:
            statuses |= send_many(operation, mode, address, headers, known)
        if caller == NOBODY:
            assert statuses <= {400, 401, 422}, operation.label
            assert 401 in statuses or mode is GenerationMode.NEGATIVE, operation.label
        elif caller == "owner" and mode is GenerationMode.POSITIVE:
            # Otherwise nothing was tried but how requests are refused.
            is_file = "multipart/form-data" in operation.get_request_payload_content_types()
            is_managed = operation.path.startswith(tenants.MANAGED)
            assert is_file or is_managed or any(status < 300 for status in statuses), (
                operation.label
            )
        if operation.method.upper() != "GET" and any(status < 300 for status in statuses):
            # What comes next asks for what this one may have taken away.
            tenant = world.tenant()
