"""What we ask of Asterisk, and what it tells, without one."""

from collections.abc import Mapping

import pytest
from voice_gateway.domain import events
from voice_gateway.domain.commands import Dial, Provision, SendKeys
from voice_gateway.domain.words import EndCause, Media, Number, Party, Phone, Quality
from voice_gateway.drivers.asterisk import commands, names
from voice_gateway.drivers.asterisk.commands import RefusedError
from voice_gateway.drivers.asterisk.events import Translator, end_cause, is_leg, quality_of
from voice_gateway.drivers.asterisk.legs import Leg, Legs, quiet_of, quiet_text

Json = Mapping[str, object]
ASSERTED = '"Anna, B" <sip:+39021234@carrier.example;user=phone>'


def channel(channel_id: str, state: str = "Up", **variables: str) -> Json:
    return {
        "id": channel_id,
        "state": state,
        "caller": {"number": "100", "name": "Anna"},
        "dialplan": {"app_name": "Stasis", "app_data": "centralino,in,+3906", "exten": "+3906"},
        "protocol_id": "call-id-1",
        "channelvars": variables,
    }


def begun(channel_id: str = "1.1", **variables: str) -> Json:
    return {"type": "StasisStart", "args": ["in", "+3906"], "channel": channel(channel_id, "Ring", **variables)}


def about(kind: str, channel_id: str = "1.1", state: str = "Up", **more: object) -> Json:
    return {"type": kind, "channel": channel(channel_id, state), **more}


def translated(*told: Json) -> list[events.Event]:
    translator = Translator("n1", Legs())
    return [event for each in told for event in translator.told(each, 7)]


def test_an_incoming_call_says_who_calls_as_the_network_vouches_for_it() -> None:
    variables = {"CENTRALINO_ASSERTED": ASSERTED, "CENTRALINO_DIVERTED": "+39055", "CENTRALINO_HEADERS": "&X-A=b%3Dc"}
    [told] = translated(begun(**variables), begun(**variables))

    assert told == events.LegIncoming(
        leg_id=names.leg_of("n1", "1.1"),
        called="+3906",
        caller=Party(number="+39021234", name="Anna", asserted=True),
        at_ms=7,
        diverted_from="+39055",
        headers=(("X-A", "b=c"),),
        provider_id="call-id-1",
    )


def test_one_channel_of_two_nodes_is_two_legs_and_ours_has_its_own_id() -> None:
    assert names.leg_of("n1", "1.1") != names.leg_of("n2", "1.1")
    assert names.leg_of("n1", names.leg_channel("a")) == "a"


def test_a_leg_leaves_its_room_before_it_ends_and_ends_once() -> None:
    bridge = {"id": names.room_bridge("r")}
    destroyed = about("ChannelDestroyed", cause=16)
    told = translated(
        begun(), about("ChannelStateChange"), about("ChannelEnteredBridge", bridge=bridge), destroyed, destroyed
    )

    assert [type(each).__name__ for each in told] == [
        "LegIncoming",
        "LegAnswered",
        "RoomJoined",
        "RoomLeft",
        "LegEnded",
    ]


@pytest.mark.parametrize("said", ["RINGING", "PROGRESS"])
def test_a_phone_rings_once_however_its_network_says_it(said: str) -> None:
    legs = Legs()
    legs.add(Leg(leg_id="a", channel_id="c", ours=True))
    translator, peer = Translator("n1", legs), {"id": "c"}
    dialling = [{"type": "Dial", "dialstatus": status, "peer": peer} for status in ("", said, "RINGING", "PROGRESS")]

    assert [event for each in dialling for event in translator.told(each, 7)] == [
        events.LegRinging(leg_id="a", at_ms=7)
    ]


def test_helpers_and_bridges_of_helpers_are_told_of_nobody() -> None:
    ear = names.monitor_channel("s", "a", "spy")

    assert translated(begun(ear), about("ChannelDestroyed", ear, cause=16)) == []
    assert [
        type(each).__name__
        for each in translated(begun(), about("ChannelEnteredBridge", bridge={"id": names.monitor_bridge("s")}))
    ] == ["LegIncoming"]
    assert not is_leg(channel(ear), "centralino")
    assert is_leg(channel("1.1"), "centralino")
    assert not is_leg(channel("1.1"), "another")


def test_a_recording_is_ready_once_though_asterisk_says_it_twice() -> None:
    finished = {"type": "RecordingFinished", "recording": {"name": "r", "duration": 2}}

    assert translated(finished, finished) == [events.RecordingReady(recording_id="r", seconds=2.0, at_ms=7)]


def test_an_attended_transfer_names_the_other_leg() -> None:
    def asked(refer_to: Json) -> Json:
        return {
            "type": "ChannelTransfer",
            "refer_to": refer_to,
            "referred_by": {"source_channel": {"id": names.leg_channel("a")}},
        }

    start = {"type": "StasisStart", "args": ["dialled"], "channel": channel(names.leg_channel("a"))}
    to_other = {"requested_destination": {"protocol_id": "x"}, "destination_channel": {"id": names.leg_channel("b")}}
    echo = {**asked(to_other), "state": "channel_answered"}
    told = translated(start, asked({"requested_destination": {"destination": "4711"}}), asked(to_other), echo)
    _, blind, attended = told

    assert isinstance(blind, events.TransferRequested)
    assert (blind.form, blind.to) == ("blind", "4711")
    assert isinstance(attended, events.TransferRequested)
    assert (attended.form, attended.to) == ("attended", "b")


@pytest.mark.parametrize(
    ("ours", "answered", "rang", "by_asterisk", "cause", "sip_code", "ended"),
    [
        (True, False, True, None, 17, 486, "busy"),
        (True, False, True, None, 21, 603, "declined"),
        (True, False, True, None, 19, 480, "no_answer"),
        (True, False, False, None, 19, 480, "unavailable"),
        (True, False, False, None, 1, 404, "unknown_number"),
        (True, False, False, None, 34, None, "congested"),
        (True, False, False, None, 99, None, "failed"),
        (True, False, True, False, 16, None, "hung_up"),
        (True, True, True, False, 16, None, "hung_up"),
        (True, True, True, None, 16, None, "lost"),
        (False, True, False, False, 16, None, "hung_up"),
        (False, True, False, True, 16, None, "lost"),
        (False, False, False, False, 0, None, "cancelled"),
        (False, False, False, True, 16, None, "lost"),
    ],
)
def test_a_leg_ends_for_a_cause(
    ours: bool,
    answered: bool,
    rang: bool,
    by_asterisk: bool | None,
    cause: int,
    sip_code: int | None,
    ended: EndCause,
) -> None:
    leg = Leg(leg_id="a", channel_id="c", ours=ours, answered=answered, rang=rang, by_asterisk=by_asterisk)

    assert end_cause(leg, cause, sip_code) == ended


def test_quality_is_of_what_came_in() -> None:
    told = "ssrc=1;themssrc=2;lp=1;rxjitter=0.004000;rxcount=199;txjitter=0.1;txcount=9;rlp=0;rtt=0.020000;rxmes=0.0"

    assert quality_of(told) == Quality(jitter_ms=4.0, lost_fraction=0.005, round_trip_ms=20.0)
    assert quality_of("") is None
    assert quality_of("lp=0;rxcount=0") is None


def test_why_a_leg_is_quiet_survives_as_a_variable() -> None:
    quiet = quiet_of("muted+held")

    assert quiet == {"muted", "held"}
    assert quiet_of(quiet_text(quiet)) == quiet
    assert quiet_of("") == frozenset()


def test_a_phone_and_a_number_are_dialled_by_different_ways() -> None:
    phone = commands.dial(Dial(leg_id="a", to=Phone(endpoint_id="ada"), ring_seconds=20), "app", "trunk")
    number = commands.dial(
        Dial(
            leg_id="b",
            to=Number(number="+3902"),
            ring_seconds=9,
            shown=Party(number="+3906", name='An"na'),
            headers=(("X-A", "b"),),
            detects_machines=True,
        ),
        "app",
        "trunk",
    )

    told = dict(phone.query)
    assert (told["endpoint"], told["app"], told["channelId"]) == ("PJSIP/ada", "app", names.leg_channel("a"))
    assert told["callerId"] == '"Anonymous" <anonymous>'
    told = dict(number.query)
    assert (told["endpoint"], told["timeout"], told["callerId"]) == ("PJSIP/+3902@trunk", "9", '"Anna" <+3906>')
    assert (told["context"], "app" in told) == ("amd", False)
    assert number.body is not None
    assert number.body["variables"]["PJSIP_HEADER(add,X-A)"] == "b"


@pytest.mark.parametrize(
    "dialled",
    [
        Dial(leg_id="a", to=Number(number="+3902@elsewhere"), ring_seconds=20),
        Dial(leg_id="a", to=Number(number="x&PJSIP/y"), ring_seconds=20),
        Dial(leg_id="a", to=Phone(endpoint_id=""), ring_seconds=20),
        Dial(leg_id="a", to=Number(number="1"), ring_seconds=20, headers=(("X-A", "b\r\nX-C: d"),)),
        Dial(leg_id="a", to=Number(number="1"), ring_seconds=20, headers=(("X-A)", "b"),)),
    ],
)
def test_what_would_mean_something_else_to_asterisk_is_not_said(dialled: Dial) -> None:
    with pytest.raises(RefusedError):
        commands.dial(dialled, "app", "trunk")


@pytest.mark.parametrize("number", ["1> <2", "anna&bert", "", None])
def test_a_caller_whose_number_is_none_is_shown_as_nobody(number: str | None) -> None:
    shown = Party(number=number, name="Anna")
    dial = commands.dial(Dial(leg_id="a", to=Phone(endpoint_id="ada"), ring_seconds=20, shown=shown), "app", "trunk")

    assert dict(dial.query)["callerId"] == '"Anonymous" <anonymous>'


def test_keys_sounds_and_phones_have_their_forms() -> None:
    with pytest.raises(RefusedError):
        commands.keys("c", SendKeys(leg_id="a", keys="1x"))
    with pytest.raises(RefusedError):
        commands.play("c", "p", ())
    with pytest.raises(RefusedError):
        commands.provision(Provision(endpoint_id="a/b", password="x"))

    media = (Media(uri="https://files.example/a,b.wav"), Media(uri="sound:/c"))
    assert dict(commands.play("c", "p", media).query)["media"] == "sound:https://files.example/a%2Cb.wav,sound:/c"
