"""Facebook Messenger (Messenger Platform, Graph API 25.0).

Vendor's pages: those of meta_events and meta_sending, and "Rate limits": 300 calls a second for each page (10 with
sound or film), but above 40 messages a second the page's own inbox fails, so that is the limit here.
"""

from gatewaykit.domain.provider import Account, Capabilities, HttpRequest, Outgoing, RefusedError

from chat_gateway.providers.meta_events import Flavour
from chat_gateway.providers.meta_inbox import MetaInbox
from chat_gateway.providers.meta_sending import HUMAN_AGENT_HOURS, send_request


class Messenger(MetaInbox):
    """Accounts are page ids. The option `app_id` is our app's: without it no echo is known to be ours."""

    name = "messenger"
    channel = "messenger"
    flavour = Flavour(object="page", identifier="messenger_psid")
    capabilities = Capabilities(
        text_max=2000,
        file_types=("image/*", "audio/*", "video/*", "application/*", "text/*"),
        file_bytes_max=25_000_000,
        window_hours=24,
        human_agent_hours=HUMAN_AGENT_HOURS,
        statuses=("delivered", "read"),
        replies=True,
        echoes=True,
        account_per_second=40.0,
    )

    def request_of(self, outgoing: Outgoing, account: Account) -> HttpRequest:
        """See Provider."""
        if outgoing.file is not None and outgoing.file.size_bytes > self.capabilities.file_bytes_max:
            raise RefusedError("content_refused", "Messenger carries files of 25 MB at most")
        return send_request(outgoing, account, account.account_id, self.capabilities)
