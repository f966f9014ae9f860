"""edgepress beside its peers: the same float models and data, and what each tool makes of them as its tutorial says.

    python -m edgepress.benchmarks.studies.peers --pages docs/peers.md

finds its data in EDGEPRESS_DATA_DIR (a model whose files are not there is left out, and said to be) and the wine table
in scikit-learn. Each peer runs in a process of its own with a time limit; what it left is kept below --work, so that a
study that was killed goes on: what is to be made again is removed there, `<model>/<peer>` for a file and
`<model>/judged.json` for the metrics and times of all files of a model. `--models wine --peers
tensorflow-int8,edgepress-tflite` is a small version. A peer that fails is a line with its reason. Exit status 1: a
model could not be prepared, or edgepress made no file of it.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..page.figures import insert_figures
from ..page.study import chosen
from .cells import make_cell, prepare_model
from .judge import Judgement, judge
from .models import MODELS, given
from .recipes import PEERS
from .table import page, summary

_LOG = logging.getLogger("edgepress")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the cells, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="some of them, separated by commas")
    parser.add_argument("--peers", default=",".join(PEERS), help="some of them, separated by commas")
    parser.add_argument("--preset", default="quick", help="of the benchmark: quick, default or frontier")
    parser.add_argument("--seconds", type=float, default=1800.0, help="that a peer may take for one model")
    parser.add_argument("--work", type=Path, default=Path("runs/peers"))
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="Markdown files with a block for `peers`")
    parser.add_argument("--summary", type=Path, nargs="*", default=[], help="likewise for `peers-summary`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    models, peers = chosen(parser, options.models, MODELS, "models"), chosen(parser, options.peers, PEERS, "peers")
    parts: list[str] = []
    wrong: list[str] = []
    judgements: dict[str, Judgement] = {}
    text = ""
    for place, model in enumerate(models, 1):
        _LOG.info("peers: %s", model)
        lines, missing, judgement = _model(model, peers, options)
        if judgement:
            judgements[MODELS[model].title] = judgement
        parts += [*lines, ""]
        wrong += missing
        # A study that is killed leaves a page of what it had.
        command = _command(models[:place], peers, options.preset)
        text = "\n".join([*parts, f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}."])
        for path in options.pages:
            insert_figures(path, "peers", text)
        for path in options.summary:
            insert_figures(path, "peers-summary", "\n".join([*summary(judgements), "", f"Written by `{command}`."]))
    print(text)
    for line in wrong:
        print(f"peers: {line}", file=sys.stderr)
    return 1 if wrong else 0


def _model(
    model: str, peers: Sequence[str], options: argparse.Namespace
) -> tuple[list[str], list[str], Judgement | None]:
    """The model's part of the page, what must be there and is not, and what came of its files, if it is there."""
    if reason := prepare_model(model, options.work, options.seconds):
        return [f"### {MODELS[model].title}", "", f"Not measured: {reason}."], [f"{model}: {reason}"], None
    cells = {}
    for peer in peers:
        cells[peer] = cell = make_cell(model, peer, options.work, options.seconds)
        _LOG.info("peers: %s, %s: %s", model, peer, cell.file or cell.said)
    judgement = judge(given(model, options.work), options.work, cells, options.preset)
    missing = [f"{model}: no file of {peer}" for peer in peers if PEERS[peer].ours and peer not in judgement.files]
    return list(page(MODELS[model].title, cells, judgement)), missing, judgement


def _command(models: Sequence[str], peers: Sequence[str], preset: str) -> str:
    parts = ["python -m edgepress.benchmarks.studies.peers"]
    parts += [f"--models {','.join(models)}"] if len(models) < len(MODELS) else []
    parts += [f"--peers {','.join(peers)}"] if len(peers) < len(PEERS) else []
    return " ".join([*parts, f"--preset {preset}"])


if __name__ == "__main__":
    sys.exit(main())
