"""The whole path on running services: 200 chats, 20 agents with mixed skills, an engine killed in the middle."""

from pathlib import Path

import pytest
from centralino.proof.faults import report
from centralino.proof.running import Running, running_stack
from centralino.proof.story import Story
from servicekit.testing import kafka_jars
from servicekit.testing.eventually import eventually

pytestmark = pytest.mark.timeout(300)


async def test_on_the_embedded_stack_all_are_answered_although_the_engine_is_killed(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        await all_are_answered(stack)


@pytest.mark.real_kafka
async def test_on_real_kafka_all_are_answered_although_the_engine_is_killed(tmp_path: Path) -> None:
    reason = kafka_jars.available()
    if reason is not None:
        pytest.skip(reason)
    with (
        kafka_jars.kafka_from_jars(tmp_path / "kafka") as kafka_url,
        running_stack(tmp_path, given=["--kafka", kafka_url]) as stack,
    ):
        await all_are_answered(stack)


async def all_are_answered(stack: Running) -> None:
    story = Story(home=stack.home, addresses=stack.addresses)

    async def kill_engine() -> None:
        killed = stack.process("router-engine")
        assert killed is not None
        killed.kill()
        await eventually(lambda: stack.process("router-engine") not in (None, killed), timeout_seconds=20)

    await story.run(meanwhile=kill_engine)
    faults = await story.faults()

    assert len(story.customers) == 200
    assert [customer.interaction_id for customer in story.customers if not customer.answers] == []
    assert not faults, report(faults)
