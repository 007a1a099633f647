"""`python -m benchmarks [name ...]`: run all measurements, or those named."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Final

SHARED: Final = {"__init__", "__main__", "report"}


def main() -> None:
    """Each module's `main`, in the order of names."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in SHARED)
    names = sys.argv[1:] or known
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no such measurement: {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names:
        print(f"# {name}", flush=True)
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
