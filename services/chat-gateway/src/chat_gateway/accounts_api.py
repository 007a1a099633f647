"""For supervisors and administrators: how each provider's address stands, and telling a provider our webhook's URL."""

import builtins
from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter
from gatewaykit.ask import ask
from gatewaykit.directory import Directory
from gatewaykit.domain.provider import HttpReply, NotUnderstoodError, RefusedError
from gatewaykit.secrets import SecretMissingError
from pydantic import BaseModel, Field
from servicekit.errors import RetryLaterError
from servicekit.ports import Http, HttpNotSentError, HttpTooLargeError, HttpUnknownError
from servicekit.problems import ProblemError
from servicekit.telemetry import log

from chat_gateway.account_acts import AccountActs, Manager
from chat_gateway.carriers import PROVIDERS, AccountIncompleteError, Carriers, webhook_url
from chat_gateway.domain.records import WebhookNote
from chat_gateway.providers.reading import reply_object, text_in, whole_in
from chat_gateway.settings import ChatSettings
from chat_gateway.store import ChatStore
from chat_gateway.tenant_systems import TenantSystems

LOG: Final = log("accounts")
ANSWER_SECONDS: Final = 20.0
ANSWER_BYTES_MAX: Final = 100_000


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
    stopped_at_ms: int | None = Field(
        description="Since when nothing is sent, because the tenant's system answered 410: messages fail with `gone` "
        "until POST .../resume, or until the account has another `url`."
    )


class AddressStatuses(BaseModel):
    """All of the tenant."""

    addresses: list[AddressStatus]


class Registered(BaseModel):
    """What the provider said."""

    address: str
    webhook_url: str
    registered: bool
    detail: str


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
        acts: AccountActs,
        systems: TenantSystems,
    ) -> None:
        self._carriers = carriers
        self._directory = directory
        self._store = store
        self._http = http
        self._settings = settings
        self._acts = acts
        self._systems = systems

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
        return router

    async def list(self, manager: Manager) -> AddressStatuses:
        """Of the caller's tenant, in the order of their names."""
        async with self._store.transaction(manager.tenant_id) as tx:
            notes = {note.address: note for note in await tx.webhook_notes(manager.tenant_id)}
        stopped = await self._systems.stopped_since(manager.tenant_id)
        names = sorted(self._directory.accounts_of(manager.tenant_id))
        found = [self._status(name, notes.get(name), stopped.get(name)) for name in names]
        return AddressStatuses(addresses=[each for each in found if each])

    async def register(self, address: str, manager: Manager) -> Registered:
        """Where the provider has a call for it; repeating it changes nothing."""
        carried = self._acts.carried(address, manager)
        try:
            request = carried.provider.registration(carried.account)
        except RefusedError as error:
            raise ProblemError(409, "cannot_register", str(error)) from error
        if request is None:
            detail = "Paste webhook_url into the provider's console; it cannot be told by a call."
            raise ProblemError(409, "registered_by_hand", detail, webhook_url=carried.account.webhook_url)
        await self._acts.audit(manager, "address.register", address)
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

    def _status(self, address: str, note: WebhookNote | None, stopped_at_ms: int | None) -> AddressStatus | None:
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
            stopped_at_ms=stopped_at_ms,
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
