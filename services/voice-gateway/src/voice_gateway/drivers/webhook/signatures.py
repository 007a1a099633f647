"""Whether a request is Twilio's: www.twilio.com/docs/usage/webhooks/webhooks-security, "Webhooks security".

HMAC-SHA1 with the account's auth token over the public URL and, of a form, its names and values in their order. Of any
other body the URL carries the hash (`bodySHA256`). No instant is signed: what is repeated must change nothing.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

FIELDS_MAX: Final = 300
FORM: Final = "application/x-www-form-urlencoded"


class ForgedError(Exception):
    """The request is not signed with a token of the account."""


def verify(url: str, body: bytes, content_type: str, signature: str | None, tokens: Sequence[str]) -> None:
    """Raises ForgedError. `url` is the one that Twilio asked; it may or may not have counted the port. While a token is
    changed there are two of them."""
    if not signature:
        raise ForgedError("no signature")
    try:
        said = _said(url, body, content_type)
        urls = _urls(url)
    except ValueError as error:
        raise ForgedError("neither a form nor a hashed body") from error
    given = signature.encode("utf-8", "replace")
    fits = [hmac.compare_digest(sign(each + said, token).encode(), given) for each in urls for token in tokens]
    if not any(fits):
        raise ForgedError("another signature")


def sign(text: str, token: str) -> str:
    """Base64 of the HMAC."""
    return base64.b64encode(hmac.new(token.encode(), text.encode("utf-8", "replace"), hashlib.sha1).digest()).decode()


def fields_of(body: bytes) -> dict[str, str]:
    """A form; the first value of a name counts. Raises ValueError for more than FIELDS_MAX."""
    return dict(reversed(_pairs(body)))


def _said(url: str, body: bytes, content_type: str) -> str:
    """What is signed behind the URL. A name with several values counts each of them once."""
    digest = parse_qs(urlsplit(url).query).get("bodySHA256")
    if digest is None or content_type.startswith(FORM):
        return "".join(name + value for name, value in sorted(set(_pairs(body))))
    if not hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), digest[0].encode("utf-8", "replace")):
        raise ValueError("another body was hashed")
    return ""


def _pairs(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX)


def _urls(url: str) -> Sequence[str]:
    """With and without the port."""
    parts = urlsplit(url)
    bare = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    full = f"{bare}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    before, _, after = url.partition(parts.netloc)
    return [f"{before}{bare}{after}", f"{before}{full}{after}"]
