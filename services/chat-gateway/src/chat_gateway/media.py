"""Gets the bytes of a customer's file from its provider."""

from dataclasses import replace
from typing import Final

from gatewaykit.ask import ask
from gatewaykit.domain.content import MediaRef
from gatewaykit.domain.provider import NotUnderstoodError, RefusedError
from gatewaykit.fetch import Fetcher, FetchRefusedError
from gatewaykit.spool import Spool
from servicekit.ports import Http, HttpNotSentError, HttpTooLargeError, HttpUnknownError

from chat_gateway.carriers import Carried

STEPS_MAX: Final = 4
FETCH_SECONDS: Final = 40.0


class GoneError(Exception):
    """The file will not come, however often it is asked for; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotYetError(Exception):
    """The provider does not have it ready, or is away."""


class Media:
    """Asks the provider's API as it is configured, and everybody else only as `fetcher` allows."""

    def __init__(self, http: Http, fetcher: Fetcher, *, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self._http = http
        self._fetcher = fetcher

    async def fetch(self, carried: Carried, media: MediaRef, spool: Spool) -> None:
        """Its bytes are in the spool then. Raises GoneError, NotYetError and what the spool raises."""
        try:
            await self._fetch(carried, media, spool)
        except (HttpNotSentError, HttpUnknownError) as error:
            raise NotYetError(str(error)) from error
        except HttpTooLargeError as error:
            raise GoneError("file_too_large") from error
        except FetchRefusedError as error:
            raise GoneError(error.code) from error
        except (RefusedError, NotUnderstoodError, ValueError):
            raise GoneError("file_not_understood") from None

    async def _fetch(self, carried: Carried, media: MediaRef, spool: Spool) -> None:
        """Providers say in one or two steps where the file is; their files say where credentials go. Such an answer
        is small, and only the head of a file is looked at."""
        provider, account = carried.provider, carried.account
        request = provider.media_request(media, account)
        for _ in range(STEPS_MAX):
            if request.url.startswith(f"{account.api_url}/"):
                reply = await ask(
                    self._http, request, timeout_seconds=FETCH_SECONDS, bytes_max=self.bytes_max, sink=spool
                )
            else:
                reply = await self._fetcher.fetch(
                    request, timeout_seconds=FETCH_SECONDS, bytes_max=self.bytes_max, sink=spool
                )
            following = provider.media_next(media, account, replace(reply, body=spool.head))
            if following is None:
                _check(reply.status)
                return
            request = following
        raise GoneError("file_not_understood")


def _check(status: int) -> None:
    if status == 200:
        return
    if status in (404, 410):
        raise GoneError("file_gone")
    # 401 and 403 are a token that an operator has to renew; 202 is LINE's "not ready yet".
    if status in (202, 401, 403, 408, 425, 429) or status >= 500:
        raise NotYetError(f"HTTP {status}")
    raise GoneError("file_refused")
