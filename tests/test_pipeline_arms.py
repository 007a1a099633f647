"""The peers of the pipeline benchmark decide rightly: their scripts in Valkey, replayed by the checker."""

from redis.asyncio import Redis

from benchmarks.pipeline.arms.centre import KEYS, Call, Centre, waiting_task
from benchmarks.pipeline.checker import Effect, effects_of, faults_in
from benchmarks.pipeline.job import agent_name, agent_number, interaction_name, job, number_of, queue_name

DOMAIN = 1
TASKS = 300
OPEN_MAX = 200


class Peer:
    """What the arms do for each input, with the offers that they would publish."""

    def __init__(self, redis: Redis) -> None:
        self.inputs: list[str] = []
        self.offers: list[Effect] = []
        self.open: dict[int, str] = {}
        self._redis = redis
        self._centre = Centre()

    async def load(self) -> None:
        await self._centre.load(self._redis)

    async def start(self, number: int) -> None:
        name, queue = interaction_name(DOMAIN, number), queue_name(*job().task(DOMAIN, number))
        agent = await self._ask(self._centre.started(DOMAIN, name, queue, 1_000 + number, number))
        self.inputs.append(f"{name}.s")
        if agent is not None:
            self._offered(number, agent.decode())

    async def end(self, number: int) -> None:
        name, agent = interaction_name(DOMAIN, number), self.open.pop(number)
        waited = await self._ask(self._centre.ended(DOMAIN, name, agent))
        self.inputs.append(f"{name}.e")
        if waited is not None:
            self._offered(number_of(waiting_task(waited)[0]), agent)

    async def _ask(self, call: Call) -> bytes | None:
        answer: bytes | None = await self._redis.evalsha(call[0], KEYS, *call[1])
        return answer

    def _offered(self, number: int, agent: str) -> None:
        self.open[number] = agent
        self.offers.append(Effect("offered", number, self.inputs[-1], agent_number(agent)))


async def test_the_scripts_of_the_peers_keep_the_rules_of_the_job(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    peer = Peer(redis)
    await peer.load()
    for number in range(TASKS):
        await peer.start(number)
        if len(peer.open) > OPEN_MAX:
            await peer.end(next(iter(peer.open)))
    while peer.open:
        await peer.end(next(iter(peer.open)))
    loads = await redis.hvals("{d1}:loads")
    await redis.aclose()

    assert len(peer.offers) == TASKS
    assert any(offer.cause.endswith(".e") for offer in peer.offers)
    assert faults_in(job(), DOMAIN, effects_of(peer.inputs, peer.offers), drained=True) == []
    assert {int(load) for load in loads} == {0}


async def test_an_input_that_comes_twice_gets_the_first_answer(redis_url: str) -> None:
    redis = Redis.from_url(redis_url)
    centre = Centre()
    await centre.load(redis)
    call = centre.started(2, interaction_name(2, 0), queue_name(0, 0), 1_000, 0)
    first, again = [await redis.evalsha(call[0], KEYS, *call[1]) for _ in range(2)]
    ended = centre.ended(2, interaction_name(2, 0), first.decode())
    for _ in range(2):
        await redis.evalsha(ended[0], KEYS, *ended[1])
    loads = await redis.hvals("{d2}:loads")
    await redis.aclose()

    assert first == again
    assert first.decode() in {agent_name(agent) for agent in job().able[0]}
    assert [int(load) for load in loads] == [0]
