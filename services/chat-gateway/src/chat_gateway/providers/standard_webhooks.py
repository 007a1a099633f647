"""Signatures of the Standard Webhooks specification 1.0.0 (github.com/standard-webhooks/standard-webhooks, spec/
standard-webhooks.md), symmetric scheme `v1`.

Not the package `standardwebhooks` (1.1.0): its `verify` reads the wall clock, knows one secret, writes the timestamp
anew before it checks it, and raises ValueError for a header that it does not expect.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from gatewaykit.domain.provider import ForgedError, StaleError

from chat_gateway.providers.reading import fits_any

TOLERANCE_MS: Final = 300_000
KEY_BYTES: Final = range(24, 65)
SIGNATURES_MAX: Final = 10
_PREFIX: Final = "whsec_"
_ID: Final = re.compile(r"[!-\-/-~]{1,200}")
"""Visible ASCII without the full stop, which stands between the parts of what is signed."""
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


def key_of(secret: str) -> bytes:
    """The key of `whsec_<base64>`. Raises ValueError if it is none, or not as long as the specification says."""
    key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    if len(key) not in KEY_BYTES or not secret.startswith(_PREFIX):
        raise ValueError(f"a secret is {_PREFIX} and {KEY_BYTES.start} to {KEY_BYTES.stop - 1} bytes in base64")
    return key


def signature(key: bytes, webhook_id: str, seconds: str, body: bytes) -> str:
    """One signature with its version."""
    signed = b".".join((webhook_id.encode(), seconds.encode(), body))
    return "v1," + b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers_of(webhook_id: str, body: bytes, secrets: Sequence[str], *, at_ms: int) -> Mapping[str, str]:
    """The three headers; each secret signs, so that the receiver may know either. Raises ValueError for a secret that
    is none."""
    seconds = str(at_ms // 1000)
    signatures = [signature(key_of(secret), webhook_id, seconds, body) for secret in secrets]
    return {"webhook-id": webhook_id, "webhook-timestamp": seconds, "webhook-signature": " ".join(signatures)}


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now_ms: int) -> str:
    """The id of a request that somebody signed who has one of the secrets; a secret that is none fits nothing.

    Raises ForgedError, and StaleError for one that was signed more than five minutes ago or ahead.
    """
    webhook_id, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(webhook_id) or not _SECONDS.fullmatch(seconds):
        raise ForgedError("webhook-id or webhook-timestamp is missing or malformed")

    def expected(secret: bytes) -> str:
        try:
            return signature(key_of(secret.decode()), webhook_id, seconds, body)
        except ValueError:
            return ""

    given = headers.get("webhook-signature", "").split(" ")[:SIGNATURES_MAX]
    fits = [fits_any(one, secrets, expected) for one in given]
    if not any(fits):
        raise ForgedError("the signature is missing or wrong")
    if abs(now_ms - int(seconds) * 1000) > TOLERANCE_MS:
        raise StaleError("signed too long ago, or ahead of time")
    return webhook_id
