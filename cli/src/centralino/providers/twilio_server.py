"""The simulated Twilio account behind a port: its REST API, and a control API for the phones at the other end.

POST /phones/{name}                  {"manner": "answers"}: a phone; its number
POST /phones/{name}/register         {"user", "password"}: an agent's phone logs in
POST /phones/{name}/{act}            call {"number", "caller"}, answer, decline, hang-up, press {"keys"}, hold
GET  /phones/{name}                  whether it rings or talks, what it hears, the keys that were sent to it
PATCH /trouble                       duplicate_share, shuffle_within_ms, latency_seconds, too_many, lost
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field
from servicekit.http_server import http_server
from starlette.requests import Request
from starlette.responses import Response

from centralino.providers.twilio_calls import Greeting, Manner
from centralino.providers.twilio_phones import TwilioPhones
from centralino.providers.twilio_rest import TwilioRest
from centralino.providers.twilio_told import ANSWER_SECONDS
from centralino.providers.twilio_voice import TwilioVoice
from centralino.providers.wire import Call, send

NUMBER: Final = "+18005550100"
THREADS_MAX: Final = 32
HANG_SECONDS: Final = 60.0
KEY_SECONDS: Final = 0.1
AGAIN: Final = "#rc=3&rp=all"
Name = Annotated[str, Path(max_length=50)]


class Acting(BaseModel):
    """What is done to a phone, as far as it needs more than its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    manner: Manner = "rings"
    greeting: Greeting = "none"
    number: str = NUMBER
    caller: str | None = None
    user: str = ""
    password: str = ""
    keys: Annotated[str, Field(pattern=r"^[0-9*#A-D]{0,50}$")] = ""
    held: bool = True


class Troubles(BaseModel):
    """What goes wrong from now on; what is not named goes well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicate_share: Annotated[float, Field(ge=0, le=1)] = 0
    shuffle_within_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    latency_seconds: Annotated[float, Field(ge=0, le=60)] = 0
    too_many: Annotated[float, Field(ge=0, le=1)] = 0
    lost: Annotated[float, Field(ge=0, le=1)] = 0


class TwilioAccount:
    """The account, its API and its phones together."""

    def __init__(
        self, webhooks: str, *, pool: ThreadPoolExecutor, number: str = NUMBER, seed: int = 1, token: str = ""
    ) -> None:
        self.voice = TwilioVoice(partial(send, timeout_seconds=ANSWER_SECONDS, pool=pool), token=token, seed=seed)
        self.rest = TwilioRest(self.voice, seed=seed)
        self.phones = TwilioPhones(self.voice)
        hooks = {"calls": "calls", "fallback": "fallback", "status": "status"}
        self.voice.numbers[number] = {use: f"{webhooks}/{path}{AGAIN}" for use, path in hooks.items()}

    def application(self) -> FastAPI:
        """Its API, and that of whoever plays the phones."""
        app = FastAPI(title="Simulated Twilio account", docs_url=None, redoc_url=None)
        app.include_router(self._control())
        app.add_api_route("/2010-04-01/{path:path}", self._asked, methods=["GET", "POST", "DELETE"])
        return app

    async def _asked(self, request: Request) -> Response:
        call = Call(
            method=request.method,
            path=request.url.path,
            query=dict(request.query_params),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.body(),
            base_url=str(request.base_url),
        )
        reply = await self.rest.call(call)
        if reply is None:
            await asyncio.sleep(HANG_SECONDS)
            return Response(status_code=504)
        return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))

    def _control(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/phones/{name}", self._phone, methods=["POST"])
        router.add_api_route("/phones/{name}", self._seen, methods=["GET"])
        router.add_api_route("/phones/{name}/{act}", self._act, methods=["POST"])
        router.add_api_route("/trouble", self._trouble, methods=["PATCH"])
        return router

    async def _phone(self, name: Name, asked: Acting) -> Mapping[str, str]:
        return {"number": self.phones.outside(name, asked.manner, asked.greeting)}

    async def _seen(self, name: Name) -> Mapping[str, Any]:
        phone = self.phones.phone(name)
        if phone is None:
            raise HTTPException(404, "there is no such phone")
        call = phone.call
        return {
            "rings": call is not None and not call.inbound and call.status == "ringing",
            "talks": call is not None and call.answered,
            "hears": sorted(self.phones.hears(name)),
            "keys": phone.keys,
            "shows": phone.invited_by,
        }

    async def _act(self, name: Name, act: str, asked: Acting) -> Mapping[str, Any]:
        if act == "register":
            return {"registered": self.phones.register(name, asked.user, asked.password, asked.manner)}
        if act == "call" and asked.number not in self.voice.numbers:
            raise HTTPException(404, "that is no number of the account")
        if act == "call":
            self.phones.call(name, asked.number, asked.caller)
        elif self.phones.phone(name) is None:
            raise HTTPException(404, "there is no such phone")
        elif act == "press":
            for key in asked.keys:
                await asyncio.sleep(KEY_SECONDS)
                self.phones.press(name, key)
        elif act == "hold":
            self.phones.hold(name, held=asked.held)
        elif act in {"answer", "decline", "hang-up"}:
            {"answer": self.phones.answer, "decline": self.phones.decline}.get(act, self.phones.hang_up)(name)
        else:
            raise HTTPException(404, f"a phone has no button {act}")
        return await self._seen(name)

    async def _trouble(self, asked: Troubles) -> Troubles:
        self.voice.telling.trouble.duplicate_share = asked.duplicate_share
        self.voice.telling.trouble.shuffle_within_ms = asked.shuffle_within_ms
        self.rest.latency_seconds = asked.latency_seconds
        self.rest.shares = {"too_many": asked.too_many, "lost": asked.lost}
        return asked


@asynccontextmanager
async def twilio_voice_server(
    webhooks: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 1,
    token: str = "",
) -> AsyncGenerator[tuple[str, TwilioAccount]]:
    """Serve until the block is left; its URL, and the account. `webhooks`: where the gateway has the node's, without a
    slash at the end (`https://HOST/voice/v1/webhooks/NODE`). `port` 0: any free one."""
    with ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="twilio") as pool:
        account = TwilioAccount(webhooks, seed=seed, token=token, pool=pool)
        async with http_server(account.application(), host, port, drain_seconds=1) as url:
            try:
                yield url, account
            finally:
                await account.voice.close()
