"""The big story told from inside a cluster, in a pod, until it is told to end; what it finds goes to standard output.

    python -m centralino.proof.cluster

Lines are JSON. `at_work`: the tenant is configured and chats begin. `progress`: every ten seconds. `failed`: an HTTP
call got an error of the server, or no answer. `refused`: one was answered 4xx. `left`: a chat that did not end within
five minutes, with what its agents see and tried and what the topics have about it. `told`: how many chats and HTTP
calls there were, which calls failed or were refused, which chats are left, and the checker's faults. When the file
`/tmp/enough` is there no more chats begin.
"""

import asyncio
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import httpx
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from servicekit.ports import Clock
from servicekit.system import SystemClock
from typing_extensions import override

from centralino.home import Home
from centralino.proof.clients import NO_CERTIFICATES
from centralino.proof.history import History
from centralino.proof.leftovers import events, tries
from centralino.proof.story import Story

ENOUGH: Final = Path("/tmp/enough")  # noqa: S108 - the pod's own, as its orchestrator knows it
HOME: Final = Path("/tmp/home")  # noqa: S108 - likewise
PROGRESS_SECONDS: Final = 10.0


class ClusterSettings(BaseSettings):
    """From the environment, prefix `PROOF_`."""

    model_config = SettingsConfigDict(env_prefix="PROOF_", frozen=True)

    router_api: str = Field("http://router-api/router/v1", description="URL of the router's API.")
    chat_gateway: str = Field("http://chat-gateway/chat/v1", description="URL of the chat gateway.")
    crm: str = Field("http://crm/crm/v1", description="URL of the CRM.")
    kafka: str = Field("kafka:9092", description="Kafka, for the checker.")
    postgres: str = Field(description="PostgreSQL as its administrator, for the checker.")
    keys: Path = Field(description="Folder with signing.pem and jwks.json.")
    agents: int = 20
    arrivals_per_second: float = 2.0
    seconds_max: float = 1500.0


@dataclass(frozen=True, slots=True)
class BadCall:
    """An HTTP call that got no answer, an error of the server, or a refusal."""

    at_ms: int
    call: str
    why: str


@dataclass(slots=True)
class Calls:
    """All HTTP calls of the story."""

    clock: Clock
    made: Counter[str] = field(default_factory=Counter)
    failed: list[BadCall] = field(default_factory=list)
    refused: list[BadCall] = field(default_factory=list)

    def note_failure(self, call: str, why: str) -> None:
        """It failed just now."""
        self.failed.append(BadCall(self.clock.now_ms(), call, why))
        _say("failed", **asdict(self.failed[-1]))

    def note_refusal(self, call: str, why: str) -> None:
        """It was refused just now."""
        self.refused.append(BadCall(self.clock.now_ms(), call, why))
        _say("refused", **asdict(self.refused[-1]))


class NotedTransport(httpx.AsyncHTTPTransport):
    """Notes how each call ends."""

    def __init__(self, calls: Calls) -> None:
        super().__init__(verify=NO_CERTIFICATES)
        self._calls = calls

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} {request.url.path}"
        try:
            answer = await super().handle_async_request(request)
        except httpx.TransportError as error:
            self._calls.note_failure(call, repr(error))
            raise
        self._calls.made[str(answer.status_code)] += 1
        if answer.is_server_error:
            self._calls.note_failure(call, str(answer.status_code))
        elif answer.is_client_error:
            self._calls.note_refusal(call, f"{answer.status_code} {_code(await answer.aread())}")
        return answer


def _code(body: bytes) -> str:
    """Of a problem (RFC 9457)."""
    try:
        return str(json.loads(body)["code"])
    except (ValueError, LookupError, TypeError):
        return body[:100].decode(errors="replace")


def main() -> None:
    """Tell and judge; exit code 0 when nothing is wrong."""
    sys.exit(asyncio.run(_tell(ClusterSettings())))


async def _tell(settings: ClusterSettings) -> int:
    home = Home.open(HOME)
    shutil.copytree(settings.keys, HOME / "keys", dirs_exist_ok=True)
    clock = SystemClock()
    calls = Calls(clock)
    story = Story(
        home=home,
        addresses={
            "router-api": settings.router_api,
            "chat-gateway": settings.chat_gateway,
            "crm": settings.crm,
            "kafka": settings.kafka,
            "postgres": settings.postgres,
        },
        agents=settings.agents,
        arrivals_per_second=settings.arrivals_per_second,
        seconds_max=settings.seconds_max,
        transport=partial(NotedTransport, calls),
    )
    async with story.opened():
        _say("at_work")
        progress = asyncio.create_task(_tell_progress(story, calls))
        with suppress(TimeoutError):
            await story.tell_until(ENOUGH.exists)
        progress.cancel()
        left = [customer.interaction_id for customer in story.customers if not customer.over]
        if left:
            await _explain(story, left, await story.history())
    faults = await story.faults()
    _say(
        "told",
        chats=len(story.customers),
        accepted=len(story.accepted()),
        requests=Counter(request.outcome for request in story.requests()),
        answers=calls.made,
        failed=[asdict(each) for each in calls.failed],
        refused=[asdict(each) for each in calls.refused],
        left=left,
        faults=[str(fault) for fault in faults],
    )
    return 1 if faults or left else 0


async def _explain(story: Story, left: Sequence[str], history: History) -> None:
    for chat in left:
        tried = tries(story.requests(), chat)
        agents = sorted({request.who for request in tried} & story.desks.keys())
        desks = {agent: (await story.desks[agent].client.get("/me")).text for agent in agents}
        _say("left", chat=chat, desks=desks, tried=list(map(asdict, tried)), events=events(history, chat))


async def _tell_progress(story: Story, calls: Calls) -> None:
    while True:
        await story.clock.sleep(PROGRESS_SECONDS)
        ended = sum(customer.over for customer in story.customers)
        _say(
            "progress",
            chats=len(story.customers),
            ended=ended,
            calls=calls.made.total(),
            failed=len(calls.failed),
        )


def _say(event: str, **facts: object) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


if __name__ == "__main__":
    main()
