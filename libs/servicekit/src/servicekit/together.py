"""Scripts that many tasks ask for at the same time go to Redis as one pipeline.

Nothing waits for company: what comes while a pipeline is under way is the next one. So a lone call is as fast as ever,
and a thousand sockets cost a fraction of a thousand round trips.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from redis.exceptions import NoScriptError

from servicekit.live import LiveAwayError, Redis, Script

CALLS_MAX: Final = 128

Arguments = Sequence[str | bytes | int | float]


class Together:
    """Runs scripts; the answers are those of `Script`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._calls: deque[_Call] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def run(self, script: Script, keys: Sequence[str], arguments: Arguments = ()) -> object:
        """Like `script(redis, keys, arguments)`: raises LiveAwayError when nobody can say whether it has run."""
        call = _Call(script, keys, arguments)
        self._calls.append(call)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        try:
            return await call.answer
        except NoScriptError:
            return await script(self._redis, keys, arguments)  # teaches the server, which has not run it

    async def _send(self) -> None:
        try:
            while self._calls:
                await self._send_some([self._calls.popleft() for _ in range(min(len(self._calls), CALLS_MAX))])
        finally:
            self._sending = None

    async def _send_some(self, calls: Sequence["_Call"]) -> None:
        wanted = [call for call in calls if not call.answer.done()]  # who was cancelled wants nothing
        pipeline = self._redis.pipeline(transaction=False)
        for call in wanted:
            pipeline.evalsha(call.script.digest, len(call.keys), *call.keys, *call.arguments)
        answers: Sequence[object] = [LiveAwayError("lost") for _ in wanted]
        try:
            if wanted:
                answers = await pipeline.execute(raise_on_error=False)
        except LiveAwayError as error:
            answers = [LiveAwayError(str(error)) for _ in wanted]
            while self._calls:  # they would wait out the same time-out once more, one pipeline after the other
                self._calls.popleft().settle(LiveAwayError(str(error)))
        finally:  # whatever happened, nobody waits for ever
            for call, answer in zip(wanted, answers, strict=True):
                call.settle(answer)


class _Call:
    def __init__(self, script: Script, keys: Sequence[str], arguments: Arguments) -> None:
        self.script = script
        self.keys = keys
        self.arguments = arguments
        self.answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def settle(self, answer: object) -> None:
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)
