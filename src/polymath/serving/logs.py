"""Structured logs: one JSON object a line on stderr, of this room's logger, of uvicorn's, and of Python's warnings."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "color_message", "taskName"}
VANISHED = "ASGI callable returned without completing handshake"
"""uvicorn's error for a client that goes during its handshake, which is no error of ours."""
LOGGERS = ("polymath.serving", "uvicorn", "py.warnings")


class JsonLines(logging.Formatter):
    """{"time": "2026-01-31T12:00:00.000Z", "level", "event", …what the event carries, "traceback" of an exception}."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        entry |= {key: value for key, value in record.__dict__.items() if key not in _PLAIN}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


@contextmanager
def json_logs(level: str) -> Iterator[None]:
    """In this block the server's events go to stderr, from `level` (debug, info, warning, error) on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(lambda record: not record.getMessage().startswith(VANISHED))
    loggers = [logging.getLogger(name) for name in LOGGERS]
    former = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level.upper() if logger.name == LOGGERS[0] else "WARNING")
        logger.propagate = False
    logging.captureWarnings(True)  # such as jax's, of compiled programs that cannot be read or kept
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (old, propagate) in zip(loggers, former, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(old)
            logger.propagate = propagate
