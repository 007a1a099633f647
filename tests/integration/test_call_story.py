"""Calls on the whole platform: a real Asterisk, telephones that speak SIP, agents at the router's API.

Who hears whom is asked of the telephones, each of which sends a tone of its own.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from centralino.call_centre import EXTENSION, SECONDS, SUPERVISOR, TONES, CallCentre, Json, call_centre
from servicekit.testing.eventually import eventually
from voice_gateway.testing.asterisk_install import asterisk_root, available
from voice_gateway.testing.phones import Manner
from voice_gateway.testing.tones import seconds_of

pytestmark = [
    pytest.mark.real_asterisk,
    pytest.mark.timeout(150, func_only=True),
    pytest.mark.asyncio(loop_scope="module"),
]

HAPPENED = [
    "customer calls",
    "customer answers",
    "ada is called",
    "the phone of ada rings",
    "ada answers",
    "recording started",
    "recording paused",
    "recording resumed",
    "eve is called",
    "the phone of eve rings",
    "eve answers",
    "recording stopped",
    "recording started",
    "ada is gone (hung_up)",
    "ida is called",
    "the phone of ida rings",
    "ida answers",
    "recording stopped",
    "recording started",
    "sol is called",
    "the phone of sol rings",
    "sol answers",
    "sol with eve: whisper",
    "recording paused",
    "sol with eve: barge",
    "sol with eve: over",
    "sol is gone (hung_up)",
    "recording resumed",
    "customer is gone (hung_up)",
    "recording stopped",
]
ROUTED = [
    "waits in help",
    "assigned to ada as owner",
    "put on hold by ada",
    "waits in help",
    "consult transfer from ada to eve: requested",
    "assigned to eve as consultant",
    "consult transfer from ada to eve: consulting",
    "eve is owner",
    "consult transfer from ada to eve: completed",
    "ada wraps up (agent_ended)",
    "waits in help",
    "consult transfer from eve to ida: requested",
    "assigned to ida as consultant",
    "consult transfer from eve to ida: consulting",
    "ida is participant",
    "consult transfer from eve to ida: conference",
    "consult transfer from eve to ida: cancelled (interaction_ended)",
    "handed_over from help (transfer_over)",
    "eve wraps up (interaction_ended)",
    "completed by eve (completed_by_agent, solved)",
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CallCentre]:
    reason = available()
    if reason is not None:
        pytest.skip(reason)
    asterisk_root()
    async with call_centre(tmp_path_factory.mktemp("centre")) as centre:
        yield centre


@pytest_asyncio.fixture(loop_scope="module")
async def centre(opened: CallCentre) -> AsyncIterator[CallCentre]:
    yield opened
    await opened.clear()


async def talk(centre: CallCentre, agent: str = "ada", caller: str = "+390698765") -> Json:
    """Anna has called and talks with the agent; the assignment."""
    await centre.call("anna", caller)
    held = await accepted(centre, agent)
    await centre.picks_up(agent)
    await centre.hears(anna={agent}, **{agent: {"anna"}})
    return held


async def accepted(centre: CallCentre, agent: str) -> Json:
    """The agent becomes ready and takes what comes; the assignment."""
    await centre.desks[agent].ready()
    return await centre.desks[agent].accept()


async def consults(centre: CallCentre, owner: str, held: Json, helper: str) -> tuple[str, Json]:
    """The owner talks with the helper, and Anna has music; the transfer, and the helper's assignment."""
    asked = {"kind": "consult", "agent_id": helper}
    desk = centre.desks[owner]
    await centre.desks[helper].ready()
    transfer_id = (await desk.ask("POST", f"/assignments/{held['assignment_id']}/transfer", asked))["task_id"]
    helping = await centre.desks[helper].accept()
    await centre.picks_up(helper)
    await centre.hears(anna={"music"}, **{owner: {helper}, helper: {owner}})
    return transfer_id, helping


async def until_told(centre: CallCentre, interaction_id: str, type_name: str, **told: str) -> None:
    """The CRM knows of such a step of the call."""

    async def known() -> bool:
        call = (await centre.interaction(interaction_id))["call"]
        return any(each["type"] == type_name and told.items() <= each["told"].items() for each in call)

    await eventually(known, timeout_seconds=SECONDS)


async def test_a_call_from_its_welcome_to_its_wrap_up(centre: CallCentre) -> None:
    await centre.call("anna", "+390698765")
    await centre.hears(anna={"hello"})
    await centre.hears(anna={"music"})
    first = await accepted(centre, "ada")
    await centre.picks_up("ada")
    await centre.hears(anna={"ada"}, ada={"anna"})
    await hold(centre, first)
    second = await hand_over(centre, first)
    await conference(centre, second)
    await supervise(centre, second)
    await centre.phones.hang_up("anna")
    await centre.idle("anna", "eve", "ida")
    eve = centre.desks["eve"]
    await eve.holding(second["assignment_id"], "wrapup")
    await eve.complete(second["assignment_id"], "solved")
    await over(centre, first["interaction_id"], "completed")
    heard = await recorded(centre, first["interaction_id"])
    told = await centre.interaction(first["interaction_id"])  # with what came with the recordings
    entries = await timeline(centre, told["customer"]["customer_id"])

    assert heard[SUPERVISOR] == heard["music"] == heard["hello"] == 0
    assert min(heard[who] for who in ("anna", "ada", "eve", "ida")) > 0.3
    assert (told["end_reason"], told["outcome"]["disposition"]) == ("customer_left", "solved")
    assert [each["summary"] for each in told["story"] if each["type"] != "assignment.retrieved"] == ROUTED
    steps = [each for each in told["call"] if each["type"] != "call.recording_ready"]  # they come when they come
    assert [each["summary"] for each in steps[:-3]] == HAPPENED
    assert {each["summary"] for each in steps[-3:-1]} == {"eve is gone (hung_up)", "ida is gone (hung_up)"}
    assert steps[-1]["type"] == "call.measured"
    assert [each["summary"] for each in entries[1:]] == [each["summary"] for each in told["call"]]
    for lines in (entries, told["call"], told["story"]):
        assert lines == sorted(lines, key=lambda line: line["at_ms"])


async def hold(centre: CallCentre, held: Json) -> None:
    """Ada has Anna wait with music, and takes her back."""
    ada = centre.desks["ada"]
    await ada.ask("POST", f"/assignments/{held['assignment_id']}/hold")
    await centre.hears(anna={"music"}, ada=set())
    await ada.ask("POST", f"/assignments/{held['assignment_id']}/retrieve")
    await centre.hears(anna={"ada"}, ada={"anna"})


async def hand_over(centre: CallCentre, held: Json) -> Json:
    """From Ada to Eve, who have talked about it; Eve's assignment."""
    ada = centre.desks["ada"]
    transfer_id, taken = await consults(centre, "ada", held, "eve")
    await ada.ask("POST", f"/transfers/{transfer_id}/complete")
    await centre.hears(anna={"eve"}, eve={"anna"})
    await centre.idle("ada")
    await ada.holding(held["assignment_id"], "wrapup")
    return taken


async def conference(centre: CallCentre, held: Json) -> None:
    """Of Anna, Eve and Ida."""
    transfer_id, _ = await consults(centre, "eve", held, "ida")
    await centre.desks["eve"].ask("POST", f"/transfers/{transfer_id}/conference")
    await centre.hears(anna={"eve", "ida"}, eve={"anna", "ida"}, ida={"anna", "eve"})


async def supervise(centre: CallCentre, held: Json) -> None:
    """Sol whispers to Eve, and is heard by all while the recording pauses: no word of hers is recorded."""
    eve, sol, interaction_id = centre.desks["eve"], centre.desks[SUPERVISOR], held["interaction_id"]
    supervision = f"/agents/eve/assignments/{held['assignment_id']}/supervision"
    recording = f"/assignments/{held['assignment_id']}/call/recording"
    everybody = {"anna", "eve", "ida"}
    await sol.ask("POST", supervision, {"mode": "whisper"})
    await centre.picks_up(SUPERVISOR)
    await centre.hears(anna={"eve", "ida"}, ida={"anna", "eve"}, eve={"anna", "ida", "sol"}, sol=everybody)
    await eve.ask("PUT", recording, {"paused": True})
    await until_told(centre, interaction_id, "call.recording_changed", state="paused", agent_id="eve")
    await sol.ask("POST", supervision, {"mode": "barge"})
    await centre.hears(anna={"eve", "ida", "sol"}, ida={"anna", "eve", "sol"}, sol=everybody)
    await sol.ask("DELETE", supervision)
    await centre.idle(SUPERVISOR)
    await centre.hears(anna={"eve", "ida"}, eve={"anna", "ida"}, ida={"anna", "eve"})
    await eve.ask("PUT", recording, {"paused": False})
    await until_told(centre, interaction_id, "call.recording_changed", state="resumed", agent_id="eve")
    await centre.hears(anna={"eve", "ida"}, eve={"anna", "ida"}, ida={"anna", "eve"})


async def timeline(centre: CallCentre, customer_id: str) -> list[Json]:
    """A customer's story, oldest first."""
    sol = centre.desks[SUPERVISOR]
    answer = await sol.api.get(f"{sol.crm}/customers/{customer_id}/timeline", params={"limit": 200})
    assert answer.is_success, answer.text
    return list(reversed(answer.json()["entries"]))


async def recorded(centre: CallCentre, interaction_id: str) -> dict[str, float]:
    """For how many seconds each is heard in all recordings of the call, which a supervisor fetches by their links."""
    sol = centre.desks[SUPERVISOR]

    async def ready() -> list[str]:
        call = (await centre.interaction(interaction_id))["call"]
        begun = [each for each in call if each["told"].get("state") == "started"]
        found = [each["told"]["recording_id"] for each in call if each["type"] == "call.recording_ready"]
        return found if len(found) == len(begun) else []

    heard = dict.fromkeys((*TONES, "all"), 0.0)
    for recording_id in await eventually(ready, timeout_seconds=SECONDS):
        link = await sol.api.get(f"{sol.voice}/recordings/{recording_id}")
        assert link.is_success, link.text
        sound = await sol.api.get(link.json()["url"], headers={"authorization": ""})
        assert sound.headers["content-type"] == "audio/wav"
        for name, seconds in seconds_of(sound.content, TONES).items():
            heard[name] += seconds
    return heard


@pytest.mark.parametrize("when", ["before", "with", "rings", "answered"])
async def test_a_caller_who_hangs_up_while_the_offer_is_accepted_is_gone_once(centre: CallCentre, when: str) -> None:
    """Whichever the router hears first: the task is abandoned and the offer was stale, or the agent wraps up."""
    ada = centre.desks["ada"]
    await centre.call("anna", "+390698766")
    await ada.ready()
    offer = await ada.offer()
    accepting = asyncio.create_task(ada.send("POST", f"/offers/{offer['offer_id']}/accept"))
    if when == "with":
        await asyncio.sleep(0)
    elif when != "before":
        await centre.until("ada", lambda seen: seen.rings)
    if when == "answered":
        await centre.phones.answer("ada")
    await centre.phones.hang_up("anna")
    answer = await accepting
    await centre.idle("anna", "ada")
    told = await over(centre, offer["interaction_id"], "wrap-up" if answer.is_success else "abandoned")
    held = (await ada.look())["assignments"]

    assert answer.is_success or when in {"before", "with"}
    assert told["end_reason"] == "customer_left"
    assert [each["state"] for each in held] == (["wrapup"] if answer.is_success else [])


@pytest.mark.parametrize("manner", ["busy", "declines", "rings"])
async def test_whose_phone_is_not_answered_gives_the_caller_to_the_next(centre: CallCentre, manner: Manner) -> None:
    ada, eve = centre.desks["ada"], centre.desks["eve"]
    await centre.behave("ada", manner)
    await centre.call("anna", "+390698767")
    await ada.ready()
    offer = await ada.offer()
    await ada.ask("POST", f"/offers/{offer['offer_id']}/accept")
    await until_routed(centre, offer["interaction_id"], "task.unassigned")
    await centre.hears(anna={"music"})
    await centre.idle("ada")
    held = await accepted(centre, "eve")
    await centre.picks_up("eve")
    await centre.hears(anna={"eve"}, eve={"anna"})
    await centre.phones.hang_up("eve")
    await eve.holding(held["assignment_id"], "wrapup")
    await centre.idle("anna")
    told = await over(centre, offer["interaction_id"], "wrap-up")

    assert (told["end_reason"], told["outcome"]["agent_id"]) == ("agent_closed", "eve")
    assert await ada.is_free()


async def test_a_consultant_who_leaves_gives_the_customer_back_to_the_owner(centre: CallCentre) -> None:
    held = await talk(centre)
    await consults(centre, "ada", held, "eve")
    await centre.phones.hang_up("eve")
    await centre.hears(anna={"ada"}, ada={"anna"})

    await owns_alone(centre, "ada", "eve")


async def test_a_consultant_whose_phone_is_busy_leaves_the_customer_with_the_owner(centre: CallCentre) -> None:
    ada, eve = centre.desks["ada"], centre.desks["eve"]
    held = await talk(centre)
    await centre.behave("eve", "busy")
    await eve.ready()
    asked = {"kind": "consult", "agent_id": "eve"}
    await ada.ask("POST", f"/assignments/{held['assignment_id']}/transfer", asked)
    await eve.ask("POST", f"/offers/{(await eve.offer())['offer_id']}/accept")
    await until_routed(centre, held["interaction_id"], "task.unassigned")
    await centre.hears(anna={"ada"}, ada={"anna"})

    await owns_alone(centre, "ada", "eve")


async def test_an_owner_whose_phone_leaves_a_consultation_is_rung_for_the_customer(centre: CallCentre) -> None:
    held = await talk(centre)
    await consults(centre, "ada", held, "eve")
    await centre.phones.hang_up("ada")
    await centre.idle("eve")
    await centre.hears(anna={"music"})
    await centre.picks_up("ada")
    await centre.hears(anna={"ada"}, ada={"anna"})

    await owns_alone(centre, "ada", "eve")


@pytest.mark.parametrize("leaves", ["eve", "ada"])
async def test_who_leaves_a_conference_leaves_the_customer_with_the_other(centre: CallCentre, leaves: str) -> None:
    stays = "ada" if leaves == "eve" else "eve"
    held = await talk(centre)
    transfer_id, _ = await consults(centre, "ada", held, "eve")
    await centre.desks["ada"].ask("POST", f"/transfers/{transfer_id}/conference")
    await centre.hears(anna={"ada", "eve"}, ada={"anna", "eve"}, eve={"anna", "ada"})
    await centre.phones.hang_up(leaves)
    await centre.hears(anna={stays}, **{stays: {"anna"}})

    await owns_alone(centre, stays, leaves)


async def test_who_takes_a_transfer_and_cannot_be_rung_gives_the_customer_to_the_next(centre: CallCentre) -> None:
    ada, eve = centre.desks["ada"], centre.desks["eve"]
    held = await talk(centre)
    await centre.behave("eve", "busy")
    await eve.ready()
    await ada.ask("POST", f"/assignments/{held['assignment_id']}/transfer", {"queue": "help"})
    await eve.ask("POST", f"/offers/{(await eve.offer())['offer_id']}/accept")
    await ada.holding(held["assignment_id"], "wrapup")
    await until_routed(centre, held["interaction_id"], "task.unassigned")
    await centre.idle("ada")
    await centre.hears(anna={"music"})
    await accepted(centre, "ida")
    await centre.picks_up("ida")
    await centre.hears(anna={"ida"}, ida={"anna"})

    await owns_alone(centre, "ida", "eve")


@pytest.mark.parametrize("first", ["hangs up", "completes"])
async def test_who_leaves_while_the_customer_is_handed_over_to_them_leaves_one_owner(
    centre: CallCentre, first: str
) -> None:
    """The owner still, whose wish was too late; or who has left, and is rung for the customer, unless they left as the
    owner that they were already: then the talk is over."""
    ada = centre.desks["ada"]
    held = await talk(centre)
    transfer_id, taken = await consults(centre, "ada", held, "eve")
    completing = asyncio.create_task(ada.send("POST", f"/transfers/{transfer_id}/complete"))
    if first == "completes":
        await asyncio.sleep(0)
    await centre.phones.hang_up("eve")
    if not (await completing).is_success:
        await centre.hears(anna={"ada"}, ada={"anna"})
        await owns_alone(centre, "ada", "eve")
        return
    await eventually(
        lambda: centre.phones.seen("eve").rings or not centre.phones.seen("anna").talks, timeout_seconds=SECONDS
    )
    if centre.phones.seen("anna").talks:
        await centre.picks_up("eve")
        await centre.hears(anna={"eve"}, eve={"anna"})
        await owns_alone(centre, "eve", "ada")
    else:
        await centre.idle("ada", "eve")
        await ada.holding(held["assignment_id"], "wrapup")
        await centre.desks["eve"].holding(taken["assignment_id"], "wrapup")
        await over(centre, held["interaction_id"], "wrap-up")


async def test_a_phone_gives_its_call_away_and_leaves_before_it_is_taken(centre: CallCentre) -> None:
    held = await talk(centre)
    await centre.desks["eve"].ready()
    await centre.phones.transfer("ada", EXTENSION)
    await centre.until("ada", lambda seen: seen.transferred)
    if centre.phones.seen("ada").talks:
        await centre.phones.hang_up("ada")
    await centre.hears(anna={"music"})
    await centre.desks["eve"].accept()
    await centre.picks_up("eve")
    await centre.hears(anna={"eve"}, eve={"anna"})

    await owns_alone(centre, "eve", "ada")
    await centre.desks["ada"].holding(held["assignment_id"], "wrapup")


async def test_a_customer_who_leaves_a_consultation_ends_it_for_both_agents(centre: CallCentre) -> None:
    held = await talk(centre)
    await consults(centre, "ada", held, "eve")
    await centre.phones.hang_up("anna")
    await centre.idle("anna", "ada", "eve")
    told = await over(centre, held["interaction_id"], "wrap-up")

    assert told["outcome"]["agent_id"] == "ada"
    await eventually(centre.desks["eve"].is_free, timeout_seconds=SECONDS)


async def owns_alone(centre: CallCentre, owner: str, other: str) -> None:
    """The owner has the customer without anybody's help; the other talks with nobody and has at most to wrap up."""

    async def settled() -> bool:
        [held] = (await centre.desks[owner].look())["assignments"]
        assert (held["state"], held["role"], held["transfer"]) == ("assigned", "owner", None), held
        rest = (await centre.desks[other].look())["assignments"]
        return all(each["state"] == "wrapup" for each in rest)

    await eventually(settled, timeout_seconds=SECONDS)
    await centre.idle(other)


async def until_routed(centre: CallCentre, interaction_id: str, type_name: str) -> None:
    """The CRM knows that the router has done so."""

    async def known() -> bool:
        return any(each["type"] == type_name for each in (await centre.interaction(interaction_id))["story"])

    await eventually(known, timeout_seconds=SECONDS)


async def over(centre: CallCentre, interaction_id: str, outcome: str) -> Json:
    """What the CRM has of a call that has ended like that; each of its legs has begun, and ended, once."""

    async def told() -> Json:
        found = await centre.interaction(interaction_id)
        assert (found["state"], found["outcome"]["state"]) == ("ended", outcome), found["outcome"]
        assert ids(found, "call.measured")
        return found

    found = await eventually(told, timeout_seconds=SECONDS)
    legs = {kind: sorted(ids(found, f"call.leg_{kind}")) for kind in ("started", "answered", "ended")}
    assert legs["started"] == legs["ended"]
    for kind, leg_ids in legs.items():
        assert len(leg_ids) == len(set(leg_ids)), kind
    assert len(ids(found, "call.measured")) == 1
    return found


def ids(interaction: Json, type_name: str) -> list[str]:
    """Of the legs that such steps of the call are about."""
    return [str(each["told"].get("leg_id")) for each in interaction["call"] if each["type"] == type_name]
