"""What the channels can carry, as far as those must know it who have no gateway at hand: the agents' front door and
the lint of a configuration.

Of providers it is what their files say (`chat_gateway.providers`); a test compares every one of them. Web chat and
e-mail: what their gateways take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from contracts.configuration import EMAIL, WEB_CHAT
from contracts.voice_parts import VOICE

Status = Literal["sent", "delivered", "read", "failed"]
Mode = Literal["reply", "reply_all", "forward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLimits:
    """What a message of the centre may be."""

    text_max: int
    """Characters."""
    caption_max: int = 0
    """Characters of the text that goes with a file; a longer one goes as a message of its own."""
    file_types: tuple[str, ...] = ()
    """MIME types, `image/*` or `*/*`; none: no files."""
    file_bytes_max: int = 0
    files_max: int = 10
    """Files of one message."""
    html_max: int = 0
    """Characters; none: text alone."""
    subject: bool = False
    templates: bool = False
    """Configured ones may be sent, also when the window is closed."""
    window_hours: int | None = None
    """For so long after a customer's message free text may be sent; none: the channel has no such rule."""
    human_agent_hours: int | None = None
    """For so long a person may still answer."""
    modes: tuple[Mode, ...] = ("reply",)
    replies: bool = False
    """A message may name the one that it answers."""
    threads: bool = False
    """One customer may have several conversations at once, which agents split and join."""
    statuses: tuple[Status, ...] = ()
    """What the channel tells of a message."""
    secrets: tuple[str, ...] = ()
    """Uses of secrets that an account must have."""
    secrets_optional: tuple[str, ...] = ()
    """Uses of secrets that it may have."""
    options: tuple[str, ...] = ()
    """Names of options that it may have."""

    def takes(self, mime: str) -> bool:
        """Whether a file of this type may be sent."""
        kind = mime.partition("/")[0]
        return any(allowed in ("*/*", mime, f"{kind}/*") for allowed in self.file_types)


_PICTURES: Final = ("image/gif", "image/jpeg", "image/png")
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_META_SECRETS: Final = ("app_secret", "access_token", "verify_token")

OTHER: Final = ChannelLimits(text_max=4000)
"""Channels of integrators, of which nothing else is known here."""

CHANNELS: Final[Mapping[str, ChannelLimits]] = {
    WEB_CHAT: ChannelLimits(text_max=4000, statuses=("sent", "delivered")),
    VOICE: ChannelLimits(text_max=0),
    EMAIL: ChannelLimits(
        text_max=100_000,
        caption_max=100_000,
        file_types=("*/*",),
        file_bytes_max=20_000_000,
        files_max=20,
        html_max=200_000,
        subject=True,
        templates=True,
        modes=("reply", "reply_all", "forward"),
        replies=True,
        threads=True,
        statuses=("sent", "delivered", "failed"),
    ),
}

PROVIDERS: Final[Mapping[tuple[str, str], ChannelLimits]] = {
    ("whatsapp", "whatsapp"): ChannelLimits(
        text_max=4096,
        caption_max=1024,
        file_types=(
            "image/jpeg",
            "image/png",
            "video/mp4",
            "video/3gpp",
            "audio/aac",
            "audio/amr",
            "audio/mpeg",
            "audio/mp4",
            "audio/ogg",
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            f"{_OFFICE}wordprocessingml.document",
            f"{_OFFICE}spreadsheetml.sheet",
            f"{_OFFICE}presentationml.presentation",
        ),
        file_bytes_max=100_000_000,
        templates=True,
        window_hours=24,
        replies=True,
        statuses=("sent", "delivered", "read", "failed"),
        secrets=_META_SECRETS,
        options=("graph_version", "business_account_id"),
    ),
    ("messenger", "messenger"): ChannelLimits(
        text_max=2000,
        file_types=("image/*", "audio/*", "video/*", "application/*", "text/*"),
        file_bytes_max=25_000_000,
        window_hours=24,
        human_agent_hours=168,
        replies=True,
        statuses=("delivered", "read"),
        secrets=_META_SECRETS,
        options=("graph_version", "app_id"),
    ),
    ("instagram", "instagram"): ChannelLimits(
        text_max=1000,
        file_types=(
            "image/png",
            "image/jpeg",
            "audio/aac",
            "audio/mp4",
            "audio/wav",
            "audio/x-wav",
            "video/mp4",
            "video/ogg",
            "video/x-msvideo",
            "video/quicktime",
            "video/webm",
            "application/pdf",
        ),
        file_bytes_max=25_000_000,
        window_hours=24,
        human_agent_hours=168,
        statuses=("read",),
        secrets=_META_SECRETS,
        options=("graph_version", "app_id"),
    ),
    ("telegram", "telegram"): ChannelLimits(
        text_max=4096,
        caption_max=1024,
        file_types=("*/*",),
        file_bytes_max=50_000_000,
        replies=True,
        secrets=("bot_token", "webhook_secret"),
    ),
    ("twilio", "sms"): ChannelLimits(
        text_max=1600,
        caption_max=1600,
        file_types=_PICTURES,
        file_bytes_max=5_000_000,
        statuses=("sent", "delivered", "failed"),
        secrets=("auth_token",),
        secrets_optional=("shared_key",),
        options=("sender",),
    ),
    ("twilio", "whatsapp"): ChannelLimits(
        text_max=1600,
        file_types=("application/pdf", "audio/*", "image/jpeg", "image/png", "image/webp", "video/mp4"),
        file_bytes_max=16_000_000,
        templates=True,
        window_hours=24,
        statuses=("sent", "delivered", "read", "failed"),
        secrets=("auth_token",),
        secrets_optional=("shared_key",),
        options=("sender",),
    ),
    ("slack", "slack"): ChannelLimits(
        text_max=4000,
        caption_max=3000,
        file_types=_PICTURES,
        file_bytes_max=10_000_000,
        secrets=("signing_secret", "bot_token"),
    ),
    ("line", "line"): ChannelLimits(
        text_max=5000,
        caption_max=5000,
        file_types=("image/jpeg", "image/png"),
        file_bytes_max=1_000_000,
        secrets=("channel_secret", "access_token"),
    ),
    ("viber", "viber"): ChannelLimits(
        text_max=7000,
        file_types=("*/*",),
        file_bytes_max=50_000_000,
        statuses=("delivered", "read", "failed"),
        secrets=("auth_token",),
        options=("sender_name",),
    ),
    ("open", "open"): ChannelLimits(
        text_max=20_000,
        caption_max=20_000,
        file_types=("*/*",),
        file_bytes_max=100_000_000,
        replies=True,
        statuses=("delivered", "read", "failed"),
        secrets=("inbound_secret", "outbound_secret"),
        options=("url",),
    ),
}
"""By provider and channel."""

TEXT_MAX: Final = max(limits.text_max for limits in (*CHANNELS.values(), *PROVIDERS.values()))
FILE_BYTES_MAX: Final = max(limits.file_bytes_max for limits in (*CHANNELS.values(), *PROVIDERS.values()))


def limits_of(channel: str, provider: str | None) -> ChannelLimits:
    """What an address of this channel can carry, by the provider of its account if it has one."""
    of_provider = PROVIDERS.get((provider, channel)) if provider is not None else None
    return of_provider or CHANNELS.get(channel, OTHER)
