"""What is wrong with the form of a document is told in words for whoever writes it, with what to write instead."""

import json
from typing import Annotated, Any, Literal

import pytest
from contracts.configuration_faults import InvalidConfigurationError, form_faults, read_configuration
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

Json = dict[str, Any]  # Any: JSON


def told(**queue: object) -> list[tuple[str, str]]:
    """Of one queue: paths within it, and messages."""
    document = {
        "clients": ["shop"],
        "domains": [{"id": "main"}],
        "queues": [{"id": "help", "domain": "main", "name": "Help"} | queue],
    }
    with pytest.raises(InvalidConfigurationError) as refused:
        read_configuration(json.dumps(document).encode())
    return [(fault.path.removeprefix("/queues/0/"), fault.message) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("id", "Help Desk", "may have small letters, digits and _ . - and begins with a letter or digit"),
        ("domain", "-", "may have letters, digits and . _ : @ / - and begins with a letter or digit"),
        ("name", 5, "must be text: put it in quotes"),
        ("name", "", "must not be empty"),
        ("name", "x" * 121, "must have at most 120 characters"),
        ("priority", "5", "must be a whole number"),
        ("priority", 50, "must be 9 or less"),
        ("band", -1, "must be 0 or more"),
        ("auto_accept", "yes", "must be true or false"),
        ("requirements", "es", "must be a list"),
        ("service_level", 80, "must have fields: put `name: value` there"),
        ("direction", "in", "must be 'inbound' or 'outbound'"),
        ("closed", {"to": "queue"}, "`to: queue` needs the `queue`"),
    ],
)
def test_a_value_that_will_not_do_is_told_with_what_will(field: str, value: object, message: str) -> None:
    assert told(**{field: value}) == [(field, message)]


@pytest.mark.parametrize(
    ("queue", "path", "advice"),
    [
        ({"ofer_timeout_seconds": 3}, "ofer_timeout_seconds", "did you mean 'offer_timeout_seconds'?"),
        ({"timeuot": 3}, "timeuot", "did you mean 'offer_timeout_seconds'?"),
        ({"full": {"too": "voicemail"}, "waiting_max": 3}, "full/too", "did you mean 'to'?"),
        ({"any_of": [[{"skill": "es", "minimun": 3}]]}, "any_of/0/0/minimun", "did you mean 'minimum'?"),
        ({"service_level": {"x": 1}}, "service_level/x", "there are within_seconds, target_percent"),
    ],
)
def test_a_field_that_nobody_knows_is_told_with_those_that_are_like_it(queue: Json, path: str, advice: str) -> None:
    name = path.rpartition("/")[2]

    assert (path, f"there is no field {name!r} here; {advice}") in told(**queue)


def test_times_of_day_dates_and_origins_are_shown_as_they_are_written() -> None:
    calendar = {"id": "c", "domain": "main", "time_zone": "UTC", "weekly": {"mon": [["9", "17:00"]]}}
    address = {
        "address": "web",
        "channel": "Web",
        "client": "shop",
        "domain": "main",
        "queue": "q",
        "origins": ["shop"],
    }
    with pytest.raises(InvalidConfigurationError) as refused:
        read_configuration(
            json.dumps(
                {
                    "clients": ["shop"],
                    "domains": [{"id": "main"}],
                    "calendars": [calendar | {"exceptions": [{"date": "Christmas", "name": "x"}]}],
                    "channels": [address],
                }
            ).encode()
        )

    assert {fault.path: fault.message for fault in refused.value.faults} == {
        "/calendars/0/weekly/mon/0/0": "must be a time of day, from 00:00 to 24:00",
        "/calendars/0/exceptions/0/date": "must be a date, as in 2026-12-24",
        "/channels/0/channel": "may have small letters, digits and _ and begins with a letter",
        "/channels/0/origins/0": "must be an origin, as in https://shop.example",
    }


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Fast(Closed):
    kind: Literal["fast"]
    speed: float


class Slow(Closed):
    kind: Literal["slow"]
    reason: str


class Sample(Closed):
    rate: Annotated[float, Field(ge=0)] | list[float] = 0
    state: Literal["on", "off"] | Fast = "on"
    way: Annotated[Fast | Slow, Field(discriminator="kind")] | None = None
    by_name: dict[str, Slow] = Field(default_factory=dict)
    at: AwareDatetime | None = None


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({"rate": "x"}, {"/rate": "must be a number, or a list"}),
        ({"rate": -1}, {"/rate": "must be 0 or more, or a list"}),
        ({"rate": [1, "x"]}, {"/rate/1": "must be a number"}),
        ({"state": "of"}, {"/state": "must be 'on' or 'off', or must have fields: put `name: value` there"}),
        ({"state": {"kind": "fast"}}, {"/state/speed": "must be given"}),
        ({"way": {"kind": "odd"}}, {"/way": "'kind' must be one of 'fast', 'slow'"}),
        ({"way": {}}, {"/way": "must have the field 'kind'"}),
        ({"way": {"kind": "slow"}}, {"/way/reason": "must be given"}),
        (
            {"way": {"kind": "slow", "reason": "x", "sped": 1}},
            {"/way/sped": "there is no field 'sped' here; there are kind, reason"},
        ),
        ({"by_name": {"a/b": {"kind": "slow"}}}, {"/by_name/a~1b/reason": "must be given"}),
        ({"at": "2026-01-05T09:00:00"}, {"/at": "must be an instant with its offset, as in 2026-01-05T09:00:00+01:00"}),
        ({"fast": 1}, {"/fast": "there is no field 'fast' here; there are rate, state, way, by_name, at"}),
        ([], {"": "must have fields: put `name: value` there"}),
    ],
)
def test_of_a_value_with_several_forms_the_path_stays_the_document_s(document: object, faults: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Sample.model_validate(document)

    assert {fault.path: fault.message for fault in form_faults(refused.value, Sample)} == faults
