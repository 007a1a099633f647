"""Answers what the API asks about the domains of a partition. Nothing of it is journaled, and nothing is decided here.

Answers are of the running state, which is ahead of the journal by the batches that are not confirmed yet: some
milliseconds; should one of them fail, what was said of it never happened. Work is done in pieces of about a
millisecond with the deciding in between. After a look that took much work there is a rest nine times as long, half a
second at most: whoever asks waits no longer than a second.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from servicekit.live import LiveAwayError
from servicekit.ports import Clock
from servicekit.telemetry import log

from router.domain.questions import QUESTION_BYTES_MAX, Answer, Explained, Question, explaining
from router.domain.state import DomainState, State
from router.engine.live import EngineLive

LOG: Final = log("engine.questions")
LOOK_SECONDS: Final = 0.1
AWAY_SECONDS: Final = 1.0
REST: Final = 9
REST_SECONDS_MAX: Final = 0.5
QUESTIONS_MAX: Final = 4
"""Of one domain at one look."""
KEPT_MS: Final = 5000


class Questions:
    """One owner's. Redis away: nobody is answered, and whoever asked is told so by the API."""

    def __init__(self, live: EngineLive, clock: Clock, state: Callable[[], State]) -> None:
        self._live = live
        self._clock = clock
        self._state = state
        self._worked_seconds = 0.0

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                worked_seconds = await self.look()
            except LiveAwayError:
                await self._clock.sleep(AWAY_SECONDS)
                continue
            await self._clock.sleep(max(LOOK_SECONDS, min(REST_SECONDS_MAX, worked_seconds * REST)))

    async def look(self) -> float:
        """Answer what is asked now; the seconds of work that it took, waits apart."""
        self._worked_seconds = 0.0
        keys = list(self._state().domains)
        asked = await asyncio.gather(*(self._live.take_questions(key, QUESTIONS_MAX) for key in keys))
        for key, questions in zip(keys, asked, strict=True):
            for raw in questions:
                await self._answer(key, raw)
        return self._worked_seconds

    async def _answer(self, key: str, raw: bytes) -> None:
        try:
            question = _QUESTION.decode(raw[:QUESTION_BYTES_MAX])
        except msgspec.DecodeError:
            LOG.warning("question_malformed", extra={"domain": key})
            return
        domain = self._state().domains.get(key)
        said = Answer(domain=key, outcome="unknown")
        try:
            explained = None if domain is None else await self._explained(domain, question)
        except Exception:
            # A question that meets a bug must not end the epoch.
            LOG.exception("question_failed", extra={"domain": key, "about": question.about})
            said = Answer(domain=key, outcome="failed")
        else:
            if explained is not None:
                said = Answer(domain=key, outcome="explained", explained=msgspec.Raw(_ENCODER.encode(explained)))
        await self._live.answer(question.question_id, _ENCODER.encode(said), KEPT_MS)

    async def _explained(self, domain: DomainState, question: Question) -> Explained | None:
        work, time = explaining(domain, question, self._clock.now_ms()), asyncio.get_running_loop().time
        while True:
            began_seconds = time()
            try:
                next(work)
            except StopIteration as end:
                answer: Explained | None = end.value
                return answer
            finally:
                self._worked_seconds += time() - began_seconds
            await self._clock.sleep(0)


_QUESTION: Final = msgspec.json.Decoder(Question)
_ENCODER: Final = msgspec.json.Encoder()
