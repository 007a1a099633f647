"""Commands come back as they were kept."""

from dataclasses import fields
from typing import get_args

import pytest
from voice_gateway.codec import Numbered, from_json, to_json
from voice_gateway.domain import commands
from voice_gateway.domain.commands import Command
from voice_gateway.domain.words import Media, Number, Party, Phone

EVERYTHING: list[Command] = [
    commands.Ring(leg_id="l"),
    commands.Answer(leg_id="l"),
    commands.Reject(leg_id="l", because="congested"),
    commands.HangUp(leg_id="l"),
    commands.Dial(
        leg_id="l",
        to=Phone(endpoint_id="e"),
        ring_seconds=20,
        shown=Party(number="+39", name="Shop", asserted=True),
        headers=(("X-A", "b"),),
        answers_itself=True,
        detects_machines=True,
    ),
    commands.Dial(leg_id="m", to=Number(number="+39"), ring_seconds=5),
    commands.OpenRoom(room_id="r", kind="wait", music="jazz"),
    commands.CloseRoom(room_id="r"),
    commands.Join(room_id="r", leg_id="l", hearing="listen"),
    commands.Leave(room_id="r", leg_id="l"),
    commands.Play(playback_id="p", leg_id="l", media=(Media(uri="prompt:a?lang=it"), Media(uri="b"))),
    commands.StopPlaying(playback_id="p"),
    commands.Mute(leg_id="l", muted=True),
    commands.Hold(leg_id="l", held=False),
    commands.Record(recording_id="c", leg_id="l", seconds_max=60, ends_with_key="#"),
    commands.PauseRecording(recording_id="c", paused=True),
    commands.StopRecording(recording_id="c"),
    commands.Monitor(leg_id="l", of_leg_id="m", mode="whisper"),
    commands.SendKeys(leg_id="l", keys="1#"),
    commands.StreamMedia(stream_id="s", leg_id="l", url="wss://bot"),
    commands.StopStream(stream_id="s"),
    commands.Provision(endpoint_id="e", password="p", browser=True),
    commands.Withdraw(endpoint_id="e"),
    commands.KeepAlive(leg_ids=("l", "m"), seconds=120),
    commands.AnswerTransfer(transfer_id="t", accepted=False),
]


def test_every_command_comes_back_as_it_was_with_its_number() -> None:
    numbered = [Numbered(number, command) for number, command in enumerate(EVERYTHING, 7)]

    assert {type(command) for command in EVERYTHING} == set(get_args(Command))
    assert all(fields(command) for command in EVERYTHING)
    assert from_json(to_json(numbered)) == numbered


def test_a_command_of_a_newer_release_is_not_mistaken() -> None:
    with pytest.raises(ValueError, match="no command 'Sing' is known"):
        from_json('[[1, "Sing", {}]]')
