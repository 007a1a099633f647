"""Fetching what others name: nothing leads into our own network."""

import asyncio
from collections.abc import Sequence

import pytest
from gatewaykit.domain.provider import HttpRequest
from gatewaykit.fetch import Fetcher, FetchRefusedError, is_public
from hypothesis import given
from hypothesis import strategies as st
from servicekit.http_client import http_client, resolve
from servicekit.ports import HttpNotSentError, HttpReply, HttpTooLargeError, HttpUnknownError
from servicekit.ports import HttpRequest as PortRequest
from servicekit.testing.fake_http import Answer, FakeHttp, programmed
from servicekit.testing.http_laws import reply
from servicekit.testing.virtual import run_virtual

PUBLIC, OTHER = "198.41.0.4", "2001:500:88:200::8"


class Names:
    """A resolver that answers what it is told, one answer for each question if there are several."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.asked: list[tuple[str, int]] = []
        self._answers = answers

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answers = self._answers.get(host.partition(".")[0], [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def get(url: str, **headers: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url, headers=headers)


async def fetched(http: FakeHttp, url: str, names: Names | None = None, *, allowed: Sequence[str] = ()) -> HttpReply:
    fetcher = Fetcher(http, names or Names(), hosts_allowed=allowed)
    got = await fetcher.fetch(get(url, authorization="Bearer t"), timeout_seconds=5, bytes_max=100)
    return HttpReply(status=got.status, headers=got.headers, body=got.body)


async def refused(url: str, names: Names | None = None, *, answer: Answer | None = None) -> str:
    """The code of the refusal, and nobody was asked (beyond what `answer` redirects)."""
    http = FakeHttp(answer or programmed())
    with pytest.raises(FetchRefusedError) as caught:
        await fetched(http, url, names)
    assert "://" not in str(caught.value)
    return caught.value.code


async def test_a_file_is_fetched_from_the_address_that_was_checked() -> None:
    http, names = FakeHttp(programmed(reply(200, b"file"))), Names(media=[[PUBLIC, OTHER], ["127.0.0.1"]])
    got = await fetched(http, "https://media.example/f?s=1", names)

    assert (got.status, got.body) == (200, b"file")
    assert (http.addresses, names.asked) == ([PUBLIC], [("media.example", 443)])
    assert http.requests[0].url == "https://media.example/f?s=1"


async def test_the_next_address_is_tried_where_there_is_no_way_to_the_first() -> None:
    http = FakeHttp(programmed(HttpNotSentError("unreachable"), reply(200)))
    await fetched(http, "https://media.example/", Names(media=[[OTHER, PUBLIC]]))

    assert http.addresses == [OTHER, PUBLIC]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://media.example/", "not_https"),
        ("ftp://media.example/", "not_https"),
        ("file:///etc/passwd", "url_malformed"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "not_https"),
        ("//media.example/", "not_https"),
        ("https://", "url_malformed"),
        ("https:media.example", "url_malformed"),
        ("https://u:p@media.example/", "url_with_credentials"),
        ("https://good.example@evil.example/", "url_with_credentials"),
        ("https://@media.example/", "url_with_credentials"),
        ("https://media.example\\@evil.example/", "url_malformed"),
        ("https://media.example/a b", "url_malformed"),
        ("https://media.example/\r\nx: y", "url_malformed"),
        ("https://media.example:0x50/", "url_malformed"),
        ("https://media.example:99999/", "url_malformed"),
        ("https://[::1%25eth0]/", "url_malformed"),
        ("https://[::1/", "url_malformed"),
        ("https://mediä.example/", "url_malformed"),
        ("https://media.example/#x", "url_malformed"),
        ("https://media.example/" + "x" * 5000, "url_malformed"),
    ],
)
async def test_a_url_that_could_be_read_in_two_ways_or_is_not_https_is_refused(url: str, code: str) -> None:
    assert await refused(url) == code


NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "127.8.8.8",
    "168.63.129.16",  # Azure's
    "169.254.169.254",  # nearly everybody's
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",  # Oracle's
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::7f00:1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "fc00::1",
    "fd00:ec2::254",  # Amazon's metadata
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "media.example",
    "",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_an_address_that_is_not_public_is_refused_alone_and_among_others(address: str) -> None:
    assert not is_public(address)
    for addresses in ([address], [PUBLIC, address], [address, PUBLIC]):
        assert await refused("https://media.example/", Names(media=[addresses])) == "address_not_public"


@pytest.mark.parametrize("address", [PUBLIC, OTHER, "8.8.8.8", "172.32.0.1", "2a00:1450:4001::1", "64:ff9b::808:808"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_global))
def test_no_ipv4_address_that_is_not_global_is_public_in_any_clothes(address: object) -> None:
    for clothed in (f"{address}", f"::ffff:{address}", f"::{address}", f"64:ff9b::{address}"):
        assert not is_public(clothed)


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:7f00:1]"]
)
async def test_loopback_is_refused_however_the_system_lets_it_be_written(host: str) -> None:
    fetcher = Fetcher(FakeHttp(programmed()), resolve)
    with pytest.raises(FetchRefusedError) as caught:
        await fetcher.fetch(get(f"https://{host}/"), timeout_seconds=5, bytes_max=10)

    assert caught.value.code == "address_not_public"


async def test_each_redirect_is_checked_again() -> None:
    for location, code in (
        ("https://inside.example/", "address_not_public"),
        ("http://media.example/", "not_https"),
        ("//u@media.example/", "url_with_credentials"),
        ("https://[::1", "url_malformed"),
    ):
        answer = programmed(reply(302, location=location))
        assert await refused("https://media.example/", Names(inside=[["10.0.0.1"]]), answer=answer) == code


async def test_a_name_that_changes_its_address_between_two_steps_is_caught() -> None:
    names = Names(media=[[PUBLIC], ["127.0.0.1"]])
    answer = programmed(reply(302, location="/again"))

    assert await refused("https://media.example/", names, answer=answer) == "address_not_public"


async def test_three_redirects_are_followed_and_no_more() -> None:
    steps = [reply(status, location="/on") for status in (301, 302, 307)]
    assert (await fetched(FakeHttp(programmed(*steps, reply(200))), "https://media.example/")).status == 200

    assert await refused("https://media.example/", answer=programmed(*steps, steps[0])) == "too_many_redirects"


async def test_headers_stay_with_the_origin_that_they_were_for() -> None:
    steps = [
        reply(302, location="/same"),
        reply(302, location="https://media.example:8443/"),
        reply(302, location="https://media.example/back"),
    ]
    http = FakeHttp(programmed(*steps, reply(200)))
    await fetched(http, "https://media.example/")

    assert ["authorization" in request.headers for request in http.requests] == [True, True, False, False]


async def test_a_redirect_without_a_place_is_the_answer() -> None:
    assert (await fetched(FakeHttp(programmed(reply(304))), "https://media.example/")).status == 304
    assert (await fetched(FakeHttp(programmed(reply(302))), "https://media.example/")).status == 302


async def test_a_host_that_the_operator_names_may_be_inside_and_without_tls() -> None:
    names = Names(simulator=[["127.0.0.1"]])
    for url in ("http://simulator.local:8099/f", "https://SIMULATOR.local:8099/f"):
        http = FakeHttp(programmed(reply(200)))
        await fetched(http, url, names, allowed=["Simulator.local:8099"])
        assert http.addresses == ["127.0.0.1"]
    for url in ("http://simulator.local:8098/", "http://other.local:8099/"):
        with pytest.raises(FetchRefusedError):
            await fetched(FakeHttp(programmed()), url, names, allowed=["simulator.local:8099"])
    inside = FakeHttp(programmed(reply(302, location="https://inside.example/")))
    with pytest.raises(FetchRefusedError):
        await fetched(inside, "http://simulator.local/", Names(simulator=[["127.0.0.1"]], inside=[["10.0.0.1"]]))


async def test_only_get_without_a_body() -> None:
    for request in (HttpRequest(method="POST", url="https://a.example/"), HttpRequest(method="GET", url="", body=b"x")):
        with pytest.raises(FetchRefusedError):
            await Fetcher(FakeHttp(programmed()), Names()).fetch(request, timeout_seconds=1, bytes_max=1)


async def delivered(http: FakeHttp, url: str, names: Names | None = None, *, allowed: Sequence[str] = ()) -> int:
    request = HttpRequest(method="POST", url=url, headers={"webhook-id": "1"}, body=b"{}")
    fetcher = Fetcher(http, names or Names(), hosts_allowed=allowed)
    return (await fetcher.deliver(request, timeout_seconds=5, bytes_max=100)).status


async def test_what_is_delivered_goes_to_the_address_that_was_checked() -> None:
    http, names = FakeHttp(programmed(reply(204))), Names(shop=[[PUBLIC], ["127.0.0.1"]])

    assert await delivered(http, "https://shop.example/hook", names) == 204
    assert (http.addresses, http.requests[0].method, http.requests[0].body) == ([PUBLIC], "POST", b"{}")
    assert http.requests[0].headers == {"webhook-id": "1"}


@pytest.mark.parametrize(
    ("url", "addresses", "code"),
    [
        ("http://shop.example/", [PUBLIC], "not_https"),
        ("https://u@shop.example/", [PUBLIC], "url_with_credentials"),
        ("https://shop.example/", [PUBLIC, "169.254.169.254"], "address_not_public"),
        ("https://shop.example/", ["127.0.0.1"], "address_not_public"),
    ],
)
async def test_nothing_is_delivered_into_our_own_network(url: str, addresses: list[str], code: str) -> None:
    http = FakeHttp(programmed())
    with pytest.raises(FetchRefusedError) as caught:
        await delivered(http, url, Names(shop=[addresses]))

    assert (caught.value.code, http.requests) == (code, [])


async def test_an_operator_may_let_deliveries_go_to_a_simulator() -> None:
    http, names = FakeHttp(programmed(reply(200))), Names(simulator=[["127.0.0.1"]])

    assert await delivered(http, "http://simulator.local:8099/", names, allowed=["simulator.local:8099"]) == 200


async def test_a_delivery_follows_no_redirect() -> None:
    http = FakeHttp(programmed(reply(302, location="https://inside.example/")))

    assert await delivered(http, "https://shop.example/") == 302
    assert len(http.requests) == 1


def test_the_time_of_a_delivery_is_bounded_the_name_included() -> None:
    async def slow(_: str, __: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return [PUBLIC]

    async def story() -> float:
        request = HttpRequest(method="POST", url="https://shop.example/")
        with pytest.raises(HttpUnknownError):
            await Fetcher(FakeHttp(programmed()), slow).deliver(request, timeout_seconds=5, bytes_max=1)
        return asyncio.get_running_loop().time()

    assert run_virtual(story()) == pytest.approx(5)


async def test_size_is_bounded() -> None:
    with pytest.raises(HttpTooLargeError):
        await fetched(FakeHttp(programmed(reply(200, b"x" * 101))), "https://media.example/")


def test_time_is_bounded_over_all_steps() -> None:
    async def slow(_: PortRequest) -> HttpReply:
        await asyncio.sleep(4)
        return reply(302, location="/on")

    async def story() -> float:
        with pytest.raises(HttpUnknownError):
            await fetched(FakeHttp(slow), "https://media.example/")
        return asyncio.get_running_loop().time()

    assert run_virtual(story()) == pytest.approx(5)


async def test_a_real_client_is_kept_from_its_own_machine() -> None:
    async with http_client() as http:
        with pytest.raises(FetchRefusedError):
            await Fetcher(http, resolve).fetch(get("https://localhost/"), timeout_seconds=5, bytes_max=10)
