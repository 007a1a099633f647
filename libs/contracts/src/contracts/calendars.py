"""When a part of a tenant is open: a week of hours in a time zone, and the days that differ."""

import datetime
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from contracts.fields import Code, Id
from contracts.part import Label, Part
from contracts.time_zones import time_zone_names

TimeOfDay = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
"""A time on the wall clock, `HH:MM`; `24:00` is the end of the day."""


def _forward(interval: tuple[str, str]) -> tuple[str, str]:
    begins, ends = interval
    if begins >= ends:
        raise PydanticCustomError(
            "interval",
            "an interval must end after it begins, at the latest at 24:00; a night shift is two intervals: "
            '["22:00", "24:00"] on its day and ["00:00", "06:00"] on the next',
        )
    return interval


def _in_order(intervals: list[tuple[str, str]]) -> list[tuple[str, str]]:
    for (_, ends), (begins, _) in pairwise(intervals):
        if begins < ends:
            raise PydanticCustomError(
                "intervals",
                "the intervals of a day must stand in order and not overlap; one may begin when another ends",
            )
    return intervals


def _known(name: str) -> str:
    if name not in time_zone_names():
        raise PydanticCustomError(
            "time_zone", "there is no time zone of this name in the IANA database; write it as in Europe/Berlin, or UTC"
        )
    return name


Interval = Annotated[tuple[TimeOfDay, TimeOfDay], AfterValidator(_forward)]
"""`["09:00", "17:00"]`: open from the first minute on, closed from the second on."""

DayHours = Annotated[list[Interval], Field(max_length=24), AfterValidator(_in_order)]
"""The intervals of one day, in order; none: closed all day."""

TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known)]
"""A name of the IANA database: `Europe/Berlin`."""


class Week(Part):
    """The hours of each day of the week; a day that is left out is closed."""

    mon: DayHours = Field(default_factory=list)
    tue: DayHours = Field(default_factory=list)
    wed: DayHours = Field(default_factory=list)
    thu: DayHours = Field(default_factory=list)
    fri: DayHours = Field(default_factory=list)
    sat: DayHours = Field(default_factory=list)
    sun: DayHours = Field(default_factory=list)


class CalendarException(Part):
    """A date that differs: its hours stand in place of the whole day, midnight to midnight, of the week's hours."""

    date: datetime.date
    name: Label
    hours: DayHours = Field(default_factory=list)
    """None: a holiday."""


def _once_each(exceptions: list[CalendarException]) -> list[CalendarException]:
    seen: set[datetime.date] = set()
    for exception in exceptions:
        if exception.date in seen:
            raise PydanticCustomError(
                "exceptions", "{date} stands twice; a date has one exception", {"date": exception.date.isoformat()}
            )
        seen.add(exception.date)
    return exceptions


class Calendar(Part):
    """Opening hours. Who names a calendar has its hours and no others: they do not add up, and none is the default.

    Times are those of the wall clock in `time_zone`, so hours keep their times when daylight saving begins or ends.
    """

    id: Code
    domain: Id
    time_zone: TimeZone
    weekly: Week
    exceptions: Annotated[list[CalendarException], Field(max_length=1000), AfterValidator(_once_each)] = Field(
        default_factory=list
    )
