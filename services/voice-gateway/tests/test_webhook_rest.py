"""How Twilio's REST API is asked: what is said again, and what is not."""

import base64
import json
from collections.abc import Sequence

import pytest
from servicekit.errors import RetryLaterError
from servicekit.ports import HttpNotSentError, HttpReply, HttpRequest, HttpUnknownError
from servicekit.testing.fake_http import FakeHttp, programmed
from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual
from voice_gateway.drivers.webhook.rest import RefusedError, Rest, UncertainError

OK = HttpReply(status=200, headers={}, body=b'{"sid": "CA1"}')
BROKEN = HttpReply(status=500, headers={}, body=b"")


def reply(status: int, code: int, **headers: str) -> HttpReply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status=status, headers=named, body=json.dumps({"code": code}).encode())


class Asked:
    """A client, what it asked, and what trouble it told."""

    def __init__(self, *answers: HttpReply | Exception, tokens: Sequence[str] = ("current",)) -> None:
        self.http = FakeHttp(programmed(*answers))
        self.clock = VirtualClock()
        self.trouble: list[str] = []
        self.rest = Rest(
            self.http,
            self.clock,
            SeededChance(1),
            account_sid="AC1",
            tokens=lambda: tokens,
            api_url="https://api.example/",
            trouble=self.trouble.append,
        )

    @property
    def requests(self) -> list[HttpRequest]:
        return self.http.requests


def test_a_change_is_a_form_at_the_account() -> None:
    asked = Asked(OK)

    async def story() -> None:
        assert await asked.rest.change("Calls/CA1", {"Status": "completed"}) == {"sid": "CA1"}

    run_virtual(story())
    [request] = asked.requests
    assert (request.method, request.url) == ("POST", "https://api.example/2010-04-01/Accounts/AC1/Calls/CA1.json")
    assert request.body == b"Status=completed"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"AC1:current"


def test_too_many_requests_are_asked_again_when_twilio_says() -> None:
    asked = Asked(reply(429, 20429, retry_after="3"), OK)

    async def story() -> None:
        began_ms = asked.clock.now_ms()
        await asked.rest.make("Calls", {"To": "+1"})
        assert asked.clock.now_ms() - began_ms >= 3000

    run_virtual(story())
    assert len(asked.requests) == 2
    assert asked.trouble == []


def test_nobody_on_the_line_waits_a_minute() -> None:
    asked = Asked(reply(429, 20429, retry_after="60"))

    async def story() -> None:
        with pytest.raises(RetryLaterError):
            await asked.rest.change("Calls/CA1", {"Status": "completed"})

    run_virtual(story())
    assert len(asked.requests) == 1


@pytest.mark.parametrize("failure", [HttpUnknownError("late"), BROKEN])
def test_what_makes_something_is_not_said_again_when_nobody_knows(failure: HttpReply | Exception) -> None:
    asked = Asked(failure)

    async def story() -> None:
        with pytest.raises(UncertainError):
            await asked.rest.make("Calls", {"To": "+1"})

    run_virtual(story())
    assert len(asked.requests) == 1


def test_what_certainly_nobody_got_is_said_again() -> None:
    asked = Asked(HttpNotSentError("refused"), OK)

    async def story() -> None:
        await asked.rest.make("Calls", {"To": "+1"})

    run_virtual(story())
    assert len(asked.requests) == 2


def test_what_may_be_said_twice_is_said_a_few_times_and_then_the_trouble_is_told() -> None:
    asked = Asked(HttpUnknownError("late"), BROKEN, HttpNotSentError("refused"), BROKEN)

    async def story() -> None:
        with pytest.raises(RetryLaterError):
            await asked.rest.change("Calls/CA1", {"Status": "completed"})

    run_virtual(story())
    assert len(asked.requests) == 4
    assert asked.trouble == ["Twilio 500"]


def test_a_token_that_does_not_count_yet_gives_way_to_the_one_before() -> None:
    asked = Asked(reply(401, 20003), OK, tokens=["next", "before"])

    async def story() -> None:
        await asked.rest.get("Calls")

    run_virtual(story())
    pairs = [base64.b64decode(each.headers["authorization"].removeprefix("Basic ")) for each in asked.requests]
    assert pairs == [b"AC1:next", b"AC1:before"]


@pytest.mark.parametrize(
    ("answer", "gone"),
    [(reply(400, 21220), True), (reply(404, 20404), True), (reply(400, 21211), False), (reply(401, 20003), False)],
)
def test_a_refusal_is_one_and_says_whether_the_thing_is_gone(answer: HttpReply, *, gone: bool) -> None:
    asked = Asked(answer)

    async def story() -> None:
        with pytest.raises(RefusedError) as refused:
            await asked.rest.change("Calls/CA1", {"Twiml": "<Response/>"})
        assert refused.value.gone is gone

    run_virtual(story())
    assert len(asked.requests) == 1


def test_what_is_gone_is_removed() -> None:
    asked = Asked(reply(404, 20404))

    run_virtual(asked.rest.remove("Recordings/RE1"))
    assert asked.requests[0].method == "DELETE"
