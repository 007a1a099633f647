"""For supervisors and administrators: how each provider's address stands, telling a provider our webhook's URL, and
handing to a tenant's system once more what it has taken. What is done is audited before it is done (S10)."""

import builtins
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Final

from contracts.fields import InstantMs
from fastapi import APIRouter, Depends
from gatewaykit.ask import ask
from gatewaykit.directory import Directory
from gatewaykit.domain.provider import HttpReply, NotUnderstoodError, RefusedError
from gatewaykit.replay import Replay
from gatewaykit.secrets import SecretMissingError
from pydantic import BaseModel, ConfigDict, Field
from servicekit.auth import Principal, require
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock, Http, HttpNotSentError, HttpTooLargeError, HttpUnknownError, Ids
from servicekit.problems import ProblemError
from servicekit.telemetry import log

from chat_gateway.carriers import PROVIDERS, AccountIncompleteError, Carried, Carriers, webhook_url
from chat_gateway.domain.records import AuditRow, WebhookNote
from chat_gateway.providers.reading import reply_object, text_in, whole_in
from chat_gateway.settings import ChatSettings
from chat_gateway.store import ChatStore

LOG: Final = log("accounts")
ANSWER_SECONDS: Final = 20.0
ANSWER_BYTES_MAX: Final = 100_000
Manager = Annotated[Principal, Depends(require("supervisor", "admin"))]


class AddressStatus(BaseModel):
    """An address of a provider's channel. No secret is ever shown, only the names under which they are configured."""

    address: str
    channel: str
    provider: str
    account_id: str
    webhook_url: str = Field(description="What the provider has to be told; see `registers`.")
    registers: bool = Field(description="POST .../register tells it; else it is pasted into the provider's console.")
    secrets: dict[str, list[str]] = Field(description="Names by use, as configured.")
    missing: list[str] = Field(description="Uses without a name, or names without a secret.")
    delivered_at_ms: int | None = Field(description="When the last delivery was taken, within some seconds.")
    refused_at_ms: int | None = Field(description="When the last one was refused.")
    refused_because: str | None = Field(description="forged, stale, not_understood or secret_missing")


class AddressStatuses(BaseModel):
    """All of the tenant."""

    addresses: list[AddressStatus]


class Registered(BaseModel):
    """What the provider said."""

    address: str
    webhook_url: str
    registered: bool
    detail: str


class ReplayRequest(BaseModel):
    """Since when, and how far the call before came."""

    model_config = ConfigDict(extra="forbid")

    since_ms: InstantMs = Field(description="What was handed over at this instant or later.")
    after: str = Field(
        "", pattern=r"^([0-9a-f-]{36})?$", description="Both from the answer of the call before; none at first."
    )


class ReplayAnswer(BaseModel):
    """How far this call came."""

    since_ms: int = Field(description="With `after` where the next call goes on.")
    after: str
    taken: int = Field(description="So many were taken again.")
    refused: int = Field(description="So many the system would not have again.")
    ended: bool = Field(description="There is nothing more.")
    wait_ms: int = Field(description="The system answered that it wants no more for so long, or not at all.")


class AccountsApi:
    """Asks nothing of a provider but what it is told to."""

    def __init__(
        self,
        carriers: Carriers,
        directory: Directory,
        store: ChatStore,
        http: Http,
        settings: ChatSettings,
        *,
        replay: Replay,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._carriers = carriers
        self._directory = directory
        self._store = store
        self._http = http
        self._settings = settings
        self._replay = replay
        self._clock = clock
        self._ids = ids

    def router(self) -> APIRouter:
        """Routes under `/chat/v1`."""
        router = APIRouter(tags=["accounts"])
        router.add_api_route("/addresses", self.list, methods=["GET"], summary="How providers' addresses stand")
        router.add_api_route(
            "/addresses/{address:path}/register",
            self.register,
            methods=["POST"],
            summary="Tell the provider where to deliver",
        )
        router.add_api_route(
            "/addresses/{address:path}/replay",
            self.replay,
            methods=["POST"],
            summary="Hand over once more what the tenant's system has taken",
        )
        return router

    async def list(self, manager: Manager) -> AddressStatuses:
        """Of the caller's tenant, in the order of their names."""
        async with self._store.transaction(manager.tenant_id) as tx:
            notes = {note.address: note for note in await tx.webhook_notes(manager.tenant_id)}
        names = sorted(self._directory.accounts_of(manager.tenant_id))
        found = [self._status(name, notes.get(name)) for name in names]
        return AddressStatuses(addresses=[each for each in found if each])

    async def register(self, address: str, manager: Manager) -> Registered:
        """Where the provider has a call for it; repeating it changes nothing."""
        carried = self._carried(address, manager)
        try:
            request = carried.provider.registration(carried.account)
        except RefusedError as error:
            raise ProblemError(409, "cannot_register", str(error)) from error
        if request is None:
            detail = "Paste webhook_url into the provider's console; it cannot be told by a call."
            raise ProblemError(409, "registered_by_hand", detail, webhook_url=carried.account.webhook_url)
        await self._audited(manager, "address.register", address)
        try:
            reply = await ask(self._http, request, timeout_seconds=ANSWER_SECONDS, bytes_max=ANSWER_BYTES_MAX)
        except (HttpNotSentError, HttpUnknownError, HttpTooLargeError) as error:
            raise ProblemError(502, "provider_away", f"The provider did not answer: {type(error).__name__}.") from error
        registered, detail = _said(reply)
        told = {"tenant": manager.tenant_id, "address": address, "by": manager.subject, "registered": registered}
        LOG.info("address_registered", extra=told)
        return Registered(
            address=address, webhook_url=carried.account.webhook_url, registered=registered, detail=detail
        )

    async def replay(self, address: str, wanted: ReplayRequest, manager: Manager) -> ReplayAnswer:
        """At most 200 messages and about 20 seconds of them; what has failed, was reported as delivered, or is older
        than a week is not among them. Only where the same reference is the same message however late: the open
        channel."""
        carried = self._carried(address, manager)
        if not carried.provider.capabilities.replays:
            detail = f"{carried.provider.name} would make two messages of one: nothing can be handed over again."
            raise ProblemError(409, "cannot_replay", detail)
        asked = wanted.model_dump(exclude_defaults=True)
        await self._audited(manager, "address.replay", address, asked)
        line = (manager.tenant_id, address)
        done = await self._replay.step(line, since_ms=wanted.since_ms, after=wanted.after)
        return ReplayAnswer(**asdict(done))

    def _carried(self, address: str, manager: Principal) -> Carried:
        """Raises ProblemError 404 and 503, and what `Carriers.at` raises."""
        found = self._directory.address(address)
        carried = self._carriers.at(address) if found and found[0] == manager.tenant_id else None
        if carried is None:
            if not self._directory.complete:
                raise ProblemError(503, "starting", "The configuration is not read yet.").with_headers(retry_after="1")
            raise ProblemError(404, "address_unknown", "There is no such address of a provider.")
        return carried

    async def _audited(
        self, manager: Principal, action: str, address: str, content: Mapping[str, object] | None = None
    ) -> None:
        row = AuditRow(
            tenant_id=manager.tenant_id,
            audit_id=self._ids.new_id(),
            at_ms=self._clock.now_ms(),
            actor=manager.subject,
            action=action,
            target=address,
            content=content or {},
        )
        async with self._store.transaction(manager.tenant_id) as tx:
            await tx.audit(row)

    def _status(self, address: str, note: WebhookNote | None) -> AddressStatus | None:
        found = self._directory.address(address)
        if found is None or found[1].account is None:
            return None
        configured, account = found[1], found[1].account
        provider = PROVIDERS.get((account.provider, configured.channel))
        if provider is None:
            return None
        return AddressStatus(
            address=address,
            channel=configured.channel,
            provider=account.provider,
            account_id=account.account_id,
            webhook_url=webhook_url(self._settings, address),
            registers=self._registers(address),
            secrets=dict(account.secrets),
            missing=self._missing(address, account.secrets, provider.secrets),
            delivered_at_ms=note.delivered_at_ms if note else None,
            refused_at_ms=note.refused_at_ms if note else None,
            refused_because=note.refused_because if note else None,
        )

    def _registers(self, address: str) -> bool:
        try:
            carried = self._carriers.at(address)
            return carried is not None and carried.provider.registration(carried.account) is not None
        except (RefusedError, RetryLaterError):
            return False

    def _missing(self, address: str, names: Mapping[str, object], wanted: tuple[str, ...]) -> builtins.list[str]:
        missing = [use for use in wanted if use not in names]
        try:
            self._carriers.at(address)
        except SecretMissingError as error:
            missing.append(error.name)
        except AccountIncompleteError:
            pass
        except RetryLaterError as error:
            missing.append(type(error).__name__)
        return missing


def _said(reply: HttpReply) -> tuple[bool, str]:
    """Telegram says `ok`, Viber a `status` of 0 with HTTP 200, others HTTP 200."""
    try:
        body = reply_object(reply) or {}
        wrong = body.get("ok") is False or (whole_in(body, "status") or 0) != 0
        detail = text_in(body, "description") or text_in(body, "status_message") or text_in(body, "message")
    except NotUnderstoodError:
        wrong, detail = False, None
    done = 200 <= reply.status < 300 and not wrong
    return done, (detail or f"HTTP {reply.status}")[:200]
