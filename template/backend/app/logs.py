"""Logs: one JSON object a line on stdout, readable lines on a developer's console.

Never in them: personal data, tokens, query strings, request bodies.
"""

import logging
import re
import sys
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Libraries put values into the text of their exceptions: Postgres the row, SQLAlchemy the
# parameters, pydantic the input.
_VALUES = re.compile(
    r"^DETAIL:.*?(?=^(?:HINT|CONTEXT|LINE|\[SQL|\(Background|\s*$|Traceback))"
    r"|^\[parameters: .*?$"
    r"|(?<=input_value=).*?(?=, input_type=)",
    re.MULTILINE | re.DOTALL,
)


def configure(*, level: str, readable: bool) -> None:
    """Route every log of the process, libraries' too, to stdout.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        readable: For a person's eyes rather than a log collector's.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    rendered: list[Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(),
                timestamp_key="time",
                # Others print the variables of every frame, tokens and rows among them.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
        if readable
        else [
            structlog.processors.format_exc_info,
            _without_values,
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    )
    structlog.configure(
        processors=[*shared, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    handler.addFilter(_is_not_a_request_line)
    logging.root.handlers = [handler]
    # Never lower: at `debug` servers and clients log headers, tokens among them.
    logging.root.setLevel(max(number, logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = name != "uvicorn.access"
    # They log every URL they call, keys in query strings included; or what they are made of.
    for name in ("httpx", "httpcore", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def _is_not_a_request_line(record: logging.LogRecord) -> bool:
    """Drop uvicorn's line per WebSocket: it holds the query string, a ticket included."""
    return not (record.name == "uvicorn.error" and '"WebSocket ' in str(record.msg))


def _without_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    exception = event.get("exception")
    if exception:
        event["exception"] = _VALUES.sub("…", exception)
    return event


def _json(event: dict[str, Any], **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
