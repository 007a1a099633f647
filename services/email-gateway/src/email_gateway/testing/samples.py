"""A configured mailbox, and mail to it."""

from typing import Any, Final

from contracts.configuration import EMAIL
from contracts.configuration_records import ConfigurationRecord, RecordKind
from gatewaykit.directory import Directory

from email_gateway.domain.threading import Keys
from email_gateway.receiving import Envelope
from email_gateway.testing.corpus.writing import mail

NOW_MS: Final = 1_772_445_600_000
TENANT: Final = "acme"
DOMAIN: Final = "acme.main"
HELP: Final = "help@shop.example"
SALES: Final = "sales@shop.example"
ANNA: Final = "anna@customer.example"
KEYS: Final = Keys(active=b"k" * 32)


def record(kind: RecordKind, name: str, value: dict[str, object] | None) -> ConfigurationRecord:
    """A record of topic `config`."""
    return ConfigurationRecord(kind=kind, id=f"{kind}:{name}", domain=DOMAIN, version=1, value=value)


def address_value(address: str, **mailbox: object) -> dict[str, object]:
    """A mailbox in the channel registry."""
    return {
        "address": address,
        "channel": EMAIL,
        "client": "shop",
        "domain": DOMAIN,
        "queue": "support-en",
        "idle_close_seconds": 3600,
        "reopen_seconds": 86_400,
        "mailbox": {"sender_name": "Shop", **mailbox},
    }


def directory(*addresses: dict[str, object], complete: bool = True) -> Directory:
    """What topic `config` told; without addresses, of the two usual ones."""
    made = Directory([EMAIL])
    made.apply(TENANT, record("domain", DOMAIN, {"partition": 2}))
    given = addresses or (address_value(HELP, acknowledgement="We have it."), address_value(SALES))
    for value in given:
        made.apply(TENANT, record("channel", str(value["address"]), value))
    made.complete = complete
    return made


def letter(name: str = "m1", *fields: str, body: str = "Hello,\nwhere is it?\n", sender: str = ANNA) -> bytes:
    """A customer's message with the id `<name@customer.example>`."""
    return mail(f"Message-ID: <{name}@customer.example>", f"From: Anna Muster <{sender}>", *fields, body=body)


def envelope(*recipients: str, **more: Any) -> Envelope:  # Any: fields of Envelope
    """By SMTP, from Anna."""
    given: dict[str, Any] = {"mail_from": ANNA, "received_at_ms": NOW_MS, "source": "smtp"} | more
    return Envelope(recipients=recipients or (HELP,), **given)
