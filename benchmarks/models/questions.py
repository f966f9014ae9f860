"""What every row is asked: the test examples in the size that it takes, and of pictures their perturbations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgepress.data.rows import save_pieces

from ..measure.workers import Worker
from ..report.examples import list_examples
from ..statistics.judge import Judge, Said
from ..statistics.metrics import Answers, compare_accuracy
from ..statistics.robustness import perturb
from .asked import Asked

__all__ = ["Questions", "answer_facts"]


class Questions:
    """Files of examples, and what the rows say about them."""

    def __init__(self, folder: Path, rows: Sequence[Asked], seed: int, *, hard: bool) -> None:
        """Write the examples down.

        Args:
            folder: Where files may lie.
            rows: How each is asked.
            seed: Of the perturbations.
            hard: Whether there are perturbations.
        """
        self._folder = folder
        self._files: list[dict[str, Path]] = []
        written: dict[tuple[Any, ...], dict[str, Path]] = {}
        for row in rows:
            examples = row.question.examples
            # The one input of a model is found under any name.
            names = len(examples.inputs) > 1 or examples.reals
            key = tuple((name if names else "", id(values)) for name, values in examples.inputs.items())
            if key not in written:
                written[key] = self._write(row, len(written), seed, hard)
            self._files.append(written[key])
        self.answers: dict[int, dict[str, Said]] = {}
        """By row, then by name of the perturbation; the plain examples have an empty name."""

    def _write(self, row: Asked, number: int, seed: int, hard: bool) -> dict[str, Path]:
        question = row.question
        files = {"": question.examples.write(self._folder / f"examples-{number}")}
        # A changed picture has the class that it had; no other answer is known to stay.
        pictures = question.pictures if question.task.classifies and question.truth is not None else None
        if hard and pictures is not None:
            for place, (name, pieces) in enumerate(perturb(pictures, seed=seed)):
                files[name] = self._folder / f"perturbed-{number}-{place}.npy"
                save_pieces(files[name], pieces, pictures.shape, pictures.dtype)
        return files

    def sample(self, index: int) -> Path:
        """The plain examples of a row."""
        return self._files[index][""]

    def ask(self, index: int, worker: Worker) -> None:
        """Keep what the model in a process says; the second time there is nothing to ask."""
        if index in self.answers:
            return
        own: dict[str, Said] = {}
        for number, (name, file) in enumerate(self._files[index].items()):
            out = self._folder / f"answers-{index}-{number}"
            own[name] = worker.answers(file, out)
        self.answers[index] = own


def answer_facts(asked: Questions, index: int, judge: Judge) -> dict[str, Any]:
    """How a row answered, and how that compares with the baseline: fields of `Row`."""
    own, base = asked.answers[index], asked.answers[0]
    facts = judge.facts(own[""])
    truth = judge.truth
    if truth is None or not judge.task.classifies:
        return facts
    flips, mistakes = list_examples(Answers(own[""][""]), Answers(base[""][""]), truth)
    return facts | {
        "robustness": tuple(
            compare_accuracy(name, Answers(own[name][""]), Answers(base[name][""]), truth, seed=judge.seed)
            for name in own
            if name
        ),
        "flips": flips,
        "mistakes": mistakes,
    }
