"""An OpenTelemetry collector for proofs: takes spans by OTLP over HTTP and keeps them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import override

PATH: Final = "/v1/traces"
FLUSH_MS: Final = 200
BODY_BYTES_MAX: Final = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A span as it was exported; `raw` is everything that left the process with it."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    raw: bytes


class Collector:
    """What has been exported so far; `variables` turn a process's export to here on."""

    def __init__(self, port: int) -> None:
        self.spans: list[Exported] = []
        self.variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": str(FLUSH_MS),
        }

    def take(self, body: bytes) -> None:
        """The body of an export."""
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {each.key: each.value.string_value for each in group.resource.attributes}
            self.spans += [
                Exported(
                    service=attributes["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    raw=span.SerializeToString(),
                )
                for scope in group.scope_spans
                for span in scope.spans
            ]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen on a free port of this machine until the block is left."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        _Handler.collector = Collector(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield _Handler.collector
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    collector: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers["content-length"]), BODY_BYTES_MAX))
        if self.path == PATH:
            self.collector.take(body)
        self.send_response(200 if self.path == PATH else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it would stand between the proof's own lines."""
