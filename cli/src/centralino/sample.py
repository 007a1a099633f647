"""The sample tenant, loaded as any admin would load it: through the public API, and only where there is none yet."""

import json
import time
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from contracts.configuration import EMAIL
from contracts.voice_parts import VOICE

from centralino.children import StartError
from centralino.web import call, status_of

TENANT: Final = "acme"
ADDRESS: Final = "webchat:acme-shop"
_VISIBLE_SECONDS_MAX: Final = 30.0
_POLL_SECONDS: Final = 0.05


def load_given_sample(router: str, gateway: str) -> bool:
    """The same on a development stack that somebody else has started: its API signs the token."""
    wanted = {"role": "admin", "subject": "centralino-sample", "tenant": TENANT}
    status, text = call("POST", f"{router}/router/v1/development/tokens", body=wanted)
    if status != 201:
        raise StartError(f"the router's API gives no development token ({status}): {text[:2000]}")
    is_new = load_sample(json.loads(text)["token"], router)
    wait_for_address(gateway)
    return is_new


def load_sample(token: str, router: str) -> bool:
    """Give the sample tenant its configuration; False when it had one. `router` is the API's origin."""
    url = f"{router}/router/v1/configuration"
    status, text = call("GET", url, token=token)
    if status == 200:
        return False
    if status == 404:
        document = json.loads((files("centralino") / "sample" / "acme.json").read_text())
        status, text = call("PUT", url, token=token, headers={"if-match": '"0"'}, body=document)
    if status != 200:
        raise StartError(f"the router's API refused the sample tenant ({status}): {text[:2000]}")
    return True


def mail_address(token: str, router: str) -> str | None:
    """The tenant's first e-mail address, whoever configured it; none: it has none."""
    return _address(token, router, EMAIL)


def phone_number(token: str, router: str) -> str | None:
    """The tenant's first telephone number, as it is dialled; none: it has none."""
    address = _address(token, router, VOICE)
    return f"+{address.partition(':')[2]}" if address else None


def _address(token: str, router: str, channel: str) -> str | None:
    status, text = call("GET", f"{router}/router/v1/configuration", token=token)
    if status != 200:
        raise StartError(f"the router's API does not tell the configuration ({status}): {text[:2000]}")
    return next((each["address"] for each in json.loads(text)["channels"] if each["channel"] == channel), None)


def wait_for_mailbox(token: str, gateway: str, address: str) -> None:
    """Until the e-mail gateway has read the configuration: before, it takes no mail for the address. Raises StartError
    after a bound."""
    url, deadline = f"{gateway}/mail/v1/mailboxes", time.monotonic() + _VISIBLE_SECONDS_MAX
    while not _is_mailbox(url, token, address):
        if time.monotonic() > deadline:
            raise StartError(f"the e-mail gateway does not know {address} after {_VISIBLE_SECONDS_MAX:.0f} s")
        time.sleep(_POLL_SECONDS)


def _is_mailbox(url: str, token: str, address: str) -> bool:
    try:
        status, text = call("GET", url, token=token)
    except OSError:  # it may be between two starts
        return False
    return status == 200 and any(each["address"] == address for each in json.loads(text)["mailboxes"])


def wait_for_address(gateway: str) -> None:
    """Until the chat gateway has read the configuration; raises StartError after a bound."""
    url = f"{gateway}/chat/v1/addresses/{quote(ADDRESS)}"
    deadline = time.monotonic() + _VISIBLE_SECONDS_MAX
    while status_of(url) != 200:
        if time.monotonic() > deadline:
            raise StartError(f"the chat gateway does not know {ADDRESS} after {_VISIBLE_SECONDS_MAX:.0f} s")
        time.sleep(_POLL_SECONDS)
