"""Webhook telephony over real sockets: the driver, its webhooks, and the simulated account behind a port."""

import asyncio

from centralino.providers.twilio_server import NUMBER, twilio_voice_server
from fastapi import FastAPI
from httpx import AsyncClient
from servicekit.http_client import http_client
from servicekit.http_server import http_server
from servicekit.system import SystemClock
from servicekit.testing.eventually import eventually
from servicekit.testing.virtual import SeededChance
from voice_gateway.domain.commands import Answer, Dial, Join, OpenRoom
from voice_gateway.domain.events import LegAnswered, LegEnded, LegIncoming, RoomJoined
from voice_gateway.domain.words import Number
from voice_gateway.drivers.webhook.driver import WebhookDriver
from voice_gateway.drivers.webhook.kept import MemoryKeeper
from voice_gateway.drivers.webhook.lines import Account
from voice_gateway.drivers.webhook.router import WebhookRoutes
from voice_gateway.testing.node import Told


async def test_a_call_goes_both_ways_over_real_sockets() -> None:
    drivers: dict[str, WebhookDriver] = {}
    app, told, stop = FastAPI(), Told(), asyncio.Event()
    app.include_router(WebhookRoutes(drivers.get).router(), prefix="/voice/v1")
    async with (
        http_server(app, "127.0.0.1", 0, drain_seconds=1) as ours,
        twilio_voice_server(f"{ours}/voice/v1/webhooks/n1") as (url, twilio),
        http_client() as http,
        AsyncClient(base_url=url) as phones,
    ):
        account = Account(
            node="n1",
            account_sid=twilio.voice.account_sid,
            base_url=f"{ours}/voice/v1/webhooks/n1",
            music_url="https://sounds.example/music",
            caller_id=NUMBER,
            api_url=url,
        )
        driver = drivers["n1"] = WebhookDriver(
            account,
            told,
            http=http,
            clock=SystemClock(),
            chance=SeededChance(1),
            keeper=MemoryKeeper(),
            tokens=lambda: [twilio.voice.token],
        )
        running = asyncio.create_task(driver.run(stop))

        async def seen(phone: str) -> dict[str, object]:
            return dict((await phones.get(f"/phones/{phone}")).json())

        number = (await phones.post("/phones/ada", json={"manner": "rings"})).json()["number"]
        await phones.post("/phones/anna/call", json={"caller": "+390655555"})
        anna = (await told.until(LegIncoming)).leg_id
        await driver.do(Answer(leg_id=anna))
        await driver.do(OpenRoom(room_id="talk", kind="talk"))
        await told.until(LegAnswered, leg_id=anna)
        await driver.do(Join(room_id="talk", leg_id=anna))
        await driver.do(Dial(leg_id="ada", to=Number(number=number), ring_seconds=20))
        await eventually(lambda: _is(seen("ada"), "rings", value=True))
        await phones.post("/phones/ada/answer", json={})
        await told.until(LegAnswered, leg_id="ada")
        await driver.do(Join(room_id="talk", leg_id="ada"))
        await told.until(RoomJoined, leg_id="ada")
        await eventually(lambda: _is(seen("anna"), "hears", value=["ada"]))
        await phones.post("/phones/anna/hang-up", json={})
        await told.until(LegEnded, leg_id=anna)
        unknown = await phones.post("/phones/anna/call", json={"number": "+1"})
        stop.set()
        await running

    assert unknown.status_code == 404


async def _is(asked: object, name: str, *, value: object) -> bool:
    told = await asked  # type: ignore[misc]  # a coroutine of what is seen
    return bool(told[name] == value)
