from importlib.resources import files

from centralino.prepare import CONSUMERS
from chat_gateway import consumers as chat_gateway
from contracts.configuration import read_configuration
from crm import consumers as crm
from router.api import consumers as router_push
from router.engine import inputs as router_engine


def test_each_consumer_has_a_dead_letter_topic_for_all_that_it_reads() -> None:
    read = {each.GROUP: set(each.TOPICS) for each in (chat_gateway, crm, router_push)}
    read[router_engine.GROUP] = {topic.name for topic in router_engine.INPUT_TOPICS}

    assert {group: {topic.name for topic in topics} for group, topics in CONSUMERS.items()} == read


def test_the_sample_tenant_is_a_valid_configuration() -> None:
    configuration = read_configuration((files("centralino") / "sample" / "acme.json").read_bytes())

    assert {domain.id for domain in configuration.domains} == {"acme.main"}
