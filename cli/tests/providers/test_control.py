"""What the control API makes happen: trouble in sending, trouble in delivering, waiting, forgetting."""

import asyncio
import json
from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio
from centralino.providers.catalogue import VENDORS
from centralino.providers.people import CUSTOMERS_MAX, FILES_BYTES_MAX, Buckets, Customer, World
from centralino.providers.testing import Json, Rig, rigs
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
FAST = {"time_scale": 1_000_000}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def every() -> AsyncGenerator[dict[str, Rig]]:
    async with rigs("slack", "line", "telegram", "twilio-sms", "whatsapp") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def slack(every: dict[str, Rig]) -> Rig:
    for each in every.values():
        await each.reset()
    return every["slack"]


async def posted(one: Rig, channel: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {one.simulated.vendor.secrets['bot_token']}"}
    return await one.api("POST", "/chat.postMessage", json={"channel": channel, "text": "hi"}, headers=headers)


async def sent_texts(one: Rig) -> list[str]:
    return [each["text"] for each in (await one.control("GET", "/messages?side=centre"))["messages"]]


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_connection_is_reset_with_or_without_the_message_taken(slack: Rig, *, accepted: bool) -> None:
    said = await slack.say("hello")
    await slack.control("POST", "/faults", {"kind": "reset", "accepted": accepted})
    with pytest.raises(httpx.ReadError):
        await posted(slack, said["customer"])
    calls = (await slack.control("GET", "/calls"))["calls"]

    assert await sent_texts(slack) == ["hi"] * accepted
    assert [(call["status"], call["fault"]) for call in calls] == [(0, "reset")]
    assert (await posted(slack, said["customer"])).status_code == 200


async def test_a_send_that_times_out_ends_when_the_client_goes(slack: Rig, caplog: pytest.LogCaptureFixture) -> None:
    said = await slack.say("hello")
    await slack.control("POST", "/faults", {"kind": "timeout", "accepted": True, "hold_ms": 60_000})
    asking = asyncio.create_task(posted(slack, said["customer"]))
    await eventually(lambda: len(slack.simulated.world.messages) == 2)
    asking.cancel()
    await eventually(lambda: slack.simulated.calls)

    assert slack.simulated.calls[0].fault == "timeout"
    assert not [record for record in caplog.records if record.exc_info]


async def test_faults_count_only_sends_and_can_be_taken_back(slack: Rig) -> None:
    said = await slack.say("hello")
    await slack.control("POST", "/faults", {"kind": "error", "count": 3})
    headers = {"authorization": f"Bearer {slack.simulated.vendor.secrets['bot_token']}"}
    assert (await slack.api("GET", "/auth.test", headers=headers)).status_code == 200
    assert (await posted(slack, said["customer"])).status_code == 500

    assert (await slack.control("GET", ""))["faults"] == 2
    assert (await slack.control("DELETE", "/faults"))["faults"] == 0
    assert (await posted(slack, said["customer"])).status_code == 200


async def test_slack_tries_again_three_times_and_says_why(slack: Rig) -> None:
    await slack.control("PATCH", "/settings", FAST)
    slack.webhook.answer = (500, b"")
    said = await slack.say("hello")
    got = await slack.webhook.take(4)
    await slack.idle()
    told = (await slack.control("GET", f"/deliveries?delivery={said['deliveries'][0]}"))["deliveries"]

    assert [each.headers.get("x-slack-retry-num") for each in got] == [None, "1", "2", "3"]
    assert {each.headers.get("x-slack-retry-reason") for each in got[1:]} == {"http_error"}
    assert len({json.loads(each.body)["event_id"] for each in got}) == 1
    assert [each["status"] for each in told] == [500] * 4
    assert told[-1]["next_seconds"] is None


async def test_slack_stops_when_it_is_asked_to(slack: Rig) -> None:
    await slack.control("PATCH", "/settings", FAST)
    slack.webhook.answer, slack.webhook.headers = (500, b""), {"x-slack-no-retry": "1"}
    await slack.say("hello")
    await slack.idle()

    assert len(slack.webhook.got) == 1


async def test_retries_wait_as_long_as_the_documents_say(slack: Rig) -> None:
    slack.webhook.answers.extend([(500, b"")] * 2)
    await slack.say("hello")
    await slack.webhook.take(2)
    told = await slack.control("GET", "/deliveries?after=0&wait_ms=5000")
    await eventually(lambda: len(slack.simulated.deliveries.told) == 2)
    seconds = [each.next_seconds for each in slack.simulated.deliveries.told]

    assert told["deliveries"]
    assert seconds[0] == 0
    assert 54 <= (seconds[1] or 0) <= 66
    assert slack.simulated.deliveries.waiting == 1


@pytest.mark.parametrize(
    ("fragment", "tries"), [("", 1), ("#rc=2&rp=5xx", 3), ("#rc=2&rp=4xx", 1), ("#rc=9&rp=all", 6)]
)
async def test_twilio_tries_again_only_as_the_url_says(
    slack: Rig, every: dict[str, Rig], fragment: str, tries: int
) -> None:
    one = every["twilio-sms"]
    await one.control("PATCH", "/settings", {"webhook_url": one.webhook.url + fragment})
    one.webhook.answer = (500, b"")
    await one.say("hello")
    await one.idle()

    assert len(one.webhook.got) == tries
    assert len({each.headers["i-twilio-idempotency-token"] for each in one.webhook.got}) == 1


async def test_duplicates_and_shuffles_come_by_the_seed(slack: Rig) -> None:
    orders = []
    for _ in range(2):
        await slack.reset()
        settings = {"duplicate_share": 0.5, "shuffle_within_ms": 300}
        await slack.control("PATCH", "/settings", settings)
        slack.webhook.open.clear()  # so that all are due before the second goes
        said = [await slack.say(f"{number}") for number in range(20)]
        orders.append([len(each["deliveries"]) for each in said])
        slack.webhook.open.set()
        await slack.idle()
        texts = [json.loads(each.body)["event"]["text"] for each in slack.webhook.got]

        assert set(texts) == {f"{number}" for number in range(20)}
        assert len(texts) == sum(orders[-1])
        assert texts != sorted(texts, key=int)

    assert orders[0] == orders[1]
    assert 20 < sum(orders[0]) < 40


async def test_statuses_may_be_late_and_other_than_usual(slack: Rig, every: dict[str, Rig]) -> None:
    one = every["whatsapp"]
    said = await one.say("hello")
    await one.webhook.take()
    await one.control("PATCH", "/settings", {"statuses": ["read"], "status_delay_ms": 2000})
    headers = {"authorization": f"Bearer {one.simulated.vendor.secrets['access_token']}"}
    body = {"messaging_product": "whatsapp", "recipient": said["customer"], "type": "text", "text": {"body": "hi"}}
    answer = await one.api("POST", "/v25.0/106540352242922/messages", json=body, headers=headers)
    asked = {"message_id": answer.json()["messages"][0]["id"], "status": "failed", "code": "131026"}
    await one.control("POST", "/status", asked)
    statuses = [
        json.loads(each.body)["entry"][0]["changes"][0]["value"]["statuses"][0] for each in await one.webhook.take(2)
    ]

    assert [each["status"] for each in statuses] == ["failed", "read"]
    assert statuses[0]["errors"][0]["code"] == 131026


async def test_whoever_waits_for_an_answer_gets_it_at_once_or_nothing(slack: Rig) -> None:
    said = await slack.say("hello")
    nothing = await slack.control("GET", f"/messages?side=centre&after={said['number']}&wait_ms=10")
    path = f"/messages?side=centre&after={said['number']}&wait_ms=9000&customer={said['customer']}"
    waiting = asyncio.create_task(slack.control("GET", path))
    await posted(slack, said["customer"])
    found = await waiting

    assert nothing == {"messages": [], "next": said["number"]}
    assert [each["text"] for each in found["messages"]] == ["hi"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/say", {"text": "x", "location": [1, 2]}, 409),
        ("/say", {"reaction": "x"}, 409),
        ("/say", {}, 422),
        ("/say", {"customer": "Ann", "text": " "}, 422),
        ("/echo", {"customer": "Ann"}, 422),
        ("/say", {"text": "x", "nonsense": 1}, 422),
        ("/say", {"file": {"content": "%"}}, 422),
        ("/edit", {"message_id": "nothing"}, 404),
        ("/customers", {"customer": "Ann", "blocked": True}, 409),
        ("/faults", {"kind": "earthquake"}, 422),
    ],
)
async def test_what_cannot_be_done_is_said(slack: Rig, path: str, body: Json, status: int) -> None:
    assert await slack.refused(path, body) == status


async def test_who_says_nothing_is_told_what_may_be_said_and_becomes_no_customer(slack: Rig) -> None:
    answer = await slack.client.post(f"{slack.url}/simulator/slack/say", json={})

    assert answer.json()["detail"].startswith("say something: `text`, a `file`")
    assert (await slack.control("GET", "/messages"))["messages"] == []
    assert not slack.simulated.world.customers


async def test_an_unknown_provider_is_not_found(slack: Rig) -> None:
    assert (await slack.client.get(f"{slack.url}/simulator/carrier-pigeon")).status_code == 404
    listed = (await slack.client.get(f"{slack.url}/simulator")).json()

    assert [each["name"] for each in listed] == ["slack", "line", "telegram", "twilio-sms", "whatsapp"]


async def test_a_reset_forgets_everything_and_begins_the_seed_anew(slack: Rig) -> None:
    first = await slack.say("hello")
    await slack.control("PATCH", "/settings", {"webhook_url": "http://127.0.0.1:9/", "duplicate_share": 1})
    await slack.control("POST", "/reset")
    second = await slack.say("hello")
    about = await slack.control("GET", "")

    assert first["customer"] == second["customer"]
    assert about["settings"]["webhook_url"] == slack.webhook.url
    assert about["customers"] == 1


async def test_an_event_of_ones_own_making_is_signed(slack: Rig) -> None:
    await slack.control("POST", "/raw", {"body": {"type": "app_rate_limited"}})
    [got] = await slack.webhook.take()

    assert json.loads(got.body) == {"type": "app_rate_limited"}
    assert got.headers["x-slack-signature"].startswith("v0=")


async def test_nothing_is_repeated_that_was_not_the_vendors_own(slack: Rig) -> None:
    await slack.control("PATCH", "/settings", FAST)
    slack.webhook.answer = (401, b"")
    await slack.say("hello", delivery={"signature": "wrong"})
    await slack.idle()

    assert len(slack.webhook.got) == 1


async def test_the_page_is_served_under_a_strict_policy(slack: Rig) -> None:
    start = await slack.client.get(f"{slack.url}/", follow_redirects=True)
    script = await slack.client.get(f"{slack.url}/page/page.js")
    away = await slack.client.get(f"{slack.url}/page/../server.py")

    assert "default-src 'none'" in start.headers["content-security-policy"]
    assert '<script type="module" src="page.js">' in start.text
    assert script.headers["content-type"].startswith("text/javascript")
    assert away.status_code == 404


async def test_memory_is_bounded() -> None:
    world = World(1, now_ms=lambda: 0)
    for number in range(CUSTOMERS_MAX + 5):
        world.keep_customer(Customer(id=f"{number}", name=f"n{number}", phone=f"+{number}"))
    for number in range(3):
        world.keep_file("a", "b/c", bytes(FILES_BYTES_MAX // 2), file_id=f"{number}", lives_ms=1)

    assert len(world.customers) == CUSTOMERS_MAX
    assert world.customer("+4") is None
    assert world.customer("+5") is not None
    assert [world.file(f"{number}") is not None for number in range(3)] == [False, True, True]


async def test_a_bucket_lets_a_burst_pass_and_then_one_at_a_time() -> None:
    buckets = Buckets(every_ms=1000, burst=3)
    waits = [buckets.wait_ms("a", at_ms) for at_ms in (10_000, 10_000, 10_000, 10_000, 10_500, 11_000, 11_001)]

    assert waits == [0, 0, 0, 1000, 500, 0, 999]
    assert buckets.wait_ms("b", 10_000) == 0


async def test_secrets_come_of_the_seed_or_are_given() -> None:
    async with rigs("line") as one, rigs("line") as same, rigs("line", seed=2) as other:
        secrets = [each["line"].simulated.vendor.secrets for each in (one, same, other)]

    assert secrets[0] == secrets[1] != secrets[2]
    assert set(VENDORS["line"].uses) == set(secrets[0])
