"""What the configuration says for a call."""

import pytest
from voice_gateway.domain.call import AgentPhone, Extension, RecordingPolicy
from voice_gateway.domain.driver import Capabilities
from voice_gateway.domain.words import Number, Party, Phone
from voice_gateway.resolving import Resolving, endpoint_of
from voice_gateway.testing.owning import ADA, ADDRESS, DOMAIN, NUMBER, TENANT, configured, part, record

CAN = Capabilities(headers=False)


@pytest.mark.parametrize("called", [NUMBER, "390612345", "+39 06-12345"])
def test_a_number_leads_to_the_terms_of_its_address_however_the_trunk_says_it(called: str) -> None:
    terms = Resolving(configured()).terms(called, CAN)

    assert terms is not None
    assert (terms.tenant_id, terms.domain, terms.client, terms.address) == (TENANT, DOMAIN, "shop", ADDRESS)
    assert (terms.language, terms.music, terms.shown) == ("it", "jazz", Party(number="+390600000"))
    assert terms.recording == (RecordingPolicy(keep_days=7),)
    assert terms.extensions == (Extension(dialled="91", queue="sales"),)
    assert (terms.supervision_announced, terms.can) == (False, CAN)


def test_legs_live_as_long_as_the_node_says() -> None:
    terms = Resolving(configured(), alive_seconds=8).terms(NUMBER, CAN)

    assert terms is not None
    assert terms.alive_seconds == 8


def test_a_number_of_nobody_and_one_that_was_removed_have_no_terms() -> None:
    directory = configured()
    resolving = Resolving(directory)
    assert resolving.terms("+390699", CAN) is None
    directory.apply(TENANT, record("channel", ADDRESS, None))

    assert resolving.terms(NUMBER, CAN) is None


def test_an_agent_is_called_where_the_configuration_says() -> None:
    resolving = Resolving(configured())

    endpoint = Phone(endpoint_id=endpoint_of(TENANT, ADA))
    assert resolving.phone(TENANT, ADA) == AgentPhone(to=endpoint, answers_itself=True)
    assert resolving.phone(TENANT, "bert") == AgentPhone(to=Number(number="+390699999"), ring_seconds=12)
    assert resolving.phone(TENANT, "carla") is None
    assert resolving.phone("other", ADA) is None
    assert endpoint_of("other", ADA) != endpoint_of(TENANT, ADA)


def test_what_is_not_understood_leaves_what_was_and_a_removed_domain_keeps_its_place() -> None:
    directory = configured()
    directory.apply(TENANT, part("flow", f"{DOMAIN}/main", {"music": 7}))
    directory.apply(TENANT, record("agent", ADA, {"phone": {"kind": "number"}}))
    directory.apply(TENANT, record("domain", DOMAIN, None))

    flow, phone = directory.flow(TENANT, DOMAIN, "main"), directory.phone(TENANT, ADA)
    assert flow is not None
    assert flow.music == "jazz"
    assert phone is not None
    assert phone.kind == "sip"
    assert directory.partition_of(TENANT, DOMAIN) == 1


def test_what_was_removed_is_gone() -> None:
    directory = configured()
    for each in (part("flow", f"{DOMAIN}/main", None), part("recording", DOMAIN, None), record("agent", ADA, None)):
        directory.apply(TENANT, each)

    terms = Resolving(directory).terms(NUMBER, CAN)
    assert terms is not None
    assert (terms.music, terms.recording) == (None, ())
    assert directory.phone(TENANT, ADA) is None
