"""What the job is made of: domains, agents, requirement signatures, queues, and the records that the driver sends.

Everything follows from one seed, so that the driver, the arms and the checker need to tell each other nothing.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from contracts import Event, encode
from contracts.commands import AcceptOffer, CompleteTask
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.tasks import Requirement
from contracts.topics import INTERACTIONS, ROUTING_INPUTS, Topic

DOMAINS: Final = 4
AGENTS: Final = 50
CAPACITY: Final = 5
SKILLS: Final = 40
SKILLS_EACH: Final = 8
SIGNATURES: Final = 256
PRIORITIES: Final = 5
OUTSTANDING: Final = 200
"""Tasks a domain that the driver keeps under way."""
RECORD_BYTES: Final = 1024
"""Value and headers of an input."""
TASKS_CYCLE: Final = 1 << 13
SEED: Final = 20261122
WHO: Final = "who.who"
PADDING: Final = "padding-padding"

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Input:
    """A record that the driver sends."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Job:
    """Agents are alike in every domain; a queue is a signature at a priority: `queue_name`."""

    agents: Sequence[dict[str, int]]
    """Skills with proficiency 1 to 5, by the agent's number."""
    signatures: Sequence[tuple[Requirement, ...]]
    able: Sequence[tuple[int, ...]]
    """By signature: the numbers of the agents who can serve it."""
    tasks: Sequence[Sequence[tuple[int, int]]]
    """By domain: signature and priority of each task; from the end it begins again."""

    def task(self, domain: int, number: int) -> tuple[int, int]:
        """Signature and priority of a task."""
        return self.tasks[domain][number % TASKS_CYCLE]


@cache
def job() -> Job:
    """The job. Every signature can be served by somebody."""
    chance = random.Random(SEED)
    names = [f"skill-{number}" for number in range(SKILLS)]
    agents = [{name: chance.randint(1, 5) for name in chance.sample(names, SKILLS_EACH)} for _ in range(AGENTS)]
    signatures: dict[tuple[Requirement, ...], None] = {}
    while len(signatures) < SIGNATURES:
        skills = chance.choice(agents)
        needed = sorted(chance.sample(sorted(skills), chance.randint(1, 3)))
        signatures[tuple(Requirement(skill=name, minimum=chance.randint(1, skills[name])) for name in needed)] = None
    able = [
        tuple(number for number, skills in enumerate(agents) if all(skills.get(r.skill, 0) >= r.minimum for r in needs))
        for needs in signatures
    ]
    tasks = [
        [(chance.randrange(SIGNATURES), chance.randrange(PRIORITIES)) for _ in range(TASKS_CYCLE)]
        for _ in range(DOMAINS)
    ]
    return Job(agents, tuple(signatures), able, tasks)


def tenant_name(domain: int) -> str:
    """Each domain is a tenant's only one: 1,280 queues each."""
    return f"t{domain}"


def domain_name(domain: int) -> str:
    """The domain in partition `domain`."""
    return f"d{domain}"


def agent_name(number: int) -> str:
    """An agent; alike in every domain."""
    return f"a{number:02d}"


def agent_number(name: str) -> int:
    """The number that `agent_name` was given."""
    return int(name[1:])


def queue_name(signature: int, priority: int) -> str:
    """The queue of a signature at a priority."""
    return f"s{signature:03d}.p{priority}"


def interaction_name(domain: int, number: int) -> str:
    """Of fixed length, so that every record has the same size."""
    return f"i{domain}-{number:08d}"


def number_of(name: str) -> int:
    """The number in the name of an interaction, or in the id of an event about it."""
    return int(name[3:11])


class Inputs:
    """Makes the records from templates: only numbers, names and times differ from one to the next.

    An event's id is the interaction's name with a letter for its type, `.s`, `.e`, `.a` or `.c`.
    """

    def __init__(self, begun_at_ms: int) -> None:
        self._job = job()
        self._begun_at_ms = begun_at_ms
        every = range(DOMAINS)
        self._started = [_Template(self._sample_started(domain), INTERACTIONS, domain, "s") for domain in every]
        self._ended = [_Template(self._sample_ended(domain), INTERACTIONS, domain, "e") for domain in every]

    def started(self, domain: int, number: int) -> Input:
        """A task comes into being. Times rise with the number: who comes first is never a tie."""
        queue = queue_name(*self._job.task(domain, number)).encode()
        return self._started[domain].fill(number, queue, b"%d" % (self._begun_at_ms + number))

    def ended(self, domain: int, number: int, agent: str) -> Input:
        """The task is over. `agent_id` is a field that the contract does not know and readers may use or pass over."""
        return self._ended[domain].fill(number, agent.encode(), b"%d" % (self._begun_at_ms + number))

    def accept(self, domain: int, number: int, agent: str, offer_id: str) -> Input:
        """The agent takes the offer."""
        data = AcceptOffer(
            command_id=f"{interaction_name(domain, number)}.a",
            domain=domain_name(domain),
            agent_id=agent,
            offer_id=offer_id,
        )
        return self._command(domain, number, data, "a")

    def complete(self, domain: int, number: int, agent: str, assignment_id: str) -> Input:
        """The agent is done."""
        data = CompleteTask(
            command_id=f"{interaction_name(domain, number)}.c",
            domain=domain_name(domain),
            agent_id=agent,
            assignment_id=assignment_id,
        )
        return self._command(domain, number, data, "c")

    def _command(self, domain: int, number: int, data: object, letter: str) -> Input:
        value, headers = encode(_event(domain, number, letter, data, self._begun_at_ms))
        key = domain_name(domain).encode()
        return Input(ROUTING_INPUTS.name, domain, key, value, headers)

    def _sample_started(self, domain: int) -> Event:
        data = InteractionStarted(
            interaction_id=interaction_name(domain, 0),
            domain=domain_name(domain),
            client="shop",
            channel="webchat",
            address="web:main",
            started_at_ms=self._begun_at_ms,
            queue_hint=WHO,
            language="en",
            attributes={"page": "/checkout", "basket": "3"},
            personal={"text": PADDING},
        )
        return _event(domain, 0, "s", data, self._begun_at_ms)

    def _sample_ended(self, domain: int) -> Event:
        data = InteractionEnded(
            interaction_id=interaction_name(domain, 0),
            domain=domain_name(domain),
            reason="customer_left",
            ended_at_ms=self._begun_at_ms,
        )
        return _event(domain, 0, "e", data, self._begun_at_ms)


class _Template:
    """An encoded sample, cut where records differ: name, time, and who (`WHO`), in this order."""

    def __init__(self, sample: Event, topic: Topic, domain: int, letter: str) -> None:
        value, headers = encode(sample)
        self._topic = topic.name
        self._domain = domain
        self._letter = letter.encode()
        self._fixed = [(name, text) for name, text in headers if name not in {"ce_id", "ce_subject", "traceparent"}]
        if letter == "e":
            value = value[:-1] + f',"agent_id":"{WHO}","note":"{PADDING}"}}'.encode()
        name, began = interaction_name(domain, 0).encode(), str(sample.time_ms).encode()
        for varying in (name, began, WHO.encode()):
            value = value.replace(varying, b"%b")
        who = agent_name(0) if letter == "e" else queue_name(0, 0)
        self._value = value.replace(PADDING.encode(), b"")
        free = RECORD_BYTES - size_of(self.fill(0, who.encode(), began))
        self._value = value.replace(PADDING.encode(), b"x" * free)

    def fill(self, number: int, who: bytes, at_ms: bytes) -> Input:
        """`who`: the queue, or the agent."""
        name = b"i%d-%08d" % (self._domain, number)
        headers = [
            *self._fixed,
            ("ce_id", b"%b.%b" % (name, self._letter)),
            ("ce_subject", name),
            ("traceparent", b"00-%032x-%016x-01" % (number + 1, number + 1)),
        ]
        return Input(self._topic, self._domain, name, self._value % (name, at_ms, who), headers)


def size_of(record: Input) -> int:
    """Bytes of value and headers."""
    return len(record.value) + sum(len(name) + len(text) for name, text in record.headers)


def _event(domain: int, number: int, letter: str, data: object, time_ms: int) -> Event:
    name = interaction_name(domain, number)
    return Event(
        id=f"{name}.{letter}",
        source="/benchmark",
        tenant_id=tenant_name(domain),
        subject=name,
        time_ms=time_ms,
        data=data,
        traceparent=f"00-{number + 1:032x}-{number + 1:016x}-01",
    )
