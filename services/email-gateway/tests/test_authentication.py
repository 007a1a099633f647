import pytest
from email_gateway.domain.authentication import Verdict, judge, parse_results
from email_gateway.domain.headers import Headers
from email_gateway.domain.parse import parse_mail

OURS = "mx.shop.example"


def verdict(*fields: str, sealers: frozenset[str] = frozenset()) -> Verdict:
    raw = "".join(f"{field}\r\n" for field in fields).encode() + b"\r\nx"
    return judge(parse_mail(raw).headers, OURS, trusted_sealers=sealers)


def test_our_servers_word_is_taken() -> None:
    found = verdict(
        f"Authentication-Results: {OURS} 1;\r\n spf=pass (it is; so \\) said) smtp.mailfrom=customer.example;\r\n"
        ' dkim=fail reason="body; hash" header.d=x.example; dkim = pass header.d=customer.example header.b="ab=c";\r\n'
        " dmarc=pass (p=reject) header.from=Customer.example"
    )

    assert (found.spf, found.dkim, found.dmarc, found.domain) == ("pass", "pass", "pass", "customer.example")
    assert found.is_vouched
    assert not found.is_failed


@pytest.mark.parametrize(
    "field",
    [
        "Authentication-Results: evil.example; dmarc=pass",
        f"Authentication-Results: {OURS}.evil.example; dmarc=pass",
        f"Authentication-Results: {OURS} 2; dmarc=pass",
        f"Authentication-Results: ({OURS}) evil.example; dmarc=pass",
        f'Authentication-Results: "{OURS}; dmarc=pass"',
        f"X-Authentication-Results: {OURS}; dmarc=pass",
        f"ARC-Authentication-Results: i=1; {OURS}; dmarc=pass",
        "Authentication-Results: ; dmarc=pass",
    ],
)
def test_nobody_else_is_believed(field: str) -> None:
    assert verdict(field) == Verdict()


def test_the_topmost_result_of_a_method_counts() -> None:
    found = verdict(
        f"Authentication-Results: {OURS}; dmarc=fail", f"Authentication-Results: {OURS}; dmarc=pass; spf=none"
    )

    assert (found.dmarc, found.spf) == ("fail", "none")
    assert found.is_failed


@pytest.mark.parametrize("between", ["", "Received: from x by y\r\n"])
def test_of_a_server_that_leaves_others_fields_the_topmost_alone_is_its_own(between: str) -> None:
    fields = [f"Authentication-Results: {OURS}; {said}\r\n" for said in ("spf=pass", "dmarc=pass")]
    headers = parse_mail(
        f"Authentication-Results: other.example; dmarc=fail\r\n{between.join(fields)}\r\nx".encode()
    ).headers
    found = judge(headers, OURS, topmost_alone=True)

    assert (found.spf, found.dmarc) == ("pass", "unknown")
    assert judge(headers, OURS).dmarc == "pass"


def test_no_results_are_no_failure_and_a_failure_of_spf_alone_is_one() -> None:
    assert not verdict(f"Authentication-Results: {OURS}; none").is_failed
    assert verdict(f"Authentication-Results: {OURS}; spf=fail").is_failed
    assert verdict(f"Authentication-Results: {OURS}; spf=hardfail").spf == "fail"
    assert verdict(f"Authentication-Results: {OURS}; spf=magic").spf == "unknown"


SEALED = (
    f"Authentication-Results: {OURS}; dmarc=fail; arc=pass",
    "ARC-Seal: i=2; d=lists.example; cv=pass",
    "ARC-Authentication-Results: i=2; mx.lists.example; dmarc=pass",
    "ARC-Seal: i=1; d=first.example",
    "ARC-Authentication-Results: i=1; mx.first.example; dmarc=fail",
)


def test_a_seal_counts_only_for_a_named_forwarder_whose_seal_is_newest() -> None:
    trusted = verdict(*SEALED, sealers=frozenset({"lists.example"}))

    assert (trusted.dmarc, trusted.by_forwarder) == ("pass", "lists.example")
    assert verdict(*SEALED).is_failed
    assert verdict(*SEALED, sealers=frozenset({"first.example"})).is_failed
    assert verdict(
        SEALED[0].replace("arc=pass", "arc=fail"), *SEALED[1:], sealers=frozenset({"lists.example"})
    ).is_failed
    assert verdict(*SEALED[:2], SEALED[2].replace("pass", "none"), sealers=frozenset({"lists.example"})).is_failed


def test_a_broken_field_gives_nothing() -> None:
    assert parse_results(b"") == ("", [])
    assert parse_results(b"a.example; ; =; x; (((")[1] == []
    assert judge(Headers(), OURS) == Verdict()
