"""What is said in a written channel, whichever it is."""

from dataclasses import dataclass, field
from typing import Literal

Basis = Literal["customer_message", "advertisement", "human_agent", "always", "blocked"]
"""Why a customer may be written to freely: they wrote, they came by an advertisement, an agent answers in person, or
the channel has no such rule; or why not: they have blocked us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """By what a channel knows somebody: `phone` (E.164 with +), `email`, `whatsapp_user_id`, `messenger_psid`, ..."""

    type: str
    value: str
    verified: bool = False
    """The provider vouches for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From when until when the centre may write freely; `closes_at_ms` none: without end."""

    opens_at_ms: int
    closes_at_ms: int | None
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRef:
    """A file as a provider names it, not fetched yet: an id, a URL, or both."""

    id: str | None = None
    url: str | None = None
    name: str | None = None
    mime: str | None = None
    """As the provider says; what the file is, is seen from its bytes."""
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that is kept: `blob_id` names its bytes in the tenant's part of the blob store."""

    blob_id: str
    name: str
    mime: str
    size_bytes: int
    sha256: str
    inline_id: str | None = None
    """The Content-ID by which HTML names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUse:
    """A text that the provider has approved beforehand, and what stands in its places."""

    name: str
    language: str
    variables: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    """What only one provider needs: `content_sid`, `namespace`, ..."""
