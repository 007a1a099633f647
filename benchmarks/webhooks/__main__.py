"""What a provider's delivery costs, against a stock FastAPI endpoint that only validates its JSON and returns.

Every delivery is new, is one customer's text, and is signed as the simulated provider signs
(`centralino.providers`). Two questions:

`read`: what provider files do, in CPU time of this process: signature and items of one delivery, against pydantic's
`model_validate_json` of the same body, which checks no signature.
Over HTTP, each arm a process: `ours` is the chat gateway as it runs in production on real PostgreSQL and Valkey: the
2xx comes when message and interaction are committed. Its loops run too, and their CPU time counts until the outbox
is empty; its log answers at once, so Kafka is in no figure. `stock` is FastAPI as its documentation teaches it, on
uvicorn with uvloop and httptools; it keeps nothing. PostgreSQL's own CPU time stands beside ours.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import parse_qsl

import uvloop
from chat_gateway.providers.line import Line
from chat_gateway.providers.messenger import Messenger
from chat_gateway.providers.slack import Slack
from chat_gateway.providers.telegram import Telegram
from chat_gateway.providers.twilio import TwilioSms
from chat_gateway.providers.viber import Viber
from chat_gateway.providers.whatsapp import WhatsApp
from gatewaykit.domain.provider import Provider, Received
from pydantic import BaseModel
from servicekit.system import SystemClock
from servicekit.testing.databases import migrated
from servicekit.testing.parts import part

from benchmarks.report import Report
from benchmarks.webhooks import models
from benchmarks.webhooks.customers import Customers, as_request, given
from benchmarks.webhooks.servers import Figures, load, serve, served

ROUNDS: Final = 10
DELIVERIES: Final = 200
"""Of one arm in one round."""
ARMS: Final = ("ours", "stock")
PROVIDERS: Final[Mapping[str, tuple[Provider, type[BaseModel]]]] = {
    "whatsapp": (WhatsApp(), models.WhatsAppDelivery),
    "messenger": (Messenger(), models.MessengerDelivery),
    "telegram": (Telegram(), models.TelegramDelivery),
    "twilio-sms": (TwilioSms(), models.TwilioForm),
    "slack": (Slack(), models.SlackDelivery),
    "line": (Line(), models.LineDelivery),
    "viber": (Viber(), models.ViberDelivery),
}
"""By the simulator's name, which is the address too."""


def main() -> None:
    """Measure, print, and write `build/bench/webhooks.jsonl`; as `serve <arm> <file>` be one of the servers."""
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(sys.argv[2], json.loads(Path(sys.argv[3]).read_text())))
        return
    report = Report("webhooks")
    customers = {name: Customers(name) for name in PROVIDERS}
    for each in customers.values():
        read(report, each)
    with TemporaryDirectory() as folder, part("postgres") as admin_url, part("redis") as redis_url:
        asyncio.run(measure(report, customers, Path(folder), admin_url, redis_url))


def read(report: Report, customers: Customers) -> None:
    """The pure part, in turn with pydantic's."""
    provider, model = PROVIDERS[customers.name]
    account, clock = customers.account, SystemClock()
    costs: dict[str, list[float]] = {"ours": [], "validated": []}
    for _ in range(ROUNDS):
        parcels, now_ms = customers.deliveries(DELIVERIES), clock.now_ms()
        requests = [as_request(parcel) for parcel in parcels]
        began = time.process_time()
        for request in requests:
            provider.verify(request, account, now_ms=now_ms)
            (item,) = provider.parse(request, account, now_ms=now_ms)
            assert isinstance(item, Received)
        costs["ours"].append((time.process_time() - began) / DELIVERIES * 1e6)
        began = time.process_time()
        for parcel in parcels:
            validated(model, parcel.body)
        costs["validated"].append((time.process_time() - began) / DELIVERIES * 1e6)
    for arm, values in costs.items():
        report.write(f"webhooks.{customers.name}.read.{arm}", median(values), "us", values=values)
    ratios = [theirs / ours for ours, theirs in zip(costs["ours"], costs["validated"], strict=True)]
    report.write(f"webhooks.{customers.name}.read.over_validated", median(ratios), "x", values=ratios)


def validated(model: type[BaseModel], body: bytes) -> BaseModel:
    """Twilio sends a form."""
    if model is models.TwilioForm:
        return model.model_validate(dict(parse_qsl(body.decode())))
    return model.model_validate_json(body)


async def measure(
    report: Report, customers: Mapping[str, Customers], folder: Path, admin_url: str, redis_url: str
) -> None:
    """Both arms in turn, ROUNDS times for each provider."""
    async with migrated(admin_url, "chat_gateway") as kept, load(admin_url) as sent, AsyncExitStack() as stack:
        told = given(folder, customers.values(), kept.application_url, redis_url)
        (folder / "given").write_text(json.dumps(told))
        servers = {arm: stack.enter_context(served(arm, folder / "given")) for arm in ARMS}
        for server in servers.values():
            await sent.ready(server, customers["whatsapp"].deliveries(1)[0])
        for name, each in customers.items():
            rounds: dict[str, list[Figures]] = {arm: [] for arm in ARMS}
            for number in range(-1, ROUNDS):  # the first warms everything up, and opens the conversations
                for arm in ARMS if number % 2 else reversed(ARMS):
                    figures = await sent.measured(servers[arm], each.deliveries(DELIVERIES))
                    if number >= 0:
                        rounds[arm].append(figures)
            tell(report, name, rounds)
        if await sent.kept() != 1 + len(customers) * (ROUNDS + 1) * DELIVERIES:
            raise AssertionError("the chat gateway keeps other messages than it has acknowledged")


def tell(report: Report, name: str, rounds: Mapping[str, Sequence[Figures]]) -> None:
    """Each arm's figures, then ours over the stock endpoint, round by round."""
    for arm, found in rounds.items():
        for figure, unit in (("per_second", "1/s"), ("p99_ms", "ms"), ("cpu_us", "us"), ("postgres_us", "us")):
            values = [getattr(figures, figure) for figures in found]
            report.write(f"webhooks.{name}.{arm}.{figure}", median(values), unit, values=values)
        values = [1e6 / figures.cpu_us for figures in found]
        report.write(f"webhooks.{name}.{arm}.per_core", median(values), "1/s", values=values)
    pairs = list(zip(rounds["ours"], rounds["stock"], strict=True))
    report.compare(f"webhooks.{name}.over_stock", pairs, rate="per_second", cost="cpu_us", goals=("", ""))


if __name__ == "__main__":
    main()
