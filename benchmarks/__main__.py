"""`python -m benchmarks [name ...] [--option ...]`: run all measurements, or those named, with these options."""

import runpy
import sys
from pathlib import Path
from typing import Final

SHARED: Final = {"__init__", "__main__", "features", "report", "specialist"}


def main() -> None:
    """Each measurement as `python -m benchmarks.<name>` would run it, in the order of names."""
    known, options = measurements(), sys.argv[1:]
    names = []
    while options and not options[0].startswith("-"):
        names.append(options.pop(0))
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no such measurement: {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names or known:
        print(f"# {name}", flush=True)
        sys.argv[1:] = options
        runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)


def measurements() -> list[str]:
    """Their names; docs/benchmarks.md has the same in its table."""
    folder = Path(__file__).parent
    names = sorted(path.stem for path in folder.glob("*.py") if path.stem not in SHARED)
    return names + sorted(path.parent.name for path in folder.glob("*/__main__.py"))


if __name__ == "__main__":
    main()
