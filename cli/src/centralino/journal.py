"""`centralino journal rerun`: decide a stretch of the journal again and compare."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from contracts.topics import ROUTING_JOURNAL
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from router.engine.errors import JournalDamagedError, JournalGapError
from router.engine.rerun import Report, rerun
from servicekit.errors import SettingsError
from servicekit.kafka import KafkaLog
from servicekit.kafka_security import KafkaSecuritySettings
from servicekit.ports import LogAwayError, LogFactory, OffsetGoneError
from servicekit.settings import PREFIX, read_settings
from servicekit.telemetry import Telemetry

from centralino.home import FolderRefusedError, Home

KAFKA_SECONDS: Final = 10.0
EXIT_DIFFERENT: Final = 1
EXIT_TROUBLE: Final = 2
FACT_CHARACTERS_MAX: Final = 4000
TROUBLE: Final = (JournalDamagedError, JournalGapError, LogAwayError, OffsetGoneError)


class JournalSettings(KafkaSecuritySettings):
    """From the environment, prefix `CENTRALINO_`; without brokers the embedded stack's are asked."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap: str | None = Field(None, description="Kafka brokers, host:port, comma-separated.")


def add_journal(commands: Any, add_data: Callable[[argparse.ArgumentParser], object]) -> None:  # Any: argparse's own
    """Add `journal` to the command line; `add_data` adds the option that names the data folder."""
    parser = commands.add_parser("journal", help="the router's journal: decide a stretch of it again")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    text = "decide a stretch of the journal again, with this release, and compare fact by fact (docs/explain.md)"
    again = actions.add_parser("rerun", help=text, description=text)
    again.add_argument("--partition", type=int, metavar="P", help="default: each one")
    again.add_argument("--from", dest="start", type=int, metavar="OFFSET", help="default: what the journal still has")
    again.add_argument("--to", dest="end", type=int, metavar="OFFSET", help="up to before it; default: the end")
    again.add_argument("--kafka", metavar="URL", help="brokers; default: CENTRALINO_KAFKA_BOOTSTRAP, else the stack's")
    add_data(again)
    again.set_defaults(run=_rerun)


def _rerun(options: argparse.Namespace, _: object) -> int:
    try:
        settings = read_settings(JournalSettings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_TROUBLE
    brokers = options.kafka or settings.kafka_bootstrap or _brokers_of_stack(options.data)
    if brokers is None:
        print(f"No stack runs on the data in {options.data}: start one, or name brokers by --kafka.", file=sys.stderr)
        return EXIT_TROUBLE
    log = KafkaLog(
        brokers.removeprefix("kafka://"),
        client_id="centralino-journal",
        delivery_timeout_seconds=KAFKA_SECONDS,
        telemetry=Telemetry("centralino-journal"),
        security=settings.kafka_security(),
    )
    return asyncio.run(rerun_all(log, options.partition, start=options.start, end=options.end))


async def rerun_all(log: LogFactory, partition: int | None, *, start: int | None, end: int | None) -> int:
    """Say what the partition's journal is compared with itself, or each one's; the exit code."""
    if start is not None and end is not None and start >= end:
        return _trouble(f"--from {start} is not before --to {end}: nothing stands between them.")
    try:
        async with log.admin() as admin:
            count = await admin.partitions_of(ROUTING_JOURNAL.name)
    except LogAwayError as error:
        return _trouble(str(error))
    if count == 0:
        return _trouble(f"There is no topic {ROUTING_JOURNAL.name}: is this the router's Kafka?")
    if partition is not None and not 0 <= partition < count:
        return _trouble(f"There is no partition {partition}: those of {ROUTING_JOURNAL.name} are 0 to {count - 1}.")
    code, decisions = 0, 0
    for each in range(count) if partition is None else [partition]:
        try:
            report = await rerun(log, each, start=start, end=end)
        except TROUBLE as error:
            return _trouble(f"partition {each}: {type(error).__name__}: {error}")
        print("\n".join(lines_of(each, report)), flush=True)
        code = EXIT_DIFFERENT if report.difference is not None else code
        decisions += report.decisions
    return code if decisions else _trouble("Nothing was decided again, so nothing was compared.")


def _trouble(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return EXIT_TROUBLE


def lines_of(partition: int, report: Report) -> list[str]:
    """What was found. Facts hold no personal data; what inputs held is never shown."""
    difference = report.difference
    verdict = "identical" if difference is None else "DIFFERENT"
    if report.decisions == 0:
        first, end = report.journal
        verdict = f"nothing to compare in the offsets asked for; the journal has {first} to {end - 1}"
        verdict = "nothing to compare: the journal is empty" if first == end else verdict
    counted = f"{report.batches} batches, {report.decisions} decisions, {report.facts} facts"
    lines = [f"partition {partition}: {counted}: {verdict}"]
    lines += [f"  not decided again: {count} {what}" for what, count in sorted(report.skipped.items())]
    if difference is not None:
        lines.append(f"  offset {difference.offset}, input {difference.source}, its fact {difference.number}")
        lines.append(f"  recorded: {_shortened(difference.recorded)}")
        lines.append(f"  now:      {_shortened(difference.decided)}")
    return lines


def _shortened(fact: str | None) -> str:
    return "no such fact" if fact is None else fact[:FACT_CHARACTERS_MAX]


def _brokers_of_stack(data: Path) -> str | None:
    try:
        home = Home.open(data) if data.expanduser().exists() else None
    except FolderRefusedError:
        return None
    state = home.state() if home is not None else None
    return state.addresses.get("kafka") if state is not None and state.running() else None
