"""The simulated account of Twilio by itself: what its pages say of calls, conferences and recordings."""

import asyncio
import base64
import hmac
import io
import json
import wave
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from centralino.providers.twilio_phones import TwilioPhones
from centralino.providers.twilio_rest import TwilioRest
from centralino.providers.twilio_voice import TwilioVoice
from centralino.providers.wire import Answered, Call, Parcel
from servicekit.testing.virtual import run_virtual

NUMBER = "+18005550100"
TALK = "<Dial><Conference {}>talk</Conference></Dial>"


@dataclass
class Centre:
    """Whoever has the account: answers its webhooks by path, and asks its API."""

    documents: dict[str, str] = field(default_factory=dict)
    got: list[tuple[str, dict[str, str], Parcel]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.voice = TwilioVoice(self._deliver)
        self.rest = TwilioRest(self.voice)
        self.phones = TwilioPhones(self.voice)
        self.voice.numbers[NUMBER] = {
            "calls": "https://c/calls",
            "fallback": "https://c/fallback",
            "status": "https://c/s",
        }

    async def _deliver(self, parcel: Parcel) -> Answered:
        path = parcel.url.removeprefix("https://c/")
        self.got.append((path, dict(parse_qsl(parcel.body.decode(), keep_blank_values=True)), parcel))
        document = self.documents.get(path)
        return Answered(status=500) if document is None else Answered(status=200, body=response(document))

    async def ask(
        self, method: str, path: str, *, token: str | None = None, **fields: str
    ) -> tuple[int, Any]:  # Any: JSON
        pair = base64.b64encode(f"{self.voice.account_sid}:{token or self.voice.token}".encode()).decode()
        reply = await self.rest.call(
            Call(
                method=method,
                path=f"/2010-04-01/Accounts/{self.voice.account_sid}/{path}",
                query={},
                headers={"authorization": f"Basic {pair}"},
                body=urlencode(fields).encode(),
                base_url="",
            )
        )
        assert reply is not None
        return reply.status, json.loads(reply.body) if path.endswith(".json") and reply.body else reply.body

    def told(self, path: str, name: str) -> list[str]:
        """The values of a field that a webhook was told."""
        return [form[name] for where, form, _ in self.got if where == path and name in form]

    async def dials(self, name: str, conference: str, **fields: str) -> str:
        """A phone that answers by itself; the CallSid."""
        number = self.phones.outside(name)
        sent = {"To": number, "From": NUMBER, "WaitUrl": "", **fields}
        status, told = await self.ask("POST", f"Conferences/{conference}/Participants.json", **sent)
        assert status == 201, told
        await asyncio.sleep(0.1)
        return str(told["call_sid"])


def response(inner: str) -> bytes:
    return f"<Response>{inner}</Response>".encode()


def run(story: Callable[[Centre], Awaitable[None]], **documents: str) -> Centre:
    made: list[Centre] = []

    async def whole() -> None:
        centre = Centre(documents={"s": "", **documents})
        made.append(centre)
        await story(centre)
        await centre.voice.telling.idle()
        await centre.voice.close()

    run_virtual(whole())
    return made[0]


async def calls(centre: Centre, seconds: float = 0.1) -> None:
    centre.phones.call("anna", NUMBER, "+390655555")
    await asyncio.sleep(seconds)


@pytest.mark.parametrize(("reason", "status"), [("busy", "busy"), ("rejected", "failed")])
def test_a_rejected_call_was_never_answered(reason: str, status: str) -> None:
    centre = run(calls, calls=f'<Reject reason="{reason}"/>')

    assert centre.told("calls", "CallStatus") == ["ringing"]
    assert centre.told("s", "CallStatus") == [status]


def test_a_call_whose_words_run_out_ends() -> None:
    centre = run(lambda one: calls(one, 5), calls="<Play>https://sounds/hello</Play>")

    assert centre.told("s", "CallStatus") == ["completed"]


def test_requests_are_signed_over_the_url_and_the_sorted_form() -> None:
    centre = run(calls, calls="<Hangup/>")
    _, form, parcel = centre.got[0]
    text = parcel.url + "".join(name + form[name] for name in sorted(form))
    wanted = base64.b64encode(hmac.new(centre.voice.token.encode(), text.encode(), "sha1").digest()).decode()

    assert parcel.headers["X-Twilio-Signature"] == wanted
    assert form["AccountSid"] == centre.voice.account_sid


def test_a_document_that_cannot_be_had_is_asked_of_the_fallback() -> None:
    centre = run(calls, fallback="<Hangup/>")

    assert centre.told("fallback", "ErrorUrl") == ["https://c/calls"]
    assert centre.told("fallback", "ErrorCode") == ["11200"]


@pytest.mark.parametrize(
    ("words", "digits"), [('finishOnKey="" timeout="1"', "12"), ('numDigits="1" timeout="1"', "1")]
)
def test_keys_are_heard_in_a_gather_and_nowhere_else(words: str, digits: str) -> None:
    async def story(centre: Centre) -> None:
        await calls(centre)
        centre.phones.press("anna", "9")
        await asyncio.sleep(2)
        for key in "12":
            centre.phones.press("anna", key)
            await asyncio.sleep(0.1)
        await asyncio.sleep(3)

    gather = f'<Gather {words} action="https://c/keys"><Play loop="0">https://sounds/music</Play></Gather>'
    centre = run(story, calls=f'<Pause length="1"/>{gather}', keys="<Hangup/>")

    assert centre.told("keys", "Digits") == [digits]


def test_a_call_that_rings_cannot_be_moved_but_can_be_ended() -> None:
    async def story(centre: Centre) -> None:
        number = centre.phones.outside("ada", "rings")
        _, told = await centre.ask("POST", "Conferences/c/Participants.json", To=number, From=NUMBER)
        await asyncio.sleep(0.1)
        path = f"Calls/{told['call_sid']}.json"
        status, refused = await centre.ask("POST", path, Twiml="<Response/>")
        assert (status, refused["code"]) == (400, 21220)
        assert (await centre.ask("POST", path, Status="completed"))[1]["status"] == "canceled"
        assert (await centre.ask("POST", path, Status="completed"))[1]["code"] == 21220

    run(story)


def test_a_label_is_taken_once_and_finds_its_participant() -> None:
    async def story(centre: Centre) -> None:
        sid = await centre.dials("ada", "c", Label="leg")
        status, refused = await centre.ask(
            "POST", "Conferences/c/Participants.json", To=centre.phones.outside("eve"), From=NUMBER, Label="leg"
        )
        assert (status, refused["code"]) == (400, 21224)
        assert (await centre.ask("GET", "Conferences/c/Participants/leg.json"))[1]["call_sid"] == sid

    run(story)


@pytest.mark.parametrize(
    ("words", "heard"),
    [
        ("", {"anna": {"ada", "eve"}, "ada": {"anna", "eve"}, "eve": {"anna", "ada"}}),
        ('muted="true"', {"anna": {"ada"}, "ada": {"anna"}, "eve": {"anna", "ada"}}),
        ('coach="{ada}"', {"anna": {"ada"}, "ada": {"anna", "eve"}, "eve": {"anna", "ada"}}),
        ('startConferenceOnEnter="false"', {"anna": {"ada", "eve"}, "ada": {"anna", "eve"}, "eve": {"anna", "ada"}}),
    ],
)
def test_who_hears_whom_follows_from_the_conference(words: str, heard: Mapping[str, set[str]]) -> None:
    async def story(centre: Centre) -> None:
        sids = {name: await centre.dials(name, name) for name in ("anna", "ada", "eve")}
        for name in ("anna", "ada", "eve"):
            told = TALK.format(words.format(**sids) if name == "eve" else "")
            await centre.ask("POST", f"Calls/{sids[name]}.json", Twiml=response(told).decode())
            await asyncio.sleep(0.1)
        assert {name: set(centre.phones.hears(name)) for name in sids} == heard

    run(story)


def test_a_conference_that_nobody_starts_plays_its_music_to_each() -> None:
    async def story(centre: Centre) -> None:
        wait = 'startConferenceOnEnter="false" waitUrl="https://sounds/music"'
        for name in ("anna", "ada"):
            sid = await centre.dials(name, name)
            await centre.ask("POST", f"Calls/{sid}.json", Twiml=response(TALK.format(wait)).decode())
        await asyncio.sleep(0.1)
        assert centre.phones.hears("anna") == centre.phones.hears("ada") == {"https://sounds/music"}

    run(story)


def test_what_is_said_in_a_pause_is_not_in_the_recording() -> None:
    async def story(centre: Centre) -> None:
        sid = await centre.dials("ada", "c")
        _, told = await centre.ask("POST", f"Calls/{sid}/Recordings.json", RecordingStatusCallback="https://c/s")
        path = f"Calls/{sid}/Recordings/{told['sid']}.json"
        for status, seconds in (("paused", 1), ("in-progress", 5), ("stopped", 1)):
            await asyncio.sleep(seconds)
            assert (await centre.ask("POST", path, Status=status, PauseBehavior="skip"))[0] == 200
        _, file = await centre.ask("GET", f"Recordings/{told['sid']}.wav")
        with wave.open(io.BytesIO(file)) as sound:
            assert sound.getnframes() / sound.getframerate() == 2
        assert (await centre.ask("DELETE", f"Recordings/{told['sid']}.json"))[0] == 204
        assert (await centre.ask("GET", f"Recordings/{told['sid']}.wav"))[0] == 404

    centre = run(story)
    assert centre.told("s", "RecordingStatus") == ["in-progress", "completed"]
    assert centre.told("s", "RecordingDuration") == ["0", "2"]


def test_another_token_is_refused() -> None:
    async def story(centre: Centre) -> None:
        status, told = await centre.ask("GET", "Calls.json", token="guessed")
        assert (status, told["code"]) == (401, 20003)

    run(story)
