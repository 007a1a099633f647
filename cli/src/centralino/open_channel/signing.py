"""What a system signs and verifies that speaks to the open channel (docs/open-channel.md, "Signatures")."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final

TOLERANCE_SECONDS: Final = 300


class SecretError(ValueError):
    """The secret is not `whsec_` and base64."""


def signed(secret: str, webhook_id: str, body: bytes, *, at_seconds: int) -> dict[str, str]:
    """The three headers. Raises SecretError."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": _signature(secret, webhook_id, str(at_seconds), body),
    }


def fault(secret: str, headers: Mapping[str, str], body: bytes, *, now_seconds: int) -> str:
    """Why a request is not to be believed; empty: it is. `headers` by lower-case name. Raises SecretError."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    missing = [name for name in names if not headers.get(name)]
    if missing:
        return f"{' and '.join(missing)} missing"
    webhook_id, seconds, signatures = (headers[name] for name in names)
    expected = _signature(secret, webhook_id, seconds, body).encode()
    fits = [hmac.compare_digest(expected, one.encode("utf-8", "replace")) for one in signatures.split(" ")]
    if not any(fits):
        return "no signature fits the secret"
    if not seconds.isdecimal() or abs(now_seconds - int(seconds)) > TOLERANCE_SECONDS:
        return f"signed at {seconds}, now it is {now_seconds}: more than {TOLERANCE_SECONDS} seconds apart"
    return ""


def _signature(secret: str, webhook_id: str, seconds: str, body: bytes) -> str:
    prefix, _, encoded = secret.partition("_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretError("the secret is not base64 after `whsec_`") from error
    if prefix != "whsec" or not key:
        raise SecretError("a secret begins with `whsec_`")
    content = f"{webhook_id}.{seconds}.".encode("utf-8", "replace") + body
    return f"v1,{base64.b64encode(hmac.digest(key, content, 'sha256')).decode()}"
