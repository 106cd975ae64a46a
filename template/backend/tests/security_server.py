"""The application that test_security.py meets: endpoints that misbehave behind the real stack.

Run as `security_server.py PORT ORIGINS LIMIT_PER_ADDRESS`. No part of it needs a database.
"""

import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Annotated

import psycopg
import uvicorn
from fastapi import FastAPI, Query, Request, UploadFile, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, SecretStr
from sqlalchemy.exc import IntegrityError, OperationalError

from app import health, logs, metrics, request_log
from app.security import docs, middleware, problems
from app.security.described import describe_errors
from app.settings import Settings

ORIGINS, PER_ADDRESS = sys.argv[2].split(), sys.argv[3]
EMAIL = "ada@example.com"  # named, because a stack shows the lines it passes
MAX_BODY_BYTES, MAX_UPLOAD_BYTES = 64 * 1024, 2 * 1024 * 1024

settings = Settings.model_construct(
    environment="test",
    allowed_hosts=["localhost", "127.0.0.1", "::1", "*.example.com"],
    allowed_origins=ORIGINS,
    rate_limit_per_address=PER_ADDRESS,
    max_body_bytes=MAX_BODY_BYTES,
    max_upload_bytes=MAX_UPLOAD_BYTES,
)
logs.configure(level="debug", readable=False)
app = FastAPI(docs_url=None, redoc_url=None)
middleware.install(app, settings, uploads=["/uploads"])
problems.install(app)
describe_errors(app)


async def refuses() -> None:
    raise ConnectionError("password=hunter2 refused")


async def answers() -> None:
    return


app.include_router(docs.router())
app.include_router(metrics.router(SecretStr("metrics-secret")))
app.include_router(health.router({"database": refuses, "storage": answers}, {}))


class Contact(BaseModel):
    name: str


@app.post("/contacts")
async def create(contact: Contact) -> Contact:
    return contact


@app.get("/contacts/{contact_id}")
async def read(
    contact_id: str, request: Request, limit: Annotated[int, Query(le=100)] = 10
) -> dict[str, str]:
    request_log.bind_actor(request, actor_id="actor-1", tenant_id="org-1")
    return {"id": contact_id, "limit": str(limit)}


@app.post("/uploads")
async def upload(file: UploadFile) -> dict[str, int | None]:
    return {"size": file.size}


@app.post("/swallows")
async def swallows(request: Request) -> dict[str, bool]:
    with contextlib.suppress(Exception):
        await request.body()
    return {"swallowed": True}


@app.get("/crash")
async def crash() -> None:
    raise RuntimeError("a secret of the inside")


@app.get("/half")
async def half() -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError("too late for a status")

    return StreamingResponse(chunks())


@app.get("/database/{what}")
async def database(what: str) -> None:
    if what == "down":
        raise OperationalError("select 1", {}, psycopg.OperationalError("host db-7 is down"))
    if what == "gone":
        raise psycopg.OperationalError("host db-7 is down")
    cause = psycopg.errors.lookup(what)(f"violates\nDETAIL:  Key (email)=({EMAIL}) exists.")
    raise IntegrityError("insert", {"email": EMAIL}, cause)


@app.websocket("/socket/{name}")
async def socket(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    await websocket.close(reason=name)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
    )
