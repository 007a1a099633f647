"""The benchmark's checker finds every kind of damage in a run, and nothing in a run without."""

from collections.abc import Sequence
from dataclasses import replace
from heapq import heapify, heappush

import pytest
from contracts import decode
from contracts.interactions import InteractionEnded, InteractionStarted

from benchmarks.pipeline.checker import Effect, answered, effects_of, faults_in
from benchmarks.pipeline.job import CAPACITY, DOMAINS, RECORD_BYTES, Inputs, Job, interaction_name, job, size_of

DOMAIN = 0
TASKS = 400
OUTSTANDING = 200


class Centre:
    """A naive right answer: scans for the best."""

    def __init__(self, what: Job) -> None:
        self._job = what
        self._loads = [0] * len(what.agents)
        self._waiting: list[tuple[int, int, int]] = []  # priority (negative), number, signature
        self._agent_of: dict[int, int] = {}
        self.inputs: list[str] = []
        self.offers: list[Effect] = []

    def start(self, number: int) -> None:
        cause = f"{interaction_name(DOMAIN, number)}.s"
        self.inputs.append(cause)
        signature, priority = self._job.task(DOMAIN, number)
        free = [agent for agent in self._job.able[signature] if self._loads[agent] < CAPACITY]
        if free:
            self._offer(number, min(free, key=lambda agent: self._loads[agent]), cause)
        else:
            heappush(self._waiting, (-priority, number, signature))

    def end(self, number: int) -> None:
        cause = f"{interaction_name(DOMAIN, number)}.e"
        self.inputs.append(cause)
        agent = self._agent_of.pop(number)
        self._loads[agent] -= 1
        fitting = [waiting for waiting in sorted(self._waiting) if agent in self._job.able[waiting[2]]]
        if fitting:
            self._waiting.remove(fitting[0])
            heapify(self._waiting)
            self._offer(fitting[0][1], agent, cause)

    def end_oldest(self) -> None:
        self.end(next(iter(self._agent_of)))

    @property
    def outstanding(self) -> int:
        return len(self._agent_of) + len(self._waiting)

    def _offer(self, number: int, agent: int, cause: str) -> None:
        self._loads[agent] += 1
        self._agent_of[number] = agent
        self.offers.append(Effect("offered", number, cause, agent))


@pytest.fixture(scope="module")
def run() -> Centre:
    """Everything in order; some tasks had to wait."""
    centre = Centre(job())
    for number in range(TASKS):
        centre.start(number)
        if centre.outstanding > OUTSTANDING:
            centre.end_oldest()
    while centre.outstanding:
        centre.end_oldest()
    assert any(offer.cause.endswith(".e") for offer in centre.offers)
    return centre


def faults(inputs: list[str], offers: list[Effect]) -> str:
    return "\n".join(faults_in(job(), DOMAIN, effects_of(inputs, offers), drained=True))


def waited(run: Centre) -> int:
    """Where in the offers one stands that an ended task made possible."""
    return next(index for index, offer in enumerate(run.offers) if offer.cause.endswith(".e"))


def test_a_run_without_damage_has_no_faults(run: Centre) -> None:
    assert faults(run.inputs, run.offers) == ""


def test_a_run_that_ends_in_mid_work_is_judged_up_to_its_last_answer(run: Centre) -> None:
    def found(inputs: Sequence[str], offers: Sequence[Effect]) -> str:
        return "".join(faults_in(job(), DOMAIN, effects_of(inputs, offers), drained=False))

    offers = run.offers[:300]
    damaged = [*offers[: waited(run)], *offers[waited(run) + 1 :]]

    assert "is idle while a task waits" in found(run.inputs, offers)
    assert found(*answered(run.inputs, offers)) == ""
    assert found(*answered(run.inputs, damaged)) != ""


def test_an_offer_that_is_lost_is_found(run: Centre) -> None:
    index = waited(run)

    assert "ended while nobody held it" in faults(run.inputs, run.offers[:index] + run.offers[index + 1 :])


def test_a_task_that_is_never_offered_is_found(run: Centre) -> None:
    last = f"{interaction_name(DOMAIN, TASKS)}.s"

    assert "1 tasks were never offered" in faults([*run.inputs, last], run.offers)


def test_a_task_that_never_ends_is_found(run: Centre) -> None:
    assert "offered and never ended" in faults(run.inputs[:-1], run.offers)


def test_an_offer_made_twice_is_found(run: Centre) -> None:
    offers = [*run.offers[:5], run.offers[4], *run.offers[5:]]

    assert "was offered while it did not wait" in faults(run.inputs, offers)


def test_an_agent_without_the_skill_is_found(run: Centre) -> None:
    first = run.offers[0]
    able = job().able[job().task(DOMAIN, first.number)[0]]
    other = next(agent for agent in range(len(job().agents)) if agent not in able)

    assert "who lacks a skill" in faults(run.inputs, [replace(first, agent=other), *run.offers[1:]])


def test_more_than_an_agent_can_hold_is_found() -> None:
    signature = next(number for number, able in enumerate(job().able) if len(able) > 1)
    numbers = [number for number in range(5000) if job().task(DOMAIN, number)[0] == signature][: CAPACITY + 1]
    inputs = [f"{interaction_name(DOMAIN, number)}.s" for number in numbers]
    agent = job().able[signature][0]
    offers = [Effect("offered", number, cause, agent) for number, cause in zip(numbers, inputs, strict=True)]

    assert f"holds {CAPACITY + 1} tasks" in faults(inputs, offers)


def test_somebody_idle_while_work_waits_is_found(run: Centre) -> None:
    """The offer comes with a later input than it should."""
    index = waited(run)
    late = run.inputs[run.inputs.index(run.offers[index].cause) + 1]
    offers = [replace(offer, cause=late) if offer is run.offers[index] else offer for offer in run.offers]

    assert "is idle while a task waits" in faults(run.inputs, offers)


def test_a_task_that_arrives_and_waits_although_somebody_is_free_is_found(run: Centre) -> None:
    """Its offer comes with the next arrival."""
    arrival, following = run.inputs[:2]
    offers = [replace(run.offers[0], cause=following), *run.offers[1:]]

    assert f"after {arrival} somebody is idle while a task waits" in faults(run.inputs, offers)


def test_a_task_that_comes_twice_is_found(run: Centre) -> None:
    first = run.offers[0].number

    assert faults([run.inputs[0], *run.inputs], run.offers) == f"domain {DOMAIN}: task {first} came twice"


def test_who_came_later_and_went_first_is_found() -> None:
    signature, priority = job().task(DOMAIN, 0)
    alike = [number for number in range(8_000) if job().task(DOMAIN, number) == (signature, priority)][:2]
    effects = [Effect("queued", number, "i0-00000000.s") for number in alike]
    effects.append(Effect("offered", alike[1], "i0-00000000.s", job().able[signature][0]))

    assert "was offered before task" in "".join(faults_in(job(), DOMAIN, effects, drained=False))


def test_a_higher_priority_that_had_to_wait_is_found() -> None:
    numbers = range(8_000)
    low = next(number for number in numbers if job().task(DOMAIN, number)[1] == 0)
    signature = job().task(DOMAIN, low)[0]
    high = next(number for number in numbers if job().task(DOMAIN, number) == (signature, 4))
    effects = [Effect("queued", number, "i0-00000000.s") for number in (low, high)]
    effects.append(Effect("offered", low, "i0-00000000.s", job().able[signature][0]))

    assert f"before task {high}" in "".join(faults_in(job(), DOMAIN, effects, drained=False))


def test_an_offer_whose_cause_is_no_input_is_found(run: Centre) -> None:
    stray = replace(run.offers[-1], cause="i0-99999999.s")

    assert faults(run.inputs, [*run.offers[:-1], stray]) != ""


def test_inputs_are_events_of_one_size_that_the_contract_reads() -> None:
    inputs = Inputs(begun_at_ms=1_700_000_000_000)
    for domain in range(DOMAINS):
        started, ended = inputs.started(domain, 12), inputs.ended(domain, 12, "a07")
        read = [decode(record.value, record.headers) for record in (started, ended)]

        assert [size_of(started), size_of(ended)] == [RECORD_BYTES, RECORD_BYTES]
        assert isinstance(read[0].data, InteractionStarted)
        assert isinstance(read[1].data, InteractionEnded)
        assert {event.data.interaction_id for event in read} == {interaction_name(domain, 12)}  # type: ignore[attr-defined]  # both have one
