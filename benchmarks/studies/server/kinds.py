"""Bundles of several kinds of contract, each served by itself: malformed requests, a soak, a client of the protocol.

    python -m edgepress.benchmarks.studies.server.kinds BUNDLE ... --out docs/serve-kinds.json

The requests are shared out evenly, the seconds are each bundle's. The client knows the Open Inference Protocol and
nothing of bundles. Written bundle by bundle. Exit status 1 when one fails.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from edgepress.runtime import Manifest

from .malformed import malformed
from .protocol import ask_by_protocol
from .serving import publish, start_server
from .soak import failures, soak

__all__ = ["study"]


def study(bundle: str, *, requests: int, seconds: float) -> dict[str, Any]:
    """All three on one bundle."""
    manifest = Manifest.read(bundle)
    refused = malformed(bundle, requests=requests, seed=0)
    soaked = soak(bundle, seconds=seconds, share=0.8, clients=4)
    with start_server(bundle) as server:
        asked = ask_by_protocol(bundle, server.port)
    return {
        "bundle": manifest.name,
        "inputs": [each.kind for each in manifest.contract.inputs.values()],
        "task": manifest.task.kind,
        "malformed": refused,
        "soak": soaked,
        "protocol": asked,
        "failures": [*refused["failures"], *failures(soaked), *asked["failures"]],
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+")
    parser.add_argument("--requests", type=int, default=10_000, help="malformed ones, over all bundles")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each soak")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    each = -(-arguments.requests // len(arguments.bundles))
    rows: list[dict[str, Any]] = []
    for bundle in arguments.bundles:
        rows.append(study(bundle, requests=each, seconds=arguments.seconds))
        publish({"malformed_requests": each * len(rows), "bundles": rows}, arguments.out)
    sys.exit(any(row["failures"] for row in rows))


if __name__ == "__main__":
    _main()
