"""AWS Signature Version 4 for S3, with the whole body signed.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Keys:
    """Who signs, for which region."""

    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


def signed_headers(
    method: str, url: str, headers: Mapping[str, str], body_sha256: str, keys: S3Keys, *, now_ms: int
) -> dict[str, str]:
    """All headers that must be sent: the given ones, all of them signed, and those that sign. The URL's path is
    percent-encoded already, once, as it is sent; `body_sha256` is in hex."""
    parts = urlsplit(url)
    instant = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    signed |= {"host": parts.netloc, "x-amz-content-sha256": body_sha256, "x-amz-date": instant}
    names = ";".join(sorted(signed))
    query = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in _pairs(parts.query))
    canonical = "\n".join(
        (
            method,
            parts.path or "/",
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            body_sha256,
        )
    )
    scope = f"{instant[:8]}/{keys.region}/s3/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", instant, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{keys.secret_access_key}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"{keys.access_key_id}/{scope}"
    signed["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"
    return signed


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)
