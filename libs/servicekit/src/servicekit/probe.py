"""Asks the health page of this very container, whose image has no curl: exit code 0 when it is ready and live."""

import os
import sys
from http.client import HTTPConnection, HTTPException
from typing import Final

TIMEOUT_SECONDS: Final = 3.0
PATHS: Final = ("/health/ready", "/health/live")


def main() -> None:
    """`python -m servicekit.probe`; the port is that of `CENTRALINO_HEALTH_PORT`."""
    trouble = probe(int(os.environ.get("CENTRALINO_HEALTH_PORT", "0")))
    sys.exit(trouble)


def probe(port: int) -> str | None:
    """What is wrong, or none."""
    for path in PATHS:
        connection = HTTPConnection("localhost", port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status != 200:
                return f"{path} answers {answer.status}: {answer.read(1000).decode(errors='replace')}"
        except (OSError, HTTPException) as error:
            return f"{path} does not answer: {error}"
        finally:
            connection.close()
    return None


if __name__ == "__main__":
    main()
