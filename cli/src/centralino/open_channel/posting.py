"""Posts one request and wants an answer."""

from dataclasses import dataclass, field

from servicekit.http_client import http_client
from servicekit.ports import HttpNotSentError, HttpReply, HttpTooLargeError, HttpUnknownError

ANSWER_BYTES_MAX = 1024 * 1024


class UnusableError(Exception):
    """What was asked for cannot be done: a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request as the HTTP port takes it."""

    url: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


async def posted(post: Post, *, timeout_seconds: float, advice: str) -> HttpReply:
    """The answer. Raises UnusableError, with `advice` where there is none."""
    try:
        async with http_client() as http:
            return await http.send(post, timeout_seconds=timeout_seconds, bytes_max=ANSWER_BYTES_MAX)
    except ValueError as error:
        raise UnusableError(f"cannot post to {post.url}: {error}") from error
    except (HttpNotSentError, HttpUnknownError, HttpTooLargeError) as error:
        raise UnusableError(f"no answer from {post.url} ({error}); {advice}") from error
