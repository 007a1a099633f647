"""Asks the engine why, through Redis: it alone knows, and nothing of a question is kept."""

import asyncio
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
from pydantic import TypeAdapter
from servicekit.ports import Ids
from servicekit.problems import ProblemError

from router.api.live import ApiLive, Place
from router.domain.questions import About, Answer, Question

WAIT_SECONDS: Final = 1.0
ASKED_AT_ONCE_MAX: Final = 16
"""Each holds a connection to Redis while it waits."""
Explained = TypeVar("Explained")


class Questions:
    """One replica's."""

    def __init__(self, live: ApiLive, ids: Ids) -> None:
        self._live = live
        self._ids = ids
        self._room = asyncio.Semaphore(ASKED_AT_ONCE_MAX)

    async def ask(
        self,
        places: Sequence[Place],
        about: About,
        subject: str,
        as_type: type[Explained],
        *,
        channel: str | None = None,
        client: str | None = None,
        apart_from: str | None = None,
    ) -> Explained | None:
        """What the owner of one of the domains says; none when the owners of all have no such thing.

        Raises ProblemError 503 when owners did not answer within a second, or too much is asked.
        """
        if not places:
            return None
        question = Question(
            question_id=self._ids.new_id(),
            about=about,
            subject=subject,
            channel=channel,
            client=client,
            apart_from=apart_from,
        )
        if self._room.locked():
            raise _try_again("too_many_questions", "Too much is being asked just now.")
        async with self._room:
            raw = msgspec.json.encode(question)
            taken = [await self._live.ask(place, raw, WAIT_SECONDS) for place in places]
            found = await self._heard(question.question_id, len(places)) if all(taken) else None
        if found is None:
            raise _try_again("engine_silent", "The engine that knows did not answer in time.")
        if found.outcome == "failed":
            raise ProblemError(500, "explain_failed", "The engine met a fault of its own; its log tells.")
        return None if found.outcome == "unknown" else TypeAdapter(as_type).validate_json(bytes(found.explained))

    async def _heard(self, question_id: str, domains: int) -> Answer | None:
        """The answer of the domain that has it; unknown once all have said so, none when some were silent."""
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        answer = None
        for _ in range(domains):
            left_seconds = deadline - asyncio.get_running_loop().time()
            raw = await self._live.answer(question_id, left_seconds) if left_seconds > 0 else None
            if raw is None:
                return None
            answer = msgspec.json.decode(raw, type=Answer)
            if answer.outcome != "unknown":
                break
        return answer


def _try_again(code: str, detail: str) -> ProblemError:
    return ProblemError(503, code, f"{detail} Try again.").with_headers(retry_after="1")
