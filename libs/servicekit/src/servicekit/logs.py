"""Log events as JSON, one line each, on standard output."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Final

from typing_extensions import override

_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}
_OWN: Final = "centralino"
_SAFE_MESSAGES: Final = ("servicekit", "contracts", "router", "chat_gateway", "crm", "builtins")
_TEXT_LENGTH_MAX: Final = 500
SAYINGS_MAX: Final = 10
SAYINGS_SECONDS: Final = 60.0


def log_as_json(service: str, level: str) -> None:
    """Send every log event of this process to standard output as JSON; libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    handler.addFilter(FewSayings())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OWN).setLevel(level)


class FewSayings(logging.Filter):
    """Lets each library's logger say 10 things a minute: with Kafka away, aiokafka says dozens a second.

    The first line after a silence tells in `left_out` how many were not written. Our own events always pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[str, tuple[float, int]] = {}

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(_OWN):
            return True
        began_at, said = self._minutes.get(record.name, (record.created, 0))
        if record.created - began_at >= SAYINGS_SECONDS:
            if said > SAYINGS_MAX:
                record.left_out = said - SAYINGS_MAX
            began_at, said = record.created, 0
        self._minutes[record.name] = (began_at, said + 1)
        return said < SAYINGS_MAX


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "service", "logger", "event", ...fields}`; a library's text stands in `text`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    @override
    def format(self, record: logging.LogRecord) -> str:
        own = record.name.startswith(_OWN)
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "event": record.msg if own else "library_said",
        }
        if not own:
            document["text"] = record.getMessage()[:_TEXT_LENGTH_MAX]
        document.update((name, value) for name, value in record.__dict__.items() if name not in _STANDARD)
        if record.exc_info and record.exc_info[1]:
            document |= failure_fields(record.exc_info[1])
        return json.dumps(document, default=str)


def failure_fields(error: BaseException) -> dict[str, object]:
    """Type, place and cause of an exception. Messages of foreign ones are left out: they may quote personal data."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    fields: dict[str, object] = {
        "error": type(error).__qualname__,
        "frames": [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if type(error).__module__.partition(".")[0] in _SAFE_MESSAGES and isinstance(error, OSError | RuntimeError):
        fields["message"] = str(error)[:_TEXT_LENGTH_MAX]
    if isinstance(error, BaseExceptionGroup):
        fields["errors"] = [failure_fields(inner) for inner in error.exceptions[:5]]
    elif error.__cause__ is not None:
        fields["cause"] = failure_fields(error.__cause__)
    return fields
