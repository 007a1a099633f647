"""API keys: shown once, two at a time, refused without telling why."""

from collections.abc import Sequence

import pytest
from servicekit.api_keys import ApiKey, ApiKeys, TooManyKeysError
from servicekit.auth import TokenRefusedError
from servicekit.testing.set_clock import SetClock

PEPPER = b"p" * 32
YEAR_SECONDS = 365 * 86_400


class MemoryKeys:
    def __init__(self) -> None:
        self.kept: dict[str, ApiKey] = {}

    async def find(self, key_id: str) -> ApiKey | None:
        return self.kept.get(key_id)

    async def of_integration(self, tenant_id: str, integration: str) -> Sequence[ApiKey]:
        return [key for key in self.kept.values() if (key.tenant_id, key.integration) == (tenant_id, integration)]

    async def keep(self, key: ApiKey) -> None:
        self.kept[key.key_id] = key


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store() -> MemoryKeys:
    return MemoryKeys()


@pytest.fixture
def keys(store: MemoryKeys, clock: SetClock) -> ApiKeys:
    return ApiKeys(store, pepper=PEPPER, environment="test", clock=clock)


async def issue(keys: ApiKeys) -> str:
    return await keys.issue(tenant_id="acme", integration="shop", lifetime_seconds=YEAR_SECONDS)


async def test_an_issued_key_names_its_integration_and_is_not_kept_itself(keys: ApiKeys, store: MemoryKeys) -> None:
    text = await issue(keys)

    principal = await keys.verify(text)

    assert text.startswith("cnt_test_")
    assert (principal.subject, principal.tenant_id) == ("integration:shop", "acme")
    assert principal.roles == {"integrator"}
    assert text.split("_", 3)[3] not in repr(store.kept)


async def test_a_third_live_key_is_refused_until_one_is_revoked(keys: ApiKeys) -> None:
    first, second = await issue(keys), await issue(keys)
    with pytest.raises(TooManyKeysError):
        await issue(keys)

    revoked = await keys.revoke(tenant_id="acme", integration="shop", key_id=first.split("_")[2])
    third = await issue(keys)

    assert revoked
    with pytest.raises(TokenRefusedError):
        await keys.verify(first)
    assert {(await keys.verify(text)).tenant_id for text in (second, third)} == {"acme"}


async def test_an_expired_key_is_refused(keys: ApiKeys, clock: SetClock) -> None:
    text = await issue(keys)
    await clock.sleep(YEAR_SECONDS)

    with pytest.raises(TokenRefusedError):
        await keys.verify(text)


async def test_a_key_of_another_integration_cannot_be_revoked(keys: ApiKeys) -> None:
    text = await issue(keys)

    revoked = await keys.revoke(tenant_id="globex", integration="shop", key_id=text.split("_")[2])

    assert not revoked
    assert (await keys.verify(text)).tenant_id == "acme"


@pytest.mark.parametrize("change", ["", "cnt", "cnt_test_x_y", "{0}x", "x{0}", "{1}", "{2}", "{0}\n"])
async def test_a_wrong_key_is_refused_with_the_same_code(keys: ApiKeys, change: str) -> None:
    text = await issue(keys)
    other_environment = text.replace("cnt_test_", "cnt_live_")

    with pytest.raises(TokenRefusedError) as refused:
        await keys.verify(change.format(text, text[:-1], other_environment))

    assert refused.value.code == "api_key_invalid"


async def test_another_pepper_opens_nothing(keys: ApiKeys, store: MemoryKeys, clock: SetClock) -> None:
    text = await issue(keys)

    with pytest.raises(TokenRefusedError):
        await ApiKeys(store, pepper=b"q" * 32, environment="test", clock=clock).verify(text)


@pytest.mark.parametrize(("pepper", "environment"), [(b"short", "test"), (PEPPER, "pre_prod"), (PEPPER, "")])
def test_a_weak_set_up_is_refused(store: MemoryKeys, clock: SetClock, pepper: bytes, environment: str) -> None:
    with pytest.raises(ValueError, match="API keys"):
        ApiKeys(store, pepper=pepper, environment=environment, clock=clock)
