"""Which providers there are."""

from collections.abc import Mapping
from typing import Final

from centralino.providers import twilio, whatsapp
from centralino.providers.line import Line
from centralino.providers.messenger import Instagram, Messenger
from centralino.providers.open import Open
from centralino.providers.people import World
from centralino.providers.slack import Slack
from centralino.providers.telegram import Telegram
from centralino.providers.twilio import TwilioSms, TwilioWhatsApp
from centralino.providers.vendor import Simulation, Vendor
from centralino.providers.viber import Viber
from centralino.providers.whatsapp import WhatsApp

VENDORS: Final[Mapping[str, type[Vendor]]] = {
    vendor.name: vendor
    for vendor in (WhatsApp, Messenger, Instagram, Telegram, TwilioSms, TwilioWhatsApp, Slack, Line, Viber, Open)
}
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "all": tuple(VENDORS),
    "twilio": ("twilio-sms", "twilio-whatsapp"),
    "meta": ("whatsapp", "messenger", "instagram"),
}
"""Names that stand for several."""


def made(name: str, world: World, simulation: Simulation, *, seed: int, secrets: Mapping[str, str]) -> Vendor:
    """The vendor of this name, with its approved templates."""
    vendor = VENDORS[name](world, simulation, seed=seed, secrets=secrets)
    if "template" in vendor.can:
        vendor.templates = [*(whatsapp.TEMPLATES if isinstance(vendor, WhatsApp) else twilio.TEMPLATES)]
    return vendor


def configuration(vendor: Vendor) -> Mapping[str, object]:
    """The address of a configuration document that reaches the simulated account. Secrets are named, not written."""
    return {
        "address": vendor.name,
        "channel": vendor.channel,
        "client": "acme",
        "domain": "main",
        "queue": "general",
        "account": {
            "provider": vendor.provider,
            "account_id": vendor.account_id,
            "secrets": {use: [f"{vendor.name}-{use}".replace("_", "-")] for use in vendor.uses},
            "options": dict(vendor.options()),
        },
    }
