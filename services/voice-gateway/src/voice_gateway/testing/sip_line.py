"""One call of a telephone: its dialog (RFC 3261 §12), from either end, and its sound."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

from voice_gateway.testing.sip_messages import (
    Headers,
    Message,
    Sound,
    answer,
    digest,
    offer,
    parameter,
    sound_of,
    uri_of,
    user_of,
)
from voice_gateway.testing.sip_socket import Address, SipAwayError, SipSocket
from voice_gateway.testing.sip_sound import Talk

DIRECTION_OF_HOLD: Final = "sendonly"


@dataclass(frozen=True, slots=True)
class Account:
    """What a telephone logs in with."""

    username: str
    password: str


class Line:
    """A call that comes in, or goes out."""

    def __init__(self, socket: SipSocket, node: Address, talk: Talk, account: Account | None = None) -> None:
        self._socket, self._node, self._talk, self._account = socket, node, talk, account
        self._tag = f"t{socket.new_number()}"
        self._call_id = f"c{socket.port}x{socket.new_number()}"
        self._local = self._remote = self._target = self._contact = ""
        self._sequence = 0
        self._versions = 0
        self._invite: Message | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.ours = False
        """The telephone has dialled."""
        self.rings = False
        """It rings: here, or at the other end."""
        self.talks = False
        self.ended = False
        self.refused: int | None = None
        """With which status."""
        self.transferred: bool | None = None
        self.on_end: Callable[[], object] = lambda: None

    @property
    def call_id(self) -> str:
        """The dialog's."""
        return self._call_id

    @property
    def is_done(self) -> bool:
        """It is over, and all that was to be said is said."""
        return self.ended and not self._tasks

    @property
    def account(self) -> Account | None:
        """Of the telephone."""
        return self._account

    @property
    def talk(self) -> Talk:
        """Its sound."""
        return self._talk

    def taken(self, invite: Message) -> None:
        """A call comes in; it is for `ring`, `answer` or `refuse` now."""
        self._invite, self._call_id = invite, invite.get("Call-ID")
        self._local, self._remote = f"{invite.get('To')};tag={self._tag}", invite.get("From")
        self._target = uri_of(invite.get("Contact"))
        self._contact = f"<sip:{user_of(invite.uri)}@127.0.0.1:{self._socket.port}>"

    def dial(self, number: str, shown: str, more: Headers) -> None:
        """Call a number; `shown` is the From."""
        self.ours = True
        self._target = f"sip:{number}@{self._node[0]}:{self._node[1]}"
        self._local, self._remote = f"{shown};tag={self._tag}", f"<{self._target}>"
        self._contact = f"<sip:{user_of(shown)}@127.0.0.1:{self._socket.port}>"
        self._invite = self._new("INVITE", more, self._described())
        self._spawn(self._follow(self._invite))

    def ring(self) -> None:
        """It rings, and says so."""
        self.rings = True
        self._respond(180)

    def answer(self) -> None:
        """Pick it up."""
        assert self._invite is not None
        if self.rings and not self.ours:
            self.rings, self.talks = False, True
            self._respond(200, self._described())
            self._hear(self._invite.body)

    def refuse(self, status: int) -> None:
        """Do not answer it."""
        self._respond(status)
        self._over()

    def hang_up(self) -> None:
        """End it, or give up."""
        if self.talks:
            self._spawn(self._last(self._new("BYE")))
        elif self.ours and self._invite is not None:
            invite = self._invite
            headers = [(name, value) for name, value in invite.headers if name in ("Via", "From", "To", "Call-ID")]
            headers += [("Max-Forwards", "70"), ("CSeq", f"{invite.cseq[0]} CANCEL")]
            self._spawn(self._ask(Message(method="CANCEL", uri=invite.uri, headers=tuple(headers))))
        else:
            self.refuse(603)

    def hold(self, *, held: bool) -> None:
        """Put the other side on hold, or off it."""
        self._talk.speaks = not held
        self._spawn(self._offer_again(DIRECTION_OF_HOLD if held else "sendrecv"))

    def transfer(self, to: str) -> None:
        """Ask for a blind transfer (RFC 3515)."""
        self._transfer(f"<sip:{to}@{self._node[0]}>")

    def transfer_to(self, other: "Line") -> None:
        """Ask for an attended transfer: to whom another call of this telephone is with (RFC 3891)."""
        replaces = f"{other.call_id}%3Bto-tag%3D{parameter(other._remote, 'tag')}%3Bfrom-tag%3D{other._tag}"
        self._transfer(f"<sip:other@{self._node[0]}?Replaces={replaces}>")

    def _transfer(self, refer_to: str) -> None:
        self.transferred = None
        self._spawn(self._refer(self._new("REFER", [("Refer-To", refer_to), ("Referred-By", self._local)])))

    def asked(self, request: Message) -> None:
        """A request within the call, or what ends it before it is one."""
        reply = answer(request, 200, tag=self._tag, more=[("Contact", self._contact)])
        if request.method == "INVITE":
            reply = answer(request, 200, tag=self._tag, more=[("Contact", self._contact)], body=self._described())
            self._hear(request.body)
        elif request.method == "NOTIFY" and " 1" not in request.body[:12]:
            self.transferred = request.body.startswith("SIP/2.0 2")
        self._socket.respond(request, reply)
        if request.method == "CANCEL" and not self.talks:
            self._respond(487)
            self._over()
        elif request.method == "BYE":
            self._over()

    async def closed(self) -> None:
        """End it without a word."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._over()

    async def _follow(self, invite: Message) -> None:
        try:
            async for response in self._socket.responses(invite, self._node):
                if response.status in (180, 183):
                    self.rings = True
                elif response.status >= 200:
                    self._settle(invite, response)
        except SipAwayError:
            self.refused = 408
            self._over()

    def _settle(self, invite: Message, response: Message) -> None:
        self.rings = False
        self._remote = response.get("To")
        accepted = response.status < 300
        if accepted:
            self._target = uri_of(response.get("Contact")) or self._target
            self.talks = True
            self._hear(response.body)
        self._acknowledge(invite, response)
        if not accepted:
            self.refused = response.status
            self._over()

    def _acknowledge(self, invite: Message, response: Message) -> None:
        via = invite.get("Via") if response.status >= 300 else self._socket.new_via()
        uri = invite.uri if response.status >= 300 else self._target
        headers = [("Via", via), ("Max-Forwards", "70"), ("From", self._local), ("To", response.get("To"))]
        headers += [("Call-ID", self._call_id), ("CSeq", f"{invite.cseq[0]} ACK")]
        self._socket.send(Message(method="ACK", uri=uri, headers=tuple(headers)), self._node)

    async def _last(self, bye: Message) -> None:
        self._over()
        await self._ask(bye)

    async def _offer_again(self, direction: str) -> None:
        invite = self._new("INVITE", (), self._described(direction))
        response = await self._ask(invite)
        if response is not None:
            self._acknowledge(invite, response)

    async def _refer(self, refer: Message) -> None:
        response = await self._ask(refer)
        if response is None or response.status >= 300:
            self.transferred = False

    async def _ask(self, request: Message) -> Message | None:
        """The final response; a challenge is answered once."""
        last = None
        try:
            async for response in self._socket.responses(request, self._node):
                last = response
            if last is not None and last.status == 401 and self._account is not None:
                told = digest(
                    last.get("WWW-Authenticate"),
                    username=self._account.username,
                    password=self._account.password,
                    method=request.method,
                    uri=request.uri,
                )
                again = self._new(request.method, [("Authorization", told)], request.body)
                kept = [each for each in request.headers if each[0] in ("Refer-To", "Referred-By")]
                again = replace(again, headers=(*again.headers, *kept))
                async for response in self._socket.responses(again, self._node):
                    last = response
        except SipAwayError:
            return None
        return last

    def _new(self, method: str, more: Headers = (), body: str = "") -> Message:
        self._sequence += 1
        headers = [("Via", self._socket.new_via()), ("Max-Forwards", "70"), ("From", self._local), ("To", self._remote)]
        headers += [("Call-ID", self._call_id), ("CSeq", f"{self._sequence} {method}"), ("Contact", self._contact)]
        headers += more
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return Message(method=method, uri=self._target, headers=tuple(headers), body=body)

    def _respond(self, status: int, body: str = "") -> None:
        assert self._invite is not None
        more = [("Contact", self._contact)]
        self._socket.respond(self._invite, answer(self._invite, status, tag=self._tag, more=more, body=body))

    def _described(self, direction: str = "sendrecv") -> str:
        self._versions += 1
        return offer(Sound(host="127.0.0.1", port=self._talk.port, direction=direction), self._versions)

    def _hear(self, body: str) -> None:
        if sound := sound_of(body):
            self._talk.send_to(sound.host, sound.port)

    def _over(self) -> None:
        if not self.ended:
            self.ended, self.talks, self.rings = True, False, False
            self._talk.close()
            self.on_end()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def is_for(line: Line, request: Message) -> bool:
    """Whether a request belongs to the line's call."""
    return line.call_id == request.get("Call-ID") and bool(
        parameter(request.get("To"), "tag") or request.method == "CANCEL"
    )
