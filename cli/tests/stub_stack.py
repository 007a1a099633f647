"""`centralino` with one small service instead of the real ones: `stub_stack.py up --data DIR ...`."""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from centralino.app import run
from centralino.services import ServiceSpec
from typing_extensions import override


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    @override
    def log_message(self, *_: object) -> None:
        """Nothing: the log has one line."""


def serve() -> None:
    sys.stderr.write(f"the stub has database {'CENTRALINO_DATABASE_URL' in os.environ}\n")
    if "STUB_FAILS" in os.environ:
        sys.exit("the stub does not want to")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["CENTRALINO_HEALTH_PORT"])), Health).serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        sample = ["--no-sample"] if sys.argv[1] == "up" else []
        run([*sys.argv[1:], *sample], [ServiceSpec(name="stub", command=[__file__, "serve"], schema="crm")])
