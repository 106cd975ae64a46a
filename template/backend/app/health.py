"""Whether the process is alive, and whether it can do its work."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from fastapi import APIRouter
from starlette.responses import JSONResponse

CHECK_SECONDS = 2.0

log = structlog.get_logger(__name__)


def router(
    checks: Mapping[str, Callable[[], Awaitable[object]]],
    readings: Mapping[str, Callable[[], Awaitable[int]]],
) -> APIRouter:
    """GET /healthz and GET /readyz.

    A failing /healthz asks for a restart, so it depends on nothing but the process. A failing
    /readyz takes the process out of rotation until its parts are back.

    Args:
        checks: By name; a check that raises, or takes longer than two seconds, has failed.
        readings: Numbers that /readyz tells beside them, where the checks passed.
    """
    health = APIRouter(include_in_schema=False)

    @health.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "alive"})

    @health.get("/readyz")
    async def readyz() -> JSONResponse:
        results = await asyncio.gather(*(_run(name, check) for name, check in checks.items()))
        ready = all(results)
        told = {name: await read() for name, read in readings.items()} if ready else {}
        return JSONResponse(
            {
                **told,
                "status": "ready" if ready else "unready",
                "checks": {
                    name: "ok" if passed else "unreachable"
                    for name, passed in zip(checks, results, strict=True)
                },
            },
            status_code=200 if ready else 503,
        )

    return health


async def _run(name: str, check: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001  # whatever it is, the part is not usable
        # The answer is public and says which part; why is for the operator.
        log.warning("not ready", check=name, error=type(error).__name__, reason=str(error))
        return False
    return True
