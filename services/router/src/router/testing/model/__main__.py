"""Searches scopes, also larger ones than every test run has time for."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from router.testing.model.rules import RULES
from router.testing.model.scopes import SCOPES
from router.testing.model.search import search

SIZES: Final = ("contacts", "engines", "in_flight", "offers", "faults")


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m router.testing.model", description="Searches the commit protocol.")
    parser.add_argument("scopes", nargs="*", metavar="SCOPE", help=f"of {', '.join(SCOPES)}; all, if none is named")
    parser.add_argument("--without", choices=RULES, metavar="RULE", help="leave this rule out, in its scope")
    parser.add_argument("--worlds-max", type=int, default=2_000_000, help="look at no more than so many")
    for name in SIZES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help="instead of the scope's own")
    given = parser.parse_args(arguments)
    # No `choices`: Python 3.11 would then refuse to be given none.
    unknown = [name for name in given.scopes if name not in SCOPES]
    if unknown:
        parser.error(f"no such scope: {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    changes = {name: getattr(given, name) for name in SIZES if getattr(given, name) is not None}
    broken = 0
    for name in given.scopes or ([RULES[given.without].scope] if given.without else SCOPES):
        found = search(replace(SCOPES[name], **changes), given.without, worlds_max=given.worlds_max)
        whole = "" if found.whole else ", and there are more"
        sys.stdout.write(f"{name}: {found.worlds} worlds{whole}; {found.broken or 'every promise is kept'}\n")
        sys.stdout.writelines(f"  {number}. {step}\n" for number, step in enumerate(found.story, 1))
        if found.broken is None:
            sys.stdout.writelines(f"  {count:>9} times {step}\n" for step, count in found.steps.most_common())
        sys.stdout.flush()
        broken += found.broken is not None
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
