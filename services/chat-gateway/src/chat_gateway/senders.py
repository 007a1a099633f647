"""Hands parts to providers: reads what they need, asks, and tells what the answer means."""

from dataclasses import replace
from typing import Final

from gatewaykit.ask import ask
from gatewaykit.blobs import BlobMissingError, Blobs
from gatewaykit.domain.composing import closed, window_now
from gatewaykit.domain.content import File
from gatewaykit.domain.outgoing import WINDOW_CLOSED, OutgoingRow, Part
from gatewaykit.domain.provider import (
    Again,
    HttpReply,
    HttpRequest,
    Outcome,
    Outgoing,
    OutgoingFile,
    Refused,
    RefusedError,
    Uncertain,
)
from gatewaykit.fetch import FetchRefusedError
from gatewaykit.inbound import close_window
from gatewaykit.links import Link, LinkKeys
from servicekit.errors import RetryLaterError
from servicekit.ports import Clock, Http, HttpNotSentError, HttpTooLargeError, HttpUnknownError

from chat_gateway.carriers import Carried, Carriers
from chat_gateway.store import ChatStore
from chat_gateway.tenant_systems import TenantSystems

ANSWER_SECONDS: Final = 20.0
"""Less than gatewaykit's SEND_MS, so that reading a file has time as well."""
ANSWER_BYTES_MAX: Final = 1_000_000
LINK_MS: Final = 3_600_000
"""So long a provider may take to fetch a file that it was told of."""


class AddressGoneError(RetryLaterError):
    """The address is not configured; it may be again, or the part is given up in the end."""


class ProviderSender:
    """A Sender (gatewaykit.sending). Requests hold tokens, some in their URL: nothing of one is logged or raised."""

    def __init__(
        self,
        carriers: Carriers,
        store: ChatStore,
        http: Http,
        systems: TenantSystems,
        blobs: Blobs,
        *,
        links: LinkKeys,
        files_url: str,
        clock: Clock,
    ) -> None:
        """`files_url` is the public URL of the routes that serve files by signed links."""
        self._carriers = carriers
        self._store = store
        self._http = http
        self._systems = systems
        self._blobs = blobs
        self._links = links
        self._files_url = files_url
        self._clock = clock

    async def send(self, row: OutgoingRow) -> Outcome:
        """See Sender."""
        carried = self._carriers.at(row.address)
        if carried is None or carried.account.tenant_id != row.tenant_id:
            raise AddressGoneError(row.address)
        if row.payload is None:
            raise RefusedError("words_gone", "nothing is left to be sent")
        outgoing = await self._outgoing(carried, row, row.payload)
        request = carried.provider.request_of(outgoing, carried.account)
        try:
            reply = await self._asked(carried, request)
        except FetchRefusedError as error:
            raise RefusedError("not_authorised", f"where the answer would go is not allowed: {error.code}") from None
        except HttpNotSentError as error:
            return Again(after_ms=0, scope="pair", detail=str(error))
        except HttpUnknownError as error:
            return Uncertain(detail=str(error))
        except HttpTooLargeError as error:
            return Uncertain(detail=f"HTTP {error.status}: a large answer")
        except ValueError:
            raise RefusedError("content_refused", "it makes no request of HTTP") from None
        outcome = carried.provider.outcome_of(reply, outgoing)
        if isinstance(outcome, Refused) and outcome.code == WINDOW_CLOSED:
            async with self._store.transaction(row.tenant_id) as tx:
                await close_window(tx, row, carried.provider.capabilities, self._clock.now_ms())
        return outcome

    async def _asked(self, carried: Carried, request: HttpRequest) -> HttpReply:
        """A URL of a tenant's own choosing is looked at first: it may lead inside."""
        if carried.provider.capabilities.guarded:
            return await self._systems.deliver(
                carried.account, request, timeout_seconds=ANSWER_SECONDS, bytes_max=ANSWER_BYTES_MAX
            )
        return await ask(self._http, request, timeout_seconds=ANSWER_SECONDS, bytes_max=ANSWER_BYTES_MAX)

    async def _outgoing(self, carried: Carried, row: OutgoingRow, part: Part) -> Outgoing:
        async with self._store.transaction(row.tenant_id) as tx:
            conversation = await tx.conversation(row.tenant_id, row.interaction_id)
            message = await tx.message(row.tenant_id, row.message_id)
        now_ms, capabilities = self._clock.now_ms(), carried.provider.capabilities
        if part.automatic:
            capabilities = replace(capabilities, human_agent_hours=None)
        standing = conversation.reply_window if conversation else None
        why_not = closed(standing, capabilities, now_ms, is_template=part.template is not None)
        if conversation and why_not:
            raise RefusedError(why_not.reason, why_not.detail)
        return Outgoing(
            reference=row.outgoing_id,
            counterpart=row.counterpart,
            text=part.text,
            file=await self._file(carried, row.tenant_id, part.file) if part.file else None,
            template=part.template,
            reply_to=part.reply_to,
            window=window_now(standing, capabilities, now_ms),
            identifiers=conversation.identifiers if conversation else (),
            author=message.agent_name if message else None,
            said_at_ms=row.created_at_ms,
            attempt_at_ms=now_ms,
        )

    async def _file(self, carried: Carried, tenant_id: str, file: File) -> OutgoingFile:
        """A link for who fetches it, its bytes for who wants these."""
        until_ms = self._clock.now_ms() + LINK_MS
        link = Link(tenant_id=tenant_id, blob_id=file.blob_id, expires_at_ms=until_ms, name=file.name)
        content = None
        if carried.provider.capabilities.uploads == "content":
            content = await self._content(carried, tenant_id, file)
        return OutgoingFile(
            name=file.name,
            mime=file.mime,
            size_bytes=file.size_bytes,
            url=f"{self._files_url}{self._links.signed(link)}",
            content=content,
        )

    async def _content(self, carried: Carried, tenant_id: str, file: File) -> bytes:
        bytes_max = carried.provider.capabilities.file_bytes_max
        if file.size_bytes > bytes_max:
            raise RefusedError("file_too_large", f"the channel carries files of {bytes_max} bytes")
        content = bytearray()
        try:
            while len(content) < file.size_bytes:
                piece = await self._blobs.get(tenant_id, file.blob_id, start=len(content))
                if not piece:
                    break
                content += piece
        except BlobMissingError as error:
            raise RefusedError("file_gone", "the file was deleted") from error
        return bytes(content)
