"""The world's time zones as the pinned `tzdata` wheel has them, never as the machine does.

`zoneinfo.ZoneInfo(name)` reads the machine's own files first, so that two engines could differ about when a queue
opens. Here the data are code: the same release, pinned with its hash, everywhere (docs/decisions/0018-time-zones.md).
"""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


class UnknownTimeZoneError(ValueError):
    """The pinned release of the IANA database has no time zone of this name; names are like Europe/Berlin."""


@cache
def time_zone_names() -> frozenset[str]:
    """Every name of the IANA database, old ones that are links included."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@cache
def time_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name. It cannot be pickled or copied deeply: keep the name. Raises UnknownTimeZoneError."""
    if name not in time_zone_names():
        raise UnknownTimeZoneError(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
