"""Instagram's direct messages (Instagram Messaging, Graph API 25.0), by a linked page or by Instagram's own login.

Vendor's pages: those of meta_events and meta_sending, "Instagram Messaging: Send a Message" (text of 1,000 bytes, which
files), and "Rate limits": beyond 72,000 messages an hour, in and out, the account's own inbox fails: 20 a second.

Echoes are not documented to carry `metadata`, so an uncertain text is resolved by an echo of the same words at that
time (gatewaykit.domain.outgoing.echoed), and an uncertain file by none.
"""

from collections.abc import Mapping
from typing import Final

from gatewaykit.domain.provider import Account, Capabilities, HttpRequest, Outgoing, RefusedError

from chat_gateway.providers.meta_events import Flavour
from chat_gateway.providers.meta_inbox import MetaInbox
from chat_gateway.providers.meta_sending import HUMAN_AGENT_HOURS, send_request

_TEXT_BYTES_MAX: Final = 1000
_IMAGE_BYTES_MAX: Final = 8_000_000
_FILE_BYTES_MAX: Final = 25_000_000
_BYTES_MAX: Final[Mapping[str, int]] = {
    "image/png": _IMAGE_BYTES_MAX,
    "image/jpeg": _IMAGE_BYTES_MAX,
    "audio/aac": _FILE_BYTES_MAX,
    "audio/mp4": _FILE_BYTES_MAX,
    "audio/wav": _FILE_BYTES_MAX,
    "audio/x-wav": _FILE_BYTES_MAX,
    "video/mp4": _FILE_BYTES_MAX,
    "video/ogg": _FILE_BYTES_MAX,
    "video/x-msvideo": _FILE_BYTES_MAX,
    "video/quicktime": _FILE_BYTES_MAX,
    "video/webm": _FILE_BYTES_MAX,
    "application/pdf": _FILE_BYTES_MAX,
}


class Instagram(MetaInbox):
    """Accounts are the ids of professional accounts, as webhooks name them. The option `app_id` is our app's."""

    name = "instagram"
    channel = "instagram"
    flavour = Flavour(object="instagram", identifier="instagram_igsid")
    capabilities = Capabilities(
        text_max=_TEXT_BYTES_MAX,
        file_types=tuple(_BYTES_MAX),
        file_bytes_max=_FILE_BYTES_MAX,
        window_hours=24,
        human_agent_hours=HUMAN_AGENT_HOURS,
        statuses=("read",),
        account_per_second=20.0,
    )

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """See Provider. To `me`, which is right whichever login the token is of."""
        if len(outgoing.text.encode("utf-8", "replace")) > _TEXT_BYTES_MAX:
            raise RefusedError("content_refused", f"Instagram carries texts of {_TEXT_BYTES_MAX} bytes at most")
        if outgoing.file is not None and outgoing.file.size_bytes > _BYTES_MAX.get(outgoing.file.mime, -1):
            raise RefusedError("content_refused", "Instagram carries no such file, or none of this size")
        if outgoing.reply_to is not None:
            raise RefusedError("content_refused", "on Instagram a message cannot name the one it answers")
        return send_request(outgoing, account, "me", self.capabilities)
