"""How a node gets its commands."""

import asyncio

from servicekit.testing.virtual import SeededChance, VirtualClock, run_virtual
from typing_extensions import override
from voice_gateway.codec import Numbered
from voice_gateway.doing import Doing, DoingLimits
from voice_gateway.domain.commands import Answer, Command, HangUp, Play
from voice_gateway.domain.words import Media
from voice_gateway.testing.owning import ObedientNode, metrics

ONE, TWO = ("acme", "i1"), ("acme", "i2")


def numbered(*commands: Command) -> list[Numbered]:
    return [Numbered(number, command) for number, command in enumerate(commands, 1)]


def doing_at(node: ObedientNode, limits: DoingLimits | None = None) -> tuple[Doing, list[tuple[str, int]]]:
    async def resolved(tenant_id: str, media: Media) -> Media:
        return Media(uri=f"{tenant_id}/{media.uri}")

    doing = Doing(
        node,
        clock=VirtualClock(),
        chance=SeededChance(1),
        metrics=metrics(),
        resolve=resolved,
        limits=limits or DoingLimits(),
    )
    done: list[tuple[str, int]] = []
    doing.done = lambda key, number: done.append((key[1], number))
    return doing, done


def test_commands_of_a_call_go_in_order_and_those_of_calls_side_by_side() -> None:
    async def story() -> None:
        node = ObedientNode()
        doing, done = doing_at(node)
        node.go_on.clear()
        doing.give(ONE, numbered(Answer(leg_id="a"), HangUp(leg_id="a")))
        doing.give(TWO, numbered(Answer(leg_id="b")))
        assert not await doing.drained(timeout_seconds=1)
        assert (node.at_once, node.taken) == (2, [])
        node.go_on.set()

        assert await doing.drained(timeout_seconds=1)
        assert [each for each in node.taken if each.leg_id == "a"] == [Answer(leg_id="a"), HangUp(leg_id="a")]  # type: ignore[union-attr]  # they have one
        assert sorted(done) == [("i1", 1), ("i1", 2), ("i2", 1)]

    run_virtual(story())


def test_no_more_are_at_the_node_at_once_than_it_may_have() -> None:
    async def story() -> None:
        node = ObedientNode()
        doing, _ = doing_at(node, DoingLimits(in_flight_max=3))
        node.go_on.clear()
        for number in range(10):
            doing.give(("acme", str(number)), numbered(Answer(leg_id=str(number))))
        assert not await doing.drained(timeout_seconds=1)
        node.go_on.set()

        assert await doing.drained(timeout_seconds=1)
        assert (len(node.taken), node.at_once_most) == (10, 3)

    run_virtual(story())


def test_a_command_waits_for_a_node_that_is_away_and_what_comes_behind_it_too() -> None:
    async def story() -> None:
        node = ObedientNode()
        doing, done = doing_at(node)
        node.is_away = True
        doing.give(ONE, numbered(Answer(leg_id="a"), HangUp(leg_id="a")))
        assert not await doing.drained(timeout_seconds=60)
        assert (node.taken, done) == ([], [])
        node.is_away = False

        assert await doing.drained(timeout_seconds=3)
        assert node.taken == [Answer(leg_id="a"), HangUp(leg_id="a")]

    run_virtual(story())


def test_a_command_without_an_answer_is_given_again() -> None:
    async def story() -> None:
        node = ObedientNode()
        doing, done = doing_at(node, DoingLimits(answer_seconds=1))
        node.go_on.clear()
        doing.give(ONE, numbered(Answer(leg_id="a")))
        assert not await doing.drained(timeout_seconds=5)
        node.go_on.set()

        assert await doing.drained(timeout_seconds=5)
        assert (node.taken, done) == ([Answer(leg_id="a")], [("i1", 1)])

    run_virtual(story())


def test_sounds_are_looked_up_just_before() -> None:
    async def story() -> None:
        node = ObedientNode()
        doing, _ = doing_at(node)
        doing.give(ONE, numbered(Play(playback_id="p", leg_id="a", media=(Media(uri="x"), Media(uri="y")))))
        await doing.drained(timeout_seconds=1)

        [played] = node.taken
        assert isinstance(played, Play)
        assert [media.uri for media in played.media] == ["acme/x", "acme/y"]

    run_virtual(story())


def test_a_fault_about_one_command_does_not_hold_up_the_next() -> None:
    class Broken(ObedientNode):
        @override
        async def do(self, command: Command) -> None:
            if isinstance(command, Answer):
                raise ZeroDivisionError
            await super().do(command)

    async def story() -> None:
        node = Broken()
        doing, done = doing_at(node)
        doing.give(ONE, numbered(Answer(leg_id="a"), HangUp(leg_id="a")))

        assert await doing.drained(timeout_seconds=1)
        assert (node.taken, done) == ([HangUp(leg_id="a")], [("i1", 1), ("i1", 2)])

    run_virtual(story())


def test_what_is_closed_does_no_more() -> None:
    async def story() -> None:
        node = ObedientNode()
        doing, done = doing_at(node)
        node.go_on.clear()
        doing.give(ONE, numbered(Answer(leg_id="a")))
        await asyncio.sleep(0)
        await doing.close()
        node.go_on.set()
        await asyncio.sleep(1)

        assert (node.taken, done) == ([], [])

    run_virtual(story())
