"""What the daemon must show: `python -m benchmarks.serve.run conversation uploads`, or `all`."""

from __future__ import annotations

import argparse
import os
import sys

from benchmarks.serve import calls, conversation, delays, switches, uploads, weights

_NAMES = ("conversation", "delays", "weights", "uploads", "calls", "switches")


def main() -> int:
    """Run what is named; return 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="+", choices=(*_NAMES, "all"))
    parser.add_argument("--calls", type=int, default=calls.CALLS)
    parser.add_argument("--switches", type=int, default=1000)
    parser.add_argument("--engines", default=",".join(switches.PAIRS))
    parser.add_argument("--uploads", default="4,16,64")
    asked = parser.parse_args()
    scenes = {
        "conversation": conversation.run,
        "delays": delays.run,
        "weights": weights.run,
        "uploads": lambda: uploads.run(tuple(map(int, asked.uploads.split(",")))),
        "calls": lambda: calls.run(asked.calls),
        "switches": lambda: switches.run(tuple(asked.engines.split(",")), asked.switches),
    }
    wanted = _NAMES if "all" in asked.what else asked.what
    right = True
    for name in wanted:
        print(
            f"\n{name}; load of this host {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
        )
        right &= scenes[name]()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
