"""Which views a batch's facts touch."""

import dataclasses

from router.domain.facts import INTERNAL, PUBLIC
from router.domain.internal import AttentionJoined, RefusalLapsed
from router.engine.views import OF_A_TASK


def test_the_queue_is_looked_up_for_every_fact_that_changes_a_task_without_naming_its_queue() -> None:
    named = {data: {field.name for field in dataclasses.fields(data)} for data in (PUBLIC | INTERNAL).values()}
    without_queue = {data for data, fields in named.items() if "task_id" in fields and "queue" not in fields}

    assert without_queue - {AttentionJoined, RefusalLapsed} == set(OF_A_TASK)
