"""What the laws of voice drivers work on: the webhook driver before a simulated Twilio, in one process without sockets,
so that its time may be virtual."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from servicekit.ports import HttpReply, HttpRequest, HttpUnknownError
from servicekit.problems import ProblemError, problem_response
from servicekit.testing.fake_http import FakeHttp
from servicekit.testing.virtual import SeededChance, SeededIds, VirtualClock
from starlette.requests import Request
from starlette.responses import Response
from voice_gateway.domain.driver import Driver
from voice_gateway.domain.words import EndCause, Media, Number, Party, RefusedBecause
from voice_gateway.drivers.webhook.driver import WebhookDriver
from voice_gateway.drivers.webhook.kept import MemoryKeeper
from voice_gateway.drivers.webhook.lines import Account
from voice_gateway.drivers.webhook.router import WebhookRoutes
from voice_gateway.testing.node import Told
from voice_gateway.testing.phones import BOT, MUSIC, NAMES, RINGING, SOUNDS, Greeting, Invited, Manner, Seen

from centralino.providers.twilio_phones import TwilioPhones
from centralino.providers.twilio_rest import TwilioRest
from centralino.providers.twilio_voice import TwilioVoice
from centralino.providers.wire import Answered, Call, Parcel

NODE: Final = "under-test"
PUBLIC: Final = "https://voice.example"
NUMBER: Final = "+18005550100"
_SOUND: Final = "https://sounds.example/"
_KEY_SECONDS: Final = 0.1
_TONE_HERTZ: Final = 300
_STEP_HERTZ: Final = 110


class TwilioNode:
    """See NodeUnderTest. `voice` and `rest` are the provider; `keeper` outlives a driver, `restart` makes another."""

    number: Final = NUMBER

    def __init__(self, *, check_seconds: float = 1.0, seed: int = 1) -> None:
        self.told = Told()
        self.clock = VirtualClock()
        self.keeper = MemoryKeeper()
        self.served = True
        """Our webhooks can be reached."""
        self.refuses: Callable[[str], bool] = lambda url: False
        """Those of them that cannot."""
        self.answer_seconds = 0.0
        """How long an answer of ours is on its way."""
        self.voice = TwilioVoice(self._deliver, seed=seed)
        self.rest = TwilioRest(self.voice, seed=seed)
        self.rest.tones = {name: self.tone(name) for name in NAMES}
        self.phones = TwilioNodePhones(self.voice)
        hooks = f"{PUBLIC}/voice/v1/webhooks/{NODE}"
        again = "#rc=3&rp=all"
        self.voice.numbers[NUMBER] = {
            "calls": f"{hooks}/calls{again}",
            "fallback": f"{hooks}/fallback{again}",
            "status": f"{hooks}/status{again}",
        }
        self.account = Account(
            node=NODE,
            account_sid=self.voice.account_sid,
            base_url=hooks,
            music_url=_SOUND + MUSIC,
            caller_id=NUMBER,
            sip_domain=self.voice.sip_domain,
            credential_list=self.voice.credential_list,
            api_url="https://api.example",
        )
        self.tokens = [self.voice.token]
        self.http = FakeHttp(self._asked)
        self._check_seconds = check_seconds
        self.webhook_driver = self._new_driver()
        self.driver: Driver = self.webhook_driver
        self.sounds = {name: Media(uri=_SOUND + name) for name in SOUNDS}
        self.told_as: dict[EndCause, EndCause] = {}
        self.refuses_as: dict[RefusedBecause, RefusedBecause] = {"unavailable": "declined", "congested": "declined"}
        self._ids = SeededIds()
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._client: AsyncClient | None = None

    def _new_driver(self) -> WebhookDriver:
        return WebhookDriver(
            self.account,
            self.told,
            http=self.http,
            clock=self.clock,
            chance=SeededChance(1),
            keeper=self.keeper,
            tokens=lambda: self.tokens,
            check_seconds=self._check_seconds,
        )

    async def start(self) -> None:
        """See NodeUnderTest."""
        app = FastAPI()
        app.add_exception_handler(ProblemError, _problem)
        routes = WebhookRoutes(lambda node: self.webhook_driver if node == NODE else None)
        app.include_router(routes.router(), prefix="/voice/v1")
        self._client = AsyncClient(transport=ASGITransport(app=app), base_url=PUBLIC)
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self.webhook_driver.run(self._stop))

    async def close(self) -> None:
        """See NodeUnderTest."""
        await self.kill()
        await self.voice.close()
        if self._client is not None:
            await self._client.aclose()

    async def kill(self) -> None:
        """The process of the driver ends."""
        self._stop.set()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def restart(self) -> None:
        """Another process takes the node over."""
        self.driver = self.webhook_driver = self._new_driver()
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self.webhook_driver.run(self._stop))

    def new_id(self) -> str:
        """See NodeUnderTest."""
        return self._ids.new_id()

    async def lets_pass(self, seconds: float) -> None:
        """See NodeUnderTest."""
        await self.clock.sleep(seconds)

    async def lose(self) -> None:
        """See NodeUnderTest."""
        self.rest.away, self.served = True, False

    async def regain(self) -> None:
        """See NodeUnderTest."""
        self.rest.away, self.served = False, True

    def tone(self, name: str) -> int:
        """See NodeUnderTest."""
        return _TONE_HERTZ + _STEP_HERTZ * NAMES.index(name)

    def bot_url(self) -> str:
        """See NodeUnderTest; the simulated provider has the bot itself."""
        return "wss://bot.example"

    async def posted(self, parcel: Parcel) -> int:
        """The status with which a request to our webhooks is answered."""
        return (await self._deliver(parcel)).status

    async def _asked(self, request: HttpRequest) -> HttpReply:
        path, _, query = request.url.removeprefix("https://api.example").partition("?")
        call = Call(
            method=request.method,
            path=path,
            query=_pairs(query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.body,
            base_url="https://api.example",
        )
        reply = await self.rest.call(call)
        if reply is None:
            raise HttpUnknownError("no answer")
        return HttpReply(status=reply.status, headers=reply.headers, body=reply.body)

    async def _deliver(self, parcel: Parcel) -> Answered:
        if not self.served or self._client is None or self.refuses(parcel.url):
            return Answered(status=0, failure="connection")
        answer = await self._client.post(parcel.url, content=parcel.body, headers=dict(parcel.headers))
        await asyncio.sleep(self.answer_seconds)
        return Answered(status=answer.status_code, body=answer.content)


class TwilioNodePhones:
    """See Phones."""

    def __init__(self, voice: TwilioVoice) -> None:
        self._phones = TwilioPhones(voice)

    async def outside(self, phone: str, manner: Manner = "answers", *, greeting: Greeting = "none") -> Number:
        """See Phones."""
        return Number(number=self._phones.outside(phone, manner, greeting))

    async def register(self, phone: str, endpoint_id: str, password: str, manner: Manner = "answers") -> bool:
        """See Phones."""
        return self._phones.register(phone, endpoint_id, password, manner)

    async def call(self, phone: str, number: str, caller: Party, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """See Phones; the network carries no headers."""
        self._phones.call(phone, number, caller.number, caller.name)

    async def answer(self, phone: str) -> None:
        """See Phones."""
        self._phones.answer(phone)

    async def decline(self, phone: str) -> None:
        """See Phones."""
        self._phones.decline(phone)

    async def hang_up(self, phone: str) -> None:
        """See Phones."""
        self._phones.hang_up(phone)

    async def press(self, phone: str, keys: str) -> None:
        """See Phones; as fast as a finger is."""
        for key in keys:
            await asyncio.sleep(_KEY_SECONDS)
            self._phones.press(phone, key)

    async def hold(self, phone: str, *, held: bool) -> None:
        """See Phones."""
        self._phones.hold(phone, held=held)

    async def transfer(self, phone: str, to: str) -> None:
        """See Phones; the provider tells nobody."""

    def seen(self, phone: str) -> Seen:
        """See Phones."""
        hears = frozenset(each.removeprefix(_SOUND) for each in self._phones.hears(phone))
        known = self._phones.phone(phone)
        if known is None:
            return Seen(hears=hears if phone == BOT else frozenset())
        call = known.call
        return Seen(
            rings=call is not None and not call.inbound and call.status == RINGING,
            talks=call is not None and call.answered,
            hears=hears,
            keys=known.keys,
            invited=None if known.invited_by is None else Invited(number=known.invited_by),
            refused="busy" if known.refused == "busy" else "declined" if known.refused else None,
        )


def _pairs(query: str) -> Mapping[str, str]:
    return dict(parse_qsl(query))


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error.status, error.code, error.detail, headers=error.headers)
