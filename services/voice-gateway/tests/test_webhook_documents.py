"""What calls are told to do."""

import xml.etree.ElementTree as ET
from typing import Any
from urllib.parse import urldefrag

import pytest
from voice_gateway.drivers.webhook import twiml
from voice_gateway.drivers.webhook.legs import Documents, Leg, Room

BASE = "https://voice.example/voice/v1/webhooks/n1"
PLACES: list[dict[str, Any]] = [  # Any: fields of Leg
    {},
    {"room_id": "wait"},
    {"room_id": "talk"},
    {"room_id": "gone"},
    {"held": True},
    {"room_id": "talk", "playback_id": "p", "uris": ["https://sounds.example/a?b=1&c=<2>"]},
    {"stream_id": "s", "stream_url": "wss://bot.example/?a=1&b=2"},
    {"monitors": "watched", "mode": "whisper"},
    {"monitors": "nobody"},
]


def document(leg: Leg) -> ET.Element:
    watched = Leg(leg_id="watched", ours=True, call_sid="CA2", room_id="talk")
    rooms = {"wait": Room(room_id="wait", kind="wait"), "talk": Room(room_id="talk", kind="talk")}
    documents = Documents(BASE, "https://sounds.example/music", {leg.leg_id: leg, "watched": watched}, rooms)
    return ET.fromstring(documents.document(leg))


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_no_call_runs_out_of_words(place: dict[str, Any]) -> None:
    last = list(document(Leg(leg_id="l1", ours=True, call_sid="CA1", **place)))[-1]

    assert last.tag == "Redirect"
    assert urldefrag(last.text or "").url.startswith(f"{BASE}/legs/l1")


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_who_is_in_no_talk_is_asked_for_keys(place: dict[str, Any]) -> None:
    verbs = [verb.tag for verb in document(Leg(leg_id="l1", ours=True, call_sid="CA1", **place))]

    assert verbs in (["Gather", "Redirect"], ["Dial", "Redirect"], ["Connect", "Redirect"])
    assert (verbs[0] == "Dial") == (("talk" in str(place) and "playback_id" not in place) or "watched" in str(place))


@pytest.mark.parametrize(
    ("mode", "muted", "coach"), [("spy", "true", None), ("whisper", "false", "CA2"), ("barge", "false", None)]
)
def test_a_supervisor_is_never_heard_by_more_than_the_mode_says(mode: Any, muted: str, coach: str | None) -> None:
    leg = Leg(leg_id="l1", ours=True, call_sid="CA1", monitors="watched", mode=mode)
    noun = document(leg).find("Dial/Conference")

    assert noun is not None
    assert (noun.text, noun.get("muted"), noun.get("coach")) == ("talk", muted, coach)
    assert (noun.get("endConferenceOnExit"), noun.get("beep"), noun.get("waitUrl")) == ("false", "false", "")


def test_what_stands_in_a_sound_is_no_markup() -> None:
    told = twiml.listening(uris=['https://a/?b="1"&c=<x>'], keys_url="https://k/?a=1&b=2", next_url="https://n/")
    gather = ET.fromstring(told).find("Gather")

    assert gather is not None
    assert gather.get("action") == "https://k/?a=1&b=2"
    assert [play.text for play in gather] == ['https://a/?b="1"&c=<x>']


def test_keys_are_sent_before_anything_else() -> None:
    told = ET.fromstring(twiml.with_keys(twiml.silence(keys_url="https://k/", next_url="https://n/"), "12#"))

    assert [verb.tag for verb in told] == ["Play", "Gather", "Redirect"]
    assert told[0].get("digits") == "12#"
