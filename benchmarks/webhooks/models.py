"""What providers deliver, as pydantic models: what an endpoint that only validates would declare."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class Taken(BaseModel):
    """What is answered."""

    ok: bool = True


class WhatsAppText(BaseModel):
    """A text's own part."""

    body: str


class WhatsAppMessage(BaseModel):
    """What a customer wrote."""

    id: str
    sender: str = Field(alias="from")
    timestamp: int
    type: str
    text: WhatsAppText | None = None


class WhatsAppMetadata(BaseModel):
    """To which number."""

    display_phone_number: str
    phone_number_id: str


class WhatsAppValue(BaseModel):
    """A change's content."""

    messaging_product: Literal["whatsapp"]
    metadata: WhatsAppMetadata
    contacts: list[dict[str, Any]] = []  # Any: JSON
    messages: list[WhatsAppMessage] = []
    statuses: list[dict[str, Any]] = []  # Any: JSON


class WhatsAppChange(BaseModel):
    """One thing that happened."""

    field: str
    value: WhatsAppValue


class WhatsAppEntry(BaseModel):
    """Of one business account."""

    id: str
    changes: list[WhatsAppChange]


class WhatsAppDelivery(BaseModel):
    """A body."""

    object: Literal["whatsapp_business_account"]
    entry: list[WhatsAppEntry]


class PageParty(BaseModel):
    """A customer or a page."""

    id: str


class PageMessage(BaseModel):
    """What was written."""

    mid: str
    text: str | None = None


class PageEvent(BaseModel):
    """One thing that happened."""

    sender: PageParty
    recipient: PageParty
    timestamp: int
    message: PageMessage | None = None


class PageEntry(BaseModel):
    """Of one page."""

    id: str
    time: int
    messaging: list[PageEvent]


class MessengerDelivery(BaseModel):
    """A body."""

    object: Literal["page"]
    entry: list[PageEntry]


class TelegramUser(BaseModel):
    """Who writes."""

    id: int
    first_name: str
    username: str | None = None


class TelegramChat(BaseModel):
    """Where."""

    id: int
    type: str


class TelegramMessage(BaseModel):
    """What was written."""

    message_id: int
    date: int
    chat: TelegramChat
    sender: TelegramUser | None = Field(None, alias="from")
    text: str | None = None


class TelegramDelivery(BaseModel):
    """A body."""

    update_id: int
    message: TelegramMessage | None = None


class TwilioForm(BaseModel):
    """A body."""

    message_sid: str = Field(alias="MessageSid")
    account_sid: str = Field(alias="AccountSid")
    sender: str = Field(alias="From")
    to: str = Field(alias="To")
    body: str = Field(alias="Body")
    media: int = Field(alias="NumMedia")


class SlackMessage(BaseModel):
    """What was written."""

    type: str
    channel: str | None = None
    user: str | None = None
    text: str | None = None
    ts: str | None = None


class SlackDelivery(BaseModel):
    """A body."""

    type: str
    team_id: str
    api_app_id: str
    event_id: str
    event_time: int
    event: SlackMessage


class LineSource(BaseModel):
    """Who writes."""

    type: str
    user_id: str | None = Field(None, alias="userId")


class LineMessage(BaseModel):
    """What was written."""

    id: str
    type: str
    text: str | None = None


class LineEvent(BaseModel):
    """One thing that happened."""

    type: str
    timestamp: int
    source: LineSource
    event_id: str = Field(alias="webhookEventId")
    message: LineMessage | None = None


class LineDelivery(BaseModel):
    """A body."""

    destination: str
    events: list[LineEvent]


class ViberUser(BaseModel):
    """Who writes."""

    id: str
    name: str


class ViberMessage(BaseModel):
    """What was written."""

    type: str
    text: str | None = None


class ViberDelivery(BaseModel):
    """A body."""

    event: str
    timestamp: int
    message_token: int
    sender: ViberUser | None = None
    message: ViberMessage | None = None
