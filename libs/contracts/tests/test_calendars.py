"""A calendar that could be misread is refused, with a sentence that says what to write instead."""

import datetime
import json
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo, reset_tzpath

import pytest
from contracts.calendars import Calendar
from contracts.configuration_faults import form_faults
from contracts.time_zones import UnknownTimeZoneError, time_zone, time_zone_names
from pydantic import ValidationError

ALWAYS = [["00:00", "24:00"]]


def document(**changes: object) -> bytes:
    calendar: dict[str, object] = {
        "id": "books",
        "domain": "acme.main",
        "time_zone": "Europe/Berlin",
        "weekly": {"mon": [["09:00", "12:00"], ["12:00", "17:30"]], "sat": ALWAYS},
        "exceptions": [{"date": "2026-12-25", "name": "Christmas"}],
    }
    return json.dumps(calendar | changes).encode()


def faults(**changes: object) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as refused:
        Calendar.model_validate_json(document(**changes), strict=True)
    return [(fault.path, fault.message) for fault in form_faults(refused.value, Calendar)]


def fault_of(*day: list[str]) -> str:
    ((path, message),) = faults(weekly={"mon": day})
    assert path.startswith("/weekly/mon")
    return message


def test_a_calendar_is_read_as_a_configuration_is_and_days_left_out_are_closed() -> None:
    calendar = Calendar.model_validate_json(document(), strict=True)

    assert calendar.weekly.mon == [("09:00", "12:00"), ("12:00", "17:30")]
    assert calendar.weekly.sun == []
    assert calendar.exceptions[0].date == datetime.date(2026, 12, 25)
    assert calendar.exceptions[0].hours == []


def test_a_published_record_reads_back_the_same() -> None:
    calendar = Calendar.model_validate_json(document(), strict=True)

    assert Calendar.model_validate(calendar.model_dump(mode="json") | {"newer": 1}, extra="ignore") == calendar


@pytest.mark.parametrize("interval", [["22:00", "06:00"], ["22:00", "00:00"], ["09:00", "09:00"], ["24:00", "24:00"]])
def test_an_interval_that_ends_before_it_begins_is_refused_and_a_night_shift_explained(interval: list[str]) -> None:
    message = fault_of(interval)

    assert 'a night shift is two intervals: ["22:00", "24:00"] on its day and ["00:00", "06:00"] on the next' in message


@pytest.mark.parametrize("time", ["9:00", "24:01", "25:00", "12:60", "12", "12:00:00", "noon", "12:00\n"])
def test_what_is_no_time_of_a_day_is_refused(time: str) -> None:
    assert faults(weekly={"mon": [["00:00", time]]})[0][0] == "/weekly/mon/0/1"


@pytest.mark.parametrize(
    "day",
    [
        [["09:00", "12:00"], ["11:59", "17:00"]],
        [["13:00", "17:00"], ["09:00", "12:00"]],
        [["09:00", "17:00"], ["09:00", "17:00"]],
    ],
)
def test_intervals_that_overlap_or_stand_out_of_order_are_refused(day: list[list[str]]) -> None:
    assert "must stand in order and not overlap" in fault_of(*day)


def test_a_day_has_at_most_24_intervals_and_a_calendar_1000_exceptions() -> None:
    hours = [[f"{n:02}:00", f"{n:02}:30"] for n in range(24)]
    days = [{"date": str(datetime.date(2026, 1, 1) + datetime.timedelta(n)), "name": "Day"} for n in range(1001)]

    assert Calendar.model_validate_json(document(weekly={"mon": hours}, exceptions=days[:1000]), strict=True)
    assert "at most 24 items" in fault_of(*hours, ["23:30", "24:00"])
    assert "at most 1000 items" in faults(exceptions=days)[0][1]


def test_a_date_has_one_exception() -> None:
    twice = [{"date": "2026-12-25", "name": "Christmas"}, {"date": "2026-12-25", "name": "Sale", "hours": ALWAYS}]

    assert faults(exceptions=twice) == [("/exceptions", "2026-12-25 stands twice; a date has one exception")]


@pytest.mark.parametrize("date", ["2026-02-30", "25.12.2026", "2026-12-25T10:00:00Z", 20260101])
def test_what_is_no_date_is_refused(date: object) -> None:
    assert faults(exceptions=[{"date": date, "name": "Odd"}])[0][0] == "/exceptions/0/date"


@pytest.mark.parametrize("name", ["Europe/Berln", "europe/berlin", "CEST", "+01:00", "../zones", "", "Europe"])
def test_a_time_zone_that_the_database_does_not_have_is_refused(name: str) -> None:
    ((path, message),) = faults(time_zone=name)

    assert path == "/time_zone"
    assert message.startswith("there is no time zone of this name in the IANA database; write it as in Europe/Berlin")
    with pytest.raises(UnknownTimeZoneError):
        time_zone(name)


def test_a_day_of_the_week_is_named_by_three_letters() -> None:
    assert faults(weekly={"monday": ALWAYS})[0][0] == "/weekly/monday"


def test_every_zone_of_the_database_can_be_read_by_its_name() -> None:
    assert {"UTC", "Europe/Berlin", "Asia/Kathmandu", "Pacific/Apia"} <= time_zone_names()
    assert [name for name in time_zone_names() if time_zone(name).key != name] == []


def test_a_zone_comes_from_the_pinned_wheel_whatever_the_machine_has(tmp_path: Path) -> None:
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe/Berlin").write_bytes(files("tzdata").joinpath("zoneinfo/Asia/Kathmandu").read_bytes())
    noon = datetime.datetime(2026, 6, 1, 12)  # noqa: DTZ001  # a wall clock's: each zone is added below
    reset_tzpath([str(tmp_path)])
    try:
        ZoneInfo.clear_cache()
        time_zone.cache_clear()
        machine, wheel = ZoneInfo("Europe/Berlin").utcoffset(noon), time_zone("Europe/Berlin").utcoffset(noon)
    finally:
        reset_tzpath()
        ZoneInfo.clear_cache()

    assert (str(machine), str(wheel)) == ("5:45:00", "2:00:00")
