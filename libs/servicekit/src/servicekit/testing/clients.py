"""An HTTP client for tests of an API."""

from httpx import AsyncClient

__all__ = ["AsyncClient", "api_client"]


def api_client(base_url: str, bearer: str) -> AsyncClient:
    """Asks below `base_url`, with an access token or API key; every wait at most 10 s."""
    return AsyncClient(base_url=base_url, headers={"authorization": f"Bearer {bearer}"}, timeout=10)
