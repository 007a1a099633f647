"""The control API: the same for every provider, for people and tests."""

import base64
import binascii
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from centralino.providers.catalogue import configuration
from centralino.providers.deliveries import How, Signature
from centralino.providers.people import Customer, File, Message, since
from centralino.providers.simulated import Fault, FaultKind, Simulated, Words
from centralino.providers.vendor import Template, UnableError

WAIT_MS_MAX: Final = 60_000
ANSWERED_MAX: Final = 500
Key = Annotated[str, Field(max_length=200)]
Told = dict[str, Any]  # Any: JSON of many shapes, that only a browser or a test reads


class Asking(BaseModel):
    """A body of the control API."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Upload(Asking):
    """A file, its bytes in base64."""

    name: Key = "file.bin"
    mime: Key = "application/octet-stream"
    content: Annotated[str, Field(max_length=90_000_000)]


class Delivered(Asking):
    """How the event is told: see `How`."""

    signature: Signature = "right"
    age_seconds: int = 0
    copies: Annotated[int, Field(ge=1, le=100)] = 1
    delay_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 0

    def how(self) -> How:
        """As deliveries take it."""
        return How(**self.model_dump())


class Say(Asking):
    """`customer`: id, phone number or name; somebody new if nobody has it. `phone`: empty for somebody without."""

    customer: Key | None = None
    name: Key | None = None
    phone: Key | None = None
    text: Annotated[str, Field(max_length=100_000)] = ""
    file: Upload | None = None
    location: tuple[float, float] | None = None
    reaction: Key | None = None
    button: Key | None = None
    """Its payload; `text` is what stands on it."""
    reply_to: Annotated[str, Field(max_length=500)] | None = None
    delivery: Delivered = Delivered()


class Change(Asking):
    """Of a customer's message (`edit`, `unsend`), or of one of the centre (`status`)."""

    message_id: Annotated[str, Field(max_length=500)]
    text: Annotated[str, Field(max_length=100_000)] = ""
    status: Literal["sent", "delivered", "read", "failed"] = "delivered"
    code: Key | None = None
    delivery: Delivered = Delivered()


class Someone(Asking):
    """Who it is, and what is to be different."""

    customer: Key | None = None
    name: Key | None = None
    phone: Key | None = None
    blocked: bool | None = None
    wrote_seconds_ago: Annotated[int, Field(ge=0)] | None = None
    """Moves the customer's last word: beyond the vendor's window it is closed."""


class Faults(Asking):
    """What the next `count` sends meet."""

    kind: FaultKind
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    accepted: bool = False
    after_seconds: Annotated[int, Field(ge=0, le=3600)] = 1
    hold_ms: Annotated[int, Field(ge=0, le=600_000)] = 30_000


class Approved(Asking):
    """A template."""

    name: Key
    language: Key = "en"
    variables: Annotated[int, Field(ge=0, le=100)] = 0


class Settings(Asking):
    """What is to be different; the rest stays. See `Simulation`."""

    webhook_url: Annotated[str, Field(max_length=2000)] | None = None
    statuses: list[Literal["sent", "delivered", "read", "failed"]] | None = None
    status_delay_ms: Annotated[int, Field(ge=0, le=3_600_000)] | None = None
    duplicate_share: Annotated[float, Field(ge=0, le=1)] | None = None
    shuffle_within_ms: Annotated[int, Field(ge=0, le=3_600_000)] | None = None
    batch_max: Annotated[int, Field(ge=1, le=1000)] | None = None
    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    retries: bool | None = None
    time_scale: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    late_refusals: bool | None = None
    rates: bool | None = None
    media_seconds: Annotated[float, Field(ge=0, le=604_800)] | None = None
    templates: list[Approved] | None = None


class Raw(Asking):
    """An event as the vendor's documents say it, without its envelope's account."""

    body: dict[str, Any]  # Any: whatever is to be tried
    delivery: Delivered = Delivered()


class Controlled:
    """The simulated providers by name."""

    def __init__(self, simulated: dict[str, Simulated]) -> None:
        self.simulated = simulated

    async def one(self, provider: Annotated[str, Path(max_length=50)]) -> Simulated:
        """Of the path; 404 if it is not simulated here."""
        if provider not in self.simulated:
            raise HTTPException(404, f"{provider} is not simulated here: {', '.join(self.simulated)} are")
        return self.simulated[provider]


def router_of(controlled: Controlled) -> APIRouter:
    """Everything under `/simulator`."""
    router = APIRouter(prefix="/simulator")
    one = Annotated[Simulated, Depends(controlled.one)]
    _add_reading(router, controlled, one)
    _add_customers(router, one)
    _add_messages(router, one)
    _add_trouble(router, one)
    return router


def _add_reading(router: APIRouter, controlled: Controlled, one: Any) -> None:  # Any: an annotation as a value
    @router.get("")
    async def providers() -> list[Told]:
        """Every simulated provider."""
        return [_about(each) for each in controlled.simulated.values()]

    @router.get("/{provider}")
    async def provider(simulated: one) -> Told:
        """What it can do, where its API is, its secrets, its settings."""
        return _about(simulated)

    @router.get("/{provider}/messages")
    async def messages(
        simulated: one, after: int = 0, wait_ms: int = 0, customer: str | None = None, side: str = "both"
    ) -> Told:
        """What was said after that number, by `customers`, by the `centre` or by both; waits for the first."""
        key = None if customer is None else simulated.somebody(customer).id

        def look() -> list[Message]:
            each = [one for one in since(simulated.world.messages, after) if key in (None, one.customer)]
            return [one for one in each if side == "both" or one.from_customer == (side == "customers")]

        found = (await simulated.world.until(look, min(wait_ms, WAIT_MS_MAX)))[:ANSWERED_MAX]
        return {"messages": [_message(one) for one in found], "next": found[-1].number if found else after}

    @router.get("/{provider}/deliveries")
    async def deliveries(
        simulated: one, after: int = 0, wait_ms: int = 0, delivery: int | None = None, idle: bool = False
    ) -> Told:
        """Attempts of delivering after that number; with `idle` it waits until nothing is left to deliver."""

        def look() -> list[Any]:  # Any: Told of deliveries
            if idle and simulated.deliveries.waiting:
                return []
            told = since(simulated.deliveries.told, after)
            return [each for each in told if (delivery is None or delivery in each.deliveries)]

        found = (await simulated.world.until(look, min(wait_ms, WAIT_MS_MAX)))[:ANSWERED_MAX]
        told = [asdict(each) for each in found]
        last = found[-1].number if found else after
        return {"deliveries": told, "next": last, "waiting": simulated.deliveries.waiting}

    @router.get("/{provider}/calls")
    async def calls(simulated: one, after: int = 0, wait_ms: int = 0) -> Told:
        """What the vendor's API was asked after that number; waits for the first."""

        def look() -> list[Any]:  # Any: Asked
            return since(simulated.calls, after)

        found = (await simulated.world.until(look, min(wait_ms, WAIT_MS_MAX)))[:ANSWERED_MAX]
        return {"calls": [asdict(each) for each in found], "next": found[-1].number if found else after}


def _add_customers(router: APIRouter, one: Any) -> None:  # Any: an annotation as a value
    @router.get("/{provider}/customers")
    async def customers(simulated: one) -> list[Told]:
        """Everybody, at most 500, who came last first."""
        return [_customer(each, simulated) for each in reversed([*simulated.world.customers.values()][-ANSWERED_MAX:])]

    @router.post("/{provider}/customers")
    async def customer(simulated: one, asked: Someone) -> Told:
        """Make somebody, or change them: blocked, when they last wrote."""
        found = simulated.somebody(asked.customer, name=asked.name, phone=asked.phone)
        numbers: list[int] = []
        if asked.wrote_seconds_ago is not None:
            found.wrote_at_ms = simulated.world.now_ms() - asked.wrote_seconds_ago * 1000
        if asked.blocked is not None and asked.blocked != found.blocked:
            numbers = _able(lambda: simulated.block(found, blocked=bool(asked.blocked)))
        return {**_customer(found, simulated), "deliveries": numbers}


def _add_messages(router: APIRouter, one: Any) -> None:  # Any: an annotation as a value
    @router.post("/{provider}/say")
    async def say(simulated: one, asked: Say) -> Told:
        """A customer says something."""
        if not (asked.text.strip() or asked.file or asked.location or asked.reaction or asked.button):
            raise HTTPException(422, "say something: `text`, a `file`, a `location`, a `reaction` or a `button`")
        customer = simulated.somebody(asked.customer, name=asked.name, phone=asked.phone)
        words = Words(
            text=asked.text,
            file=None if asked.file is None else _kept(simulated, asked.file),
            location=asked.location,
            emoji=asked.reaction,
            payload=asked.button,
            reply_to=asked.reply_to,
        )
        message, numbers = _able(lambda: simulated.say(customer, words, asked.delivery.how()))
        return {**_message(message), "deliveries": numbers}

    @router.post("/{provider}/echo")
    async def echo(simulated: one, asked: Say) -> Told:
        """Somebody of the centre answers in the vendor's own inbox."""
        if not asked.text.strip():
            raise HTTPException(422, "say something: `text`")
        customer = simulated.somebody(asked.customer, name=asked.name, phone=asked.phone)
        message, numbers = _able(lambda: simulated.echo(customer, asked.text, asked.delivery.how()))
        return {**_message(message), "deliveries": numbers}

    @router.post("/{provider}/edit")
    async def edit(simulated: one, asked: Change) -> Told:
        """A customer changes what they said."""
        message = _found(simulated, asked.message_id)
        return {"deliveries": _able(lambda: simulated.edit(message, asked.text, asked.delivery.how()))}

    @router.post("/{provider}/unsend")
    async def unsend(simulated: one, asked: Change) -> Told:
        """A customer takes back what they said."""
        message = _found(simulated, asked.message_id)
        return {"deliveries": _able(lambda: simulated.unsend(message, asked.delivery.how()))}

    @router.post("/{provider}/status")
    async def status(simulated: one, asked: Change) -> Told:
        """A status of a message of the centre: `read`, or `failed` with the vendor's code."""
        message = _found(simulated, asked.message_id)
        if message.from_customer:
            raise HTTPException(409, "that is a customer's message")
        how = asked.delivery.how()
        return {"deliveries": _able(lambda: simulated.report(message, asked.status, asked.code, how))}

    @router.post("/{provider}/raw")
    async def raw(simulated: one, asked: Raw) -> Told:
        """An event of your own making, signed as the vendor signs."""
        return {"deliveries": _able(lambda: simulated.raw(asked.body, asked.delivery.how()))}


def _add_trouble(router: APIRouter, one: Any) -> None:  # Any: an annotation as a value
    @router.post("/{provider}/faults")
    async def faults(simulated: one, asked: Faults) -> Told:
        """What the next sends meet."""
        fault = Fault(**asked.model_dump(exclude={"count"}))
        simulated.faults.extend([fault] * min(asked.count, 10_000 - len(simulated.faults)))
        return {"faults": len(simulated.faults)}

    @router.delete("/{provider}/faults")
    async def no_faults(simulated: one) -> Told:
        """Nothing goes wrong any more."""
        simulated.faults.clear()
        return {"faults": 0}

    @router.patch("/{provider}/settings")
    async def settings(simulated: one, asked: Settings) -> Told:
        """Change what is given."""
        for name in asked.model_fields_set - {"templates"}:
            if (value := getattr(asked, name)) is not None:
                setattr(simulated.simulation, name, value)
        if asked.templates is not None:
            simulated.vendor.templates = [Template(**each.model_dump()) for each in asked.templates]
        return _about(simulated)

    @router.post("/{provider}/handshake")
    async def handshake(simulated: one) -> Told:
        """Ask the webhook as the vendor does before it trusts it; `fault` says what was wrong."""
        try:
            fault = await simulated.vendor.handshake(simulated.simulation.webhook_url)
        except UnableError as error:
            raise HTTPException(409, str(error)) from error
        return {"fault": fault}

    @router.post("/{provider}/reset")
    async def reset(simulated: one) -> Told:
        """As it was at the start."""
        await simulated.reset()
        return _about(simulated)


def _able(act: Any) -> Any:  # Any: whatever the act returns
    try:
        return act()
    except UnableError as error:
        raise HTTPException(409, str(error)) from error


def _found(simulated: Simulated, message_id: str) -> Message:
    message = simulated.world.message(message_id)
    if message is None:
        raise HTTPException(404, "there is no such message")
    return message


def _kept(simulated: Simulated, upload: Upload) -> File:
    try:
        content = base64.b64decode(upload.content, validate=True)
    except binascii.Error as error:
        raise HTTPException(422, "`content` is not base64") from error
    return simulated.kept(upload.name, upload.mime, content)


def _about(simulated: Simulated) -> Told:
    vendor = simulated.vendor
    return {
        "name": vendor.name,
        "title": vendor.title,
        "can": sorted(vendor.can),
        "api_url": simulated.base_url,
        "account_id": vendor.account_id,
        "address": vendor.address,
        "secrets": vendor.secrets,
        "settings": asdict(simulated.simulation),
        "templates": [asdict(each) for each in vendor.templates],
        "configuration": configuration(vendor),
        "customers": len(simulated.world.customers),
        "waiting": simulated.deliveries.waiting,
        "faults": len(simulated.faults),
    }


def _customer(customer: Customer, simulated: Simulated) -> Told:
    return {**asdict(customer), "window_open": simulated.vendor.window_is_open(customer)}


SHOWN: Final = (
    *("number", "id", "customer", "from_customer", "at_ms", "text", "location", "emoji", "payload"),
    *("reply_to", "reference", "template", "status"),
)
"""Of a message."""


def _message(message: Message) -> Told:
    told = {name: getattr(message, name) for name in SHOWN}
    file = message.file
    if file is not None:
        told["file"] = {"name": file.name, "mime": file.mime, "size_bytes": len(file.content), "sha256": file.sha256}
    return told
