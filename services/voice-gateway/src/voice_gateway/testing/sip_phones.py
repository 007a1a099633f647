"""Telephones of a test that speak SIP: customers behind a trunk, and agents who log in. See Phones."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from voice_gateway.domain.words import Number, Party, RefusedBecause
from voice_gateway.testing.phones import BOT, RINGING, Greeting, Invited, Manner, Seen
from voice_gateway.testing.sip_line import Account, Line, is_for
from voice_gateway.testing.sip_messages import Message, answer, digest, user_of
from voice_gateway.testing.sip_socket import SipAwayError, SipSocket
from voice_gateway.testing.sip_sound import Talk
from voice_gateway.testing.stream_bot import StreamBot
from voice_gateway.testing.tones import names_in

WORD_SECONDS: Final = 0.5
REFUSALS: Final[Mapping[Manner, int]] = {"busy": 486, "declines": 603, "unavailable": 480}
REASONS: Final[Mapping[int, RefusedBecause]] = {
    486: "busy",
    600: "busy",
    603: "declined",
    403: "declined",
    480: "unavailable",
    503: "congested",
}


@dataclass(slots=True)
class _Phone:
    """What a telephone does by itself, and its last call."""

    name: str
    manner: Manner = "answers"
    greeting: Greeting = "none"
    account: Account | None = None
    line: Line | None = None
    invited: Invited | None = None


class SipPhones:
    """See Phones. `port` is where the trunk of the node must dial numbers; `node_port` where its SIP is."""

    def __init__(self, tones: Mapping[str, int], bot: StreamBot) -> None:
        """`tones`: of each phone, sound and music by name, in Hz."""
        self._bot = bot
        self._tones = tones
        self._phones: dict[str, _Phone] = {}
        self._users: dict[str, str] = {}
        self._lines: list[Line] = []
        self._by_call: dict[str, Line] = {}
        self._socket: SipSocket | None = None
        self._ringing: set[asyncio.Task[None]] = set()
        self._registrations = 0
        self.node_port = 0
        self.many_lines = False
        """A phone takes a call while it has one."""
        self.silent = False
        """No new call sends sound."""

    async def open(self) -> None:
        """Take a port."""
        self._socket = await SipSocket.opened(self._asked)

    async def close(self) -> None:
        """All calls end without a word."""
        for task in self._ringing:
            task.cancel()
        await asyncio.gather(*self._ringing, return_exceptions=True)
        for line in self._lines:
            await line.closed()
        if self._socket is not None:
            self._socket.close()

    @property
    def port(self) -> int:
        """Where all of them hear."""
        assert self._socket is not None
        return self._socket.port

    async def outside(self, phone: str, manner: Manner = "answers", *, greeting: Greeting = "none") -> Number:
        """See Phones."""
        known = self._phones.setdefault(phone, _Phone(phone))
        known.manner, known.greeting = manner, greeting
        number = f"+39055{list(self._tones).index(phone):05d}"
        self._users[number] = phone
        return Number(number=number)

    async def register(self, phone: str, endpoint_id: str, password: str, manner: Manner = "answers") -> bool:
        """See Phones."""
        known = self._phones.setdefault(phone, _Phone(phone))
        known.manner, known.account = manner, Account(endpoint_id, password)
        self._users[endpoint_id] = phone
        return await self._register(known.account, expires_seconds=0 if manner == "unavailable" else 3600)

    async def call(self, phone: str, number: str, caller: Party, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """See Phones."""
        known = self._phones.setdefault(phone, _Phone(phone))
        line = await self._new_line(known)
        user = caller.number or "anonymous"
        name = f'"{caller.name}" ' if caller.name else ""
        more = list(headers)
        if caller.asserted:
            more.append(("P-Asserted-Identity", f"{name}<sip:{user}@127.0.0.1>"))
        self._by_call[line.call_id] = line
        line.dial(number, f"{name}<sip:{user}@127.0.0.1:{self.port}>", more)

    async def answer(self, phone: str) -> None:
        """See Phones."""
        self.line(phone).answer()

    async def decline(self, phone: str) -> None:
        """See Phones."""
        self.line(phone).refuse(603)

    async def hang_up(self, phone: str) -> None:
        """See Phones."""
        self.line(phone).hang_up()

    async def press(self, phone: str, keys: str) -> None:
        """See Phones."""
        self.line(phone).talk.press(keys)

    async def hold(self, phone: str, *, held: bool) -> None:
        """See Phones."""
        self.line(phone).hold(held=held)

    async def transfer(self, phone: str, to: str) -> None:
        """See Phones."""
        self.line(phone).transfer(to)

    def transfer_last_but_one_to_last(self, phone: str) -> Line:
        """A phone with two calls asks to join their other sides; the line that it asks on."""
        account = self._phones[phone].account
        *_, one, other = (line for line in self._lines if line.account == account and not line.ended)
        one.transfer_to(other)
        return one

    def seen(self, phone: str) -> Seen:
        """See Phones."""
        known = self._phones.get(phone)
        if phone == BOT:
            return self._bot.seen()
        if known is None or known.line is None:
            return Seen()
        line = known.line
        hears = frozenset[str]()
        if line.talks:
            hears = names_in(line.talk.hears(), self._tones) - {phone} if line.talk.hears() else hears
        elif line.ours and line.rings:
            hears = frozenset({RINGING})
        return Seen(
            rings=line.rings and not line.ours,
            talks=line.talks,
            hears=hears,
            keys=line.talk.keys,
            invited=known.invited,
            refused=None if line.refused is None else REASONS.get(line.refused, "unavailable"),
            transferred=line.transferred,
        )

    def line(self, phone: str) -> Line:
        """Its last call."""
        line = self._phones[phone].line
        assert line is not None, f"{phone} has no call"
        return line

    async def _new_line(self, phone: _Phone) -> Line:
        assert self._socket is not None
        word_seconds = WORD_SECONDS if phone.greeting == "person" else None
        talk = await Talk.opened(self._tones[phone.name], word_seconds=word_seconds)
        talk.speaks = not self.silent
        line = Line(self._socket, ("127.0.0.1", self.node_port), talk, phone.account)
        self._lines = [each for each in self._lines if not each.is_done]
        self._lines.append(line)
        line.on_end = lambda: self._by_call.pop(line.call_id, None)
        phone.line = line
        return line

    def _asked(self, request: Message) -> None:
        assert self._socket is not None
        line = self._by_call.get(request.get("Call-ID"))
        if line is not None and is_for(line, request):
            line.asked(request)
            return
        if request.method == "INVITE":
            task = asyncio.create_task(self._invited(request))
            self._ringing.add(task)
            task.add_done_callback(self._ringing.discard)
        elif request.method != "ACK":
            status = 200 if request.method in ("OPTIONS", "NOTIFY") else 481
            self._socket.respond(request, answer(request, status, tag="none"))

    async def _invited(self, invite: Message) -> None:
        assert self._socket is not None
        phone = self._phones.get(self._users.get(user_of(invite.uri), ""))
        if phone is None:
            self._socket.respond(invite, answer(invite, 404, tag="none"))
            return
        busy = phone.line is not None and not phone.line.ended and not self.many_lines
        phone.invited = _invitation(invite)
        if busy or phone.manner in REFUSALS:
            status = 486 if busy else REFUSALS[phone.manner]
            self._socket.respond(invite, answer(invite, status, tag="none"))
            return
        line = await self._new_line(phone)
        line.taken(invite)
        self._by_call[line.call_id] = line
        line.ring()
        if phone.manner == "answers":
            line.answer()

    async def _register(self, account: Account, *, expires_seconds: int) -> bool:
        assert self._socket is not None
        self._registrations += 1
        node = "127.0.0.1", self.node_port
        uri, identity = f"sip:127.0.0.1:{self.node_port}", f"<sip:{account.username}@127.0.0.1:{self.node_port}>"
        more: list[tuple[str, str]] = []
        for sequence in (1, 2):
            headers = [("Via", self._socket.new_via()), ("Max-Forwards", "70")]
            headers += [("From", f"{identity};tag=r{self._registrations}"), ("To", identity)]
            headers += [("Call-ID", f"r{self.port}x{self._registrations}"), ("CSeq", f"{sequence} REGISTER")]
            headers += [("Contact", f"<sip:{account.username}@127.0.0.1:{self.port}>")]
            headers += [("Expires", str(expires_seconds)), *more]
            request = Message(method="REGISTER", uri=uri, headers=tuple(headers))
            try:
                status, challenge = 0, ""
                async for response in self._socket.responses(request, node):
                    status, challenge = response.status, response.get("WWW-Authenticate")
            except SipAwayError:
                return False
            if status != 401:
                return status == 200
            told = digest(challenge, username=account.username, password=account.password, method="REGISTER", uri=uri)
            more = [("Authorization", told)]
        return False


def _invitation(invite: Message) -> Invited:
    shown = user_of(invite.get("P-Asserted-Identity") or invite.get("From"))
    custom = tuple((name, value) for name, value in invite.headers if name.lower().startswith("x-"))
    told = f"{invite.get('Call-Info')} {invite.get('Alert-Info')}".lower()
    return Invited(
        number=None if shown in ("", "anonymous") else shown,
        headers=custom,
        answers_itself="answer-after" in told or "auto" in told,
    )
