"""A small service that the tests of the run shell start as a process."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import Field
from servicekit.errors import SettingsError
from servicekit.http_server import Receive, Scope, Send
from servicekit.run import Service, Shell, run
from servicekit.settings import ServiceSettings
from servicekit.telemetry import log

LOG = log("toy")


class ToySettings(ServiceSettings):
    toy_loop: str = Field("steady", description="steady, fail, end, stuck or unusable.")


class ToyLoop:
    name = "toy loop"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def run(self, stop: asyncio.Event) -> None:
        if self._kind == "fail":
            raise LookupError("words of a customer")
        if self._kind != "end":
            await stop.wait()
        LOG.info("toy_loop_done")

    def trouble(self) -> str | None:
        return "it waits for nothing" if self._kind == "stuck" else None


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    if scope["path"] == "/slow":
        LOG.info("slow_begun")
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    answer = scope["client"][0] if scope["path"] == "/client" else scope["path"]
    await send({"type": "http.response.body", "body": answer.encode()})


@asynccontextmanager
async def open_service(settings: ToySettings, shell: Shell) -> AsyncGenerator[Service]:
    if settings.toy_loop == "unusable":
        raise SettingsError("CENTRALINO_TOY_LOOP: it is unusable.")
    yield Service(app=app, loops=[ToyLoop(settings.toy_loop)])
    LOG.info("toy_closed")


if __name__ == "__main__":
    run("toy", ToySettings, open_service, migrations=os.environ.get("TOY_MIGRATIONS"))
