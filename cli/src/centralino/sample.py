"""The sample tenant, loaded as any admin would load it: through the public API, and only where there is none yet."""

import json
import time
from importlib.resources import files
from typing import Final
from urllib.parse import quote

from centralino.children import StartError
from centralino.home import Home
from centralino.tokens import development_token
from centralino.web import call, status_of

TENANT: Final = "acme"
ADDRESS: Final = "webchat:acme-shop"
_VISIBLE_SECONDS_MAX: Final = 30.0
_POLL_SECONDS: Final = 0.05


def load_sample(home: Home, router: str) -> bool:
    """Give the sample tenant its configuration; False when it had one. `router` is the API's origin."""
    url = f"{router}/router/v1/configuration"
    token = development_token(home, role="admin", subject="centralino-up", tenant=TENANT)
    status, text = call("GET", url, token=token)
    if status == 200:
        return False
    if status == 404:
        document = json.loads((files("centralino") / "sample" / "acme.json").read_text())
        status, text = call("PUT", url, token=token, headers={"if-match": '"0"'}, body=document)
    if status != 200:
        raise StartError(f"the router's API refused the sample tenant ({status}): {text[:2000]}")
    return True


def wait_for_address(gateway: str) -> None:
    """Until the chat gateway has read the configuration; raises StartError after a bound."""
    url = f"{gateway}/chat/v1/addresses/{quote(ADDRESS)}"
    deadline = time.monotonic() + _VISIBLE_SECONDS_MAX
    while status_of(url) != 200:
        if time.monotonic() > deadline:
            raise StartError(f"the chat gateway does not know {ADDRESS} after {_VISIBLE_SECONDS_MAX:.0f} s")
        time.sleep(_POLL_SECONDS)
