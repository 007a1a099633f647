"""What a provider tells a replica of a node that another one runs."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from servicekit.ports import HttpNotSentError, HttpReply
from servicekit.run import Shell
from servicekit.store import EVERY_TENANT
from servicekit.telemetry import Telemetry
from servicekit.testing.fake_http import FakeHttp, programmed
from servicekit.testing.memory_log import MemoryLog
from servicekit.testing.virtual import SeededChance, SeededIds, VirtualClock
from voice_gateway.elsewhere import ToOwner, url_of_this_replica
from voice_gateway.testing.house import TOPICS, House
from voice_gateway.testing.memory import MemoryVoiceStore

PATH = "/voice/v1/webhooks/n1/calls"
OWNER = "http://10.0.0.7:8080"
TWIML = HttpReply(status=200, headers={"content-type": "text/xml", "server": "x"}, body=b"<Response/>")


class Replica:
    """One that does not run the node, with the owner's answers programmed."""

    def __init__(self, *answers: HttpReply | Exception) -> None:
        self.store = MemoryVoiceStore()
        self.http = FakeHttp(programmed(*answers))
        clock = VirtualClock()
        shell = Shell(clock, SeededIds(), SeededChance(1), MemoryLog(TOPICS), Telemetry("test"))
        self.owner = House(shell, self.store, self.store.outbox).owner()
        app = FastAPI()

        @app.post("/{path:path}", status_code=503)
        async def ours(request: Request) -> str:
            return f"ours: {len(await request.body())}"

        asked = ToOwner(app, [self.owner], store=self.store, http=self.http, clock=clock)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(asked), base_url="http://front")

    async def taken(self, url: str | None = OWNER) -> None:
        async with self.store.transaction(EVERY_TENANT) as tx:
            await tx.take_node("n1", "other", driver="twilio", now_ms=0, until_ms=2**50, url=url)


@pytest.fixture
async def replica() -> AsyncIterator[Replica]:
    replica = Replica(TWIML)
    yield replica
    await replica.client.aclose()


async def test_it_goes_to_the_owner_as_it_came_and_so_does_the_answer(replica: Replica) -> None:
    await replica.taken()
    headers = {"x-twilio-signature": "s=", "content-type": "application/x-www-form-urlencoded", "cookie": "c"}
    answer = await replica.client.post(f"{PATH}?a=1&b=%2F", content=b"CallSid=CA1", headers=headers)

    [request] = replica.http.requests
    assert (request.method, request.url, request.body) == ("POST", f"{OWNER}{PATH}?a=1&b=%2F", b"CallSid=CA1")
    assert dict(request.headers) == {
        "x-twilio-signature": "s=",
        "content-type": "application/x-www-form-urlencoded",
        "x-centralino-passed-on": "1",
    }
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"<Response/>", "text/xml")
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", [PATH.replace("n1", "n2"), "/voice/v1/phone"])
async def test_what_is_of_no_node_here_is_ours(replica: Replica, path: str) -> None:
    await replica.taken()

    assert (await replica.client.post(path, content=b"1234")).json() == "ours: 4"


async def test_what_was_passed_on_is_passed_on_no_further(replica: Replica) -> None:
    await replica.taken()

    assert (await replica.client.post(PATH, headers={"x-centralino-passed-on": "1"})).json() == "ours: 0"


async def test_a_node_that_nobody_runs_or_that_is_ours_is_answered_here(replica: Replica) -> None:
    nobody = await replica.client.post(PATH)
    await replica.taken(url=None)
    unknown = await replica.client.post(PATH)

    assert (nobody.json(), unknown.json()) == ("ours: 0", "ours: 0")


async def test_an_owner_that_is_not_there_means_again_later() -> None:
    replica = Replica(HttpNotSentError("no"))
    await replica.taken()
    answer = await replica.client.post(PATH)
    large = await replica.client.post(PATH, content=bytes(65_537))
    await replica.client.aclose()

    assert (answer.status_code, answer.headers["retry-after"], large.status_code) == (503, "1", 413)


async def test_a_replica_is_reached_where_it_listens_if_that_is_known() -> None:
    found = await url_of_this_replica("0.0.0.0", 8080)

    assert await url_of_this_replica("127.0.0.1", 8080) == "http://127.0.0.1:8080"
    assert await url_of_this_replica("fd00::1", 8080) == "http://[fd00::1]:8080"
    assert await url_of_this_replica("127.0.0.1", 0) is None
    assert found is not None
    assert found.endswith(":8080")
    assert "0.0.0.0" not in found
