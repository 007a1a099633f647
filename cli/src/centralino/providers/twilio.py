"""Twilio's messaging, simulated: SMS and WhatsApp are two addresses of one kind.

Vendor's pages: "Message resource", "Media subresource", "Webhooks security", "Messaging webhooks" (parameters),
"Webhooks (HTTP callbacks): Connection overrides" (`#rc=3&rp=all` behind a webhook's URL; without it only a failed
connection is tried once more), "Error and Warning Dictionary", "Advanced Opt-Out".
"""

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urldefrag, urlencode

from typing_extensions import override

from centralino.providers.people import DAY_MS, Customer, Message
from centralino.providers.vendor import Attempt, Event, Template, Vendor
from centralino.providers.wire import Answered, Call, Parcel, Reply, json_reply

BODY_MAX: Final = 1600
FORM: Final = "application/x-www-form-urlencoded"
SENTENCES: Final = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21211: "Invalid 'To' Phone Number",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The From phone number is not a valid, SMS-capable Twilio phone number",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21655: "The ContentSid is Invalid",
    21656: "The ContentVariables Parameter is invalid",
    63007: "Twilio could not find a Channel with the specified From address",
}
OTHER_STATUS: Final = {20003: 401, 20404: 404, 20429: 429}


class TwilioSms(Vendor):
    """A number for SMS and MMS."""

    name = "twilio-sms"
    title = "Twilio SMS"
    provider = "twilio"
    channel = "sms"
    uses = ("auth_token",)
    can = frozenset({"text", "file", "block", "sent", "delivered", "failed", "signed_body", "media"})
    signature_header = "X-Twilio-Signature"
    retries_seconds = ()
    answer_seconds = 15.0
    account_per_second = 100
    scheme = ""
    sender_code = 21606
    unreachable = "30005"
    words: tuple[str, ...] = ("sent", "delivered", "failed")

    @property
    @override
    def account_id(self) -> str:
        return "AC" + "5" * 32

    @property
    @override
    def address(self) -> str:
        return f"{self.scheme}+18005550100"

    @override
    def options(self) -> Mapping[str, str]:
        return {"sender": self.address}

    @override
    def new_customer(self, name: str, phone: str | None) -> Customer:
        number = phone or f"+1415867{self.world.digits(4)}"
        return Customer(id=f"{self.scheme}{number}", name=name, phone=number)

    @override
    def new_message_id(self, customer: Customer) -> str:
        return "SM" + self.world.hexadecimal(32)

    @override
    def is_send(self, call: Call) -> bool:
        return call.method == "POST" and call.path.endswith("/Messages.json")

    @override
    def too_many(self, after_seconds: int) -> Reply:
        return _error(20429, headers={"retry-after": str(after_seconds)})

    @override
    def broken(self) -> Reply:
        return json_reply({"code": 20500, "message": "Internal Server Error", "status": 500}, status=500)

    @override
    async def call(self, call: Call) -> Reply:
        path = call.path.strip("/").split("/")
        if path[0] == "store" and len(path) > 1:
            file = self.world.file(path[1])
            return Reply(status=403) if file is None else Reply(body=file.content, headers={"content-type": file.mime})
        pair = base64.b64encode(f"{self.account_id}:{self.secrets['auth_token']}".encode())
        if not compare_digest(call.headers.get("authorization", "").encode(), b"Basic " + pair):
            return _error(20003)
        match path:
            case ["2010-04-01", "Accounts", self.account_id, "Messages.json"] if call.method == "POST":
                return await self._send(call)
            case ["2010-04-01", "Accounts", self.account_id, "Messages", _, "Media", media_id]:
                if self.world.file(media_id) is None:
                    return _error(20404)
                return Reply(status=307, headers={"location": f"{call.base_url}/store/{media_id}"})
            case _:
                return _error(20404)

    async def _send(self, call: Call) -> Reply:
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        fault = self._fault(form)
        if fault is not None:
            return _error(fault)
        customer, to = self.world.customers.get(form["To"]), form["To"]
        if self.too_fast(to) is not None:
            return self.too_many(1)
        if customer is not None and customer.blocked and self.scheme == "":
            return _error(21610)
        known = customer or Customer(id=to, name="")
        file = await self.fetched(form["MediaUrl"]) if form.get("MediaUrl") else None
        message = self.to_customer(known, form.get("Body", ""), file)
        message.callback_url = form.get("StatusCallback") or None
        if form.get("ContentSid"):
            message.template = form["ContentSid"]
            values = json.loads(form.get("ContentVariables") or "{}").values()
            message.text = " ".join([f"[{message.template}]", *map(str, values)])
        late = self._late(customer, message, form)
        if late is None and customer is not None:
            self.accept(customer, message)
        else:
            self.refused_later.append((message, late or self.unreachable))
        return json_reply(self._resource(message, form), status=201)

    def _fault(self, form: Mapping[str, str]) -> int | None:
        to, sender, body = (form.get(name, "") for name in ("To", "From", "Body"))
        if not to:
            return 21604
        if not to.removeprefix(self.scheme).startswith("+") or not to.startswith(self.scheme):
            return 21211
        if not sender and not form.get("MessagingServiceSid"):
            return 21603
        if sender and sender != self.address:
            return self.sender_code
        if form.get("ContentSid"):
            return self._template_fault(form)
        if not body and not form.get("MediaUrl"):
            return 21602
        return 21617 if len(body) > BODY_MAX else None

    def _template_fault(self, form: Mapping[str, str]) -> int | None:
        known = next((one for one in self.templates if one.name == form["ContentSid"]), None)
        if known is None:
            return 21655
        try:
            values = json.loads(form.get("ContentVariables") or "{}")
        except json.JSONDecodeError:
            return 21656
        fits = isinstance(values, dict) and sorted(values) == sorted(str(n + 1) for n in range(known.variables))
        return None if fits else 21656

    def _late(self, customer: Customer | None, message: Message, form: Mapping[str, str]) -> str | None:
        if customer is None or customer.blocked:
            return self.unreachable
        if form.get("MediaUrl") and message.file is None:
            return "30019" if self.scheme == "" else "63019"
        return None if message.template or self.window_is_open(customer) else "63016"

    def _resource(self, message: Message, form: Mapping[str, str]) -> dict[str, object]:
        now = formatdate(message.at_ms / 1000)
        return {
            "account_sid": self.account_id,
            "api_version": "2010-04-01",
            "body": message.text,
            "date_created": now,
            "date_sent": None,
            "date_updated": now,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": form.get("From"),
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "num_media": "1" if form.get("MediaUrl") else "0",
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": message.id,
            "status": "queued",
            "to": form["To"],
            "uri": f"/2010-04-01/Accounts/{self.account_id}/Messages/{message.id}.json",
        }

    @override
    def said(self, customer: Customer, message: Message) -> Event:
        form: dict[str, object] = {
            "ToCountry": "US",
            "SmsMessageSid": message.id,
            "NumMedia": "0" if message.file is None else "1",
            "SmsSid": message.id,
            "SmsStatus": "received",
            "Body": message.text,
            "To": self.address,
            "NumSegments": "1",
            "MessageSid": message.id,
            "AccountSid": self.account_id,
            "From": customer.id,
            "ApiVersion": "2010-04-01",
            **self.more(customer, message),
        }
        if message.file is not None:
            path = f"2010-04-01/Accounts/{self.account_id}/Messages/{message.id}/Media/{message.file.id}"
            form |= {"MediaUrl0": f"{self.base_url}/{path}", "MediaContentType0": message.file.mime}
        return Event(kind="message", body=form)

    def more(self, customer: Customer, message: Message) -> Mapping[str, object]:
        """What only one of the two channels tells."""
        return {}

    @override
    def blocked(self, customer: Customer) -> Event | None:
        word = "STOP" if customer.blocked else "START"
        message = self.to_customer(customer, word)
        event = self.said(customer, message)
        return Event(kind="opt_out", body={**event.body, "OptOutType": word})

    @override
    def reported(self, message: Message, status: str, code: str | None) -> Event | None:
        if message.callback_url is None or status not in self.words:
            return None
        word = "undelivered" if status == "failed" else status
        form: dict[str, object] = {
            "SmsSid": message.id,
            "SmsStatus": word,
            "MessageStatus": word,
            "To": message.customer,
            "MessageSid": message.id,
            "AccountSid": self.account_id,
            "From": self.address,
            "ApiVersion": "2010-04-01",
        }
        if status == "failed":
            form["ErrorCode"] = code or "30008"
        return Event(kind=status, body=form, url=message.callback_url)

    @override
    def parcel(self, events: Sequence[Event], attempt: Attempt, url: str) -> Parcel:
        bare = urldefrag(url).url
        form = {name: str(value) for name, value in events[0].body.items()}
        text = bare + "".join(name + form[name] for name in sorted(form))
        signature = base64.b64encode(hmac.new(self.secrets["auth_token"].encode(), text.encode(), "sha1").digest())
        headers = {
            "Content-Type": f"{FORM}; charset=UTF-8",
            "I-Twilio-Idempotency-Token": attempt.key,
            "User-Agent": "TwilioProxy/1.1",
            self.signature_header: signature.decode(),
        }
        return Parcel(url=bare, body=urlencode(form).encode(), headers=headers)

    @override
    def retry_seconds(self, attempt: int, answered: Answered, url: str) -> float | None:
        overrides = {name: values[0] for name, values in parse_qs(urldefrag(url).fragment).items()}
        times, policies = overrides.get("rc", "1"), overrides.get("rp", "ct").split(",")
        what = {"timeout": "rt", "connection": "ct"}.get(answered.failure, f"{answered.status // 100}xx")
        wanted = "all" in policies or what in policies
        return 0.0 if wanted and times.isdigit() and attempt <= min(int(times), 5) else None


class TwilioWhatsApp(TwilioSms):
    """A WhatsApp sender: addresses begin with `whatsapp:`."""

    name = "twilio-whatsapp"
    title = "Twilio WhatsApp"
    channel = "whatsapp"
    can = frozenset(
        {
            "text",
            "file",
            "location",
            "reply",
            "button",
            "read",
            "sent",
            "delivered",
            "failed",
            "template",
            "window",
            "signed_body",
            "media",
        }
    )
    account_per_second = 80
    window_ms = DAY_MS
    scheme = "whatsapp:"
    sender_code = 63007
    unreachable = "63024"
    words = ("sent", "delivered", "read", "failed")

    @override
    def blocked(self, customer: Customer) -> Event | None:
        return None

    @override
    def more(self, customer: Customer, message: Message) -> Mapping[str, object]:
        told: dict[str, object] = {"ProfileName": customer.name, "WaId": (customer.phone or "").removeprefix("+")}
        if message.location is not None:
            told |= {"Latitude": message.location[0], "Longitude": message.location[1], "MessageType": "location"}
        if message.payload is not None:
            told |= {"ButtonText": message.text, "ButtonPayload": message.payload, "MessageType": "button"}
        if message.reply_to:
            told |= {"OriginalRepliedMessageSid": message.reply_to, "OriginalRepliedMessageSender": self.address}
        return told


def _error(code: int, *, headers: Mapping[str, str] | None = None) -> Reply:
    status = OTHER_STATUS.get(code, 400)
    page = f"https://www.twilio.com/docs/errors/{code}"
    told = {"code": code, "message": SENTENCES[code], "more_info": page, "status": status}
    return json_reply(told, status=status, headers=headers)


TEMPLATES: Final = [Template(name="HX" + "1" * 32, language="en", variables=2)]
"""Approved from the beginning."""
