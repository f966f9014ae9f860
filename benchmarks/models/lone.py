"""How a model file that is no part of a bundle is asked: as stated, as it says itself, or as found by trying."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import NOTHING, Dataset, Part, question_of, with_normal
from edgepress.quality import QUALITY, quality_of
from edgepress.runtime import InputError
from edgepress.runtime.contract import Contract, Input, Picture
from edgepress.runtime.contract.arrange import Arrangement, arrangements
from edgepress.runtime.tasks import TASKS, Task
from edgepress.train import candidates, choose, some, stated_inputs

from ..measure.examples import Examples
from ..measure.workers import Worker, WorkerError
from ..question import ANOMALY_NAMES, Question, check_input, check_names
from ..question import some as named
from .asked import Asked
from .readings import Readings
from .subjects import Subject, asked_of
from .told import Told, output_of

__all__ = ["Lone"]

_LOG = logging.getLogger("edgepress")
_PROBED = 64
_NUMBERS_TRIED = 2_000 * 96 * 96 * 3
_FEWEST, _MOST = 300, 2_000
"""Training examples on which ways of feeding are told apart: fewer where each is large."""
_UNKNOWN_SHARE = 0.02
"""As export has it: share of normal examples that may be called anomalies."""


@dataclass(frozen=True, eq=False)
class _Way:
    """One way of feeding a lone file."""

    contract: Contract
    arranged: dict[str, Arrangement]


class Lone:
    """A model file that is no part of a bundle, while its process is open."""

    def __init__(
        self,
        row: Subject,
        told: Told,
        worker: Worker,
        folder: Path,
        usual: Asked | None,
        normal: str | None,
        accept_chance: bool,
    ) -> None:
        self._name, self._told, self._worker, self._folder = row.artifact, told, worker, folder
        self._usual, self._normal, self._accept = usual, normal, accept_chance
        self._notes: list[str] = []
        self._count = 0

    def asked(self, readings: Readings, stated: str | None) -> Asked:
        """How it is asked.

        Raises:
            InputError: It does not fit the data, or how it takes its input cannot be told.
            WorkerError: Its process died.
        """
        dataset = self._dataset(readings)
        task, contract = self._told.task, self._told.contract
        if task is None or contract is None or stated is not None or readings.task not in (None, task.kind):
            task, contract = None, None
        kind = readings.task or (task.kind if task else None)
        if kind is None:
            kind = "raw" if dataset.targets.kind == NOTHING else question_of(dataset)
        elif dataset.targets.kind != NOTHING:
            question_of(dataset, kind)
        readings.task = kind
        if TASKS[kind].reconstructs and dataset.targets.names != ANOMALY_NAMES:
            dataset = with_normal(dataset, self._normal)
        ways = self._ways(dataset, kind, contract, stated)
        task, output, ways = self._task(dataset, kind, task, ways)
        ways = ways if len(ways) == 1 else self._chosen(dataset, task, output, ways)
        ((why, way),) = ways.items()
        if self._told.batch > 1:
            self._notes.append(f"one call of {self._name} takes {self._told.batch} examples: its latency is theirs")
        task = self._with_threshold(dataset, task, output, way)
        _LOG.info("benchmark: %s takes %s", self._name, _said(why, way))
        judged = TASKS[kind].judged and dataset.targets.kind != NOTHING
        question = Question(
            task, Examples(dataset.test.inputs), dataset.y_test if judged else None,
            dataset.y_train if judged else None, dataset.inputs, dataset,
        )  # fmt: skip
        order = asked_of(way.contract, task, arranged=way.arranged, output=output)
        return Asked(question, order, way.contract, task, tuple(self._notes), self._told.fitted)

    def _dataset(self, readings: Readings) -> Dataset:
        """The data under the file's own input names, in its size."""
        names = list(self._told.inputs)
        known = self._told.contract
        if known is not None and known.picture is not None:
            dataset = readings.as_contract(known.only)
        elif len(names) == 1:
            dataset = readings.as_tensor(self._told.inputs[names[0]], self._told.size)
        else:
            dataset = readings.as_contract(None)
        given = list(dataset.inputs)
        if len(given) == len(names) == 1:
            return dataset.named({given[0]: names[0]})
        plain = {_plain(name): name for name in names}
        if len(given) != len(names) or set(map(_plain, given)) != set(plain):
            raise InputError(
                f"{dataset.name} has {len(given)} inputs ({named(given)}), {self._name} takes {len(names)} "
                f"({named(names)}): name each input as the model does"
            )
        return dataset.named({name: plain[_plain(name)] for name in given})

    def _arranged(self, dataset: Dataset) -> list[dict[str, Arrangement]]:
        """The ways in which the examples fit the inputs, the likeliest first."""
        options: dict[str, tuple[Arrangement, ...]] = {}
        for name, shape in self._told.inputs.items():
            described = dataset.inputs[name]
            found = arrangements(described.shape, shape)
            if not found:
                mend = "another --input-shape" if isinstance(described, Picture) else "data that it was made for"
                raise InputError(
                    f"{self._name} takes {_sizes(shape)}, {dataset.name} has examples of {_sizes(described.shape)}: "
                    f"equal sizes are allowed; name {mend}"
                )
            options[name] = found
        if len(options) == 1:
            ((name, found),) = options.items()
            return [{name: way} for way in found]
        return [{name: found[0] for name, found in options.items()}]

    def _ways(self, dataset: Dataset, kind: str, known: Contract | None, stated: str | None) -> dict[str, _Way]:
        """By name, the likeliest first."""
        contracts: dict[str, Contract] = {}
        if stated is not None:
            contracts[stated] = Contract(stated_inputs(stated, dataset), {"by": "stated", "why": stated})
        elif known is not None:
            contracts["as the file says"] = self._known(known, dataset)
        else:
            contracts = self._likely(dataset, tried=kind in QUALITY and dataset.targets.kind != NOTHING)
        arranged = self._arranged(dataset)
        return {
            why + (", channels first" if len(arranged) > 1 and _first(way) else ""): _Way(contract, way)
            for why, contract in contracts.items()
            for way in arranged
        }

    def _likely(self, dataset: Dataset, *, tried: bool) -> dict[str, Contract]:
        """What the file's input may be, where it does not hold a contract of ours: what other people's metadata say
        comes first, and is tried like the rest, since they are copied from file to file."""
        contracts: dict[str, Contract] = {}
        says = self._told.as_said(dataset.inputs)
        if says is not None:
            contracts[self._told.source] = says
            if not tried:
                return contracts
        ranks = {name: 1 + len(shape) for name, shape in self._told.inputs.items()}
        found = dict(candidates(dataset, some(dataset.train, 5_000), raw=self._told.raw, ranks=ranks, tried=tried))
        if self._usual is not None and (usual := _like(self._usual.contract, dataset.inputs)) is not None:
            contracts[_name_of(usual, found) or "as the baseline"] = usual
        stated = [each.inputs for each in contracts.values()]
        return contracts | {name: each for name, each in found.items() if each.inputs not in stated}

    def _known(self, known: Contract, dataset: Dataset) -> Contract:
        """What the file itself says, if the data are of its kind."""
        if len(known.inputs) != len(dataset.inputs):
            raise InputError(f"{dataset.name} has {named(dataset.inputs)}, {self._name} takes {named(known.inputs)}")
        inputs = dict(zip(dataset.inputs, known.inputs.values(), strict=True))
        inputs = {name: known.inputs.get(name, each) for name, each in inputs.items()}
        for name, each in inputs.items():
            check_input(self._name, dataset.name, dataset.inputs[name], each)
        return known._replace(inputs=inputs)

    def _task(
        self, dataset: Dataset, kind: str, known: Task | None, ways: dict[str, _Way]
    ) -> tuple[Task, str | None, dict[str, _Way]]:
        """What the outputs mean, which of them answers, and the ways that the file takes at all."""
        part = some(dataset.train, _PROBED)
        runs: dict[str, Mapping[str, NDArray[Any]]] = {}
        failure: WorkerError | None = None
        for why, way in ways.items():
            try:
                # Once for every arrangement: normalizations break nothing.
                if not any(way.arranged == ways[other].arranged for other in runs):
                    runs[why] = self._raw(part, way)
            except WorkerError as error:
                failure = failure or error
        if failure is not None and not runs:
            raise failure
        shapes = [ways[why].arranged for why in runs]
        ways = {why: way for why, way in ways.items() if way.arranged in shapes}
        outputs = next(iter(runs.values()))
        targets = dataset.targets
        if known is not None:
            check_names(self._name, known, dataset)
            return known, None, ways
        if not TASKS[kind].judged:
            return Task("raw", "raw"), None, ways
        task, output, note = output_of(self._name, self._told, outputs, kind, dataset)
        self._notes += [note] if note else []
        if self._told.labels and not task.traits.reconstructs:
            check_names(self._name, task._replace(labels=self._told.labels), dataset)
        return (
            task._replace(labels=() if task.traits.reconstructs else targets.names, units=targets.units),
            output,
            ways,
        )

    def _raw(self, part: Part, way: _Way) -> Mapping[str, NDArray[Any]]:
        """The file's outputs by name, as real numbers."""
        return self._said(part, asked_of(way.contract, Task("raw", "raw"), arranged=way.arranged))

    def _answers(self, part: Part, task: Task, output: str | None, way: _Way) -> NDArray[Any]:
        """What it says, in the form in which it is judged."""
        return self._said(part, asked_of(way.contract, task, arranged=way.arranged, output=output))[""]

    def _said(self, part: Part, asked: dict[str, Any]) -> dict[str, NDArray[Any]]:
        examples = Examples(part.inputs).write(self._folder / "tried")
        self._count += 1
        return self._worker.answers(examples, self._folder / f"said-{self._count}", asked=asked)

    def _chosen(self, dataset: Dataset, task: Task, output: str | None, ways: dict[str, _Way]) -> dict[str, _Way]:
        """The way that works on training examples."""
        quality = quality_of(task)
        part = _tried_part(dataset)
        if quality is None or part.targets is None or len(np.unique(part.targets, axis=0)) < 2:
            raise InputError(
                f"nothing is known to be right to try on how {self._name} takes its input: say it with --input "
                f"({', '.join(ways)})"
            )
        answers = {why: self._answers(part, task, output, way) for why, way in ways.items()}
        try:
            why, found = choose(
                self._name, answers, task, quality, dataset.train, part,
                accept_chance=self._accept and self._usual is None,
            )  # fmt: skip
        except InputError as error:
            if self._usual is None:
                raise
            # A file that is broken is a row that loses, not a reason to measure nothing.
            why = next(iter(ways))
            self._notes.append(f"how {self._name} takes its input cannot be told ({error}); it is fed {why}")
            return {why: ways[why]}
        tried = ", ".join(f"{each['input']} {each['value']:.4f}" for each in found["tried"])
        self._notes.append(
            f"input of {self._name}: {why}, found by trying on {len(part):,} training examples, none of them judged "
            f"({quality.metric.name}: {tried})"
        )
        if self._told.source in ways and why != self._told.source:
            self._notes.append(f"{self._told.source} of {self._name} say otherwise, by which it answers worse")
        contract = ways[why].contract._replace(found={"by": "tried", "why": why, **found})
        return {why: _Way(contract, ways[why].arranged)}

    def _with_threshold(self, dataset: Dataset, task: Task, output: str | None, way: _Way) -> Task:
        """A detector of anomalies with the score that all but a few normal training examples keep below."""
        if not task.traits.reconstructs or self._told.task is not None:
            return task
        scores = self._answers(_tried_part(dataset), task, output, way)
        return task._replace(threshold=float(np.quantile(scores, 1 - _UNKNOWN_SHARE)))


def _tried_part(dataset: Dataset) -> Part:
    """Training examples, or those that the data hold back themselves: never those that are judged."""
    size = sum(each.size for each in dataset.inputs.values())
    return some(dataset.own_validation or dataset.train, int(np.clip(_NUMBERS_TRIED // max(size, 1), _FEWEST, _MOST)))


def _like(contract: Contract, inputs: Mapping[str, Input]) -> Contract | None:
    """How the baseline is fed, for inputs of other names and sizes; None where they are of other kinds."""
    if len(contract.inputs) != len(inputs):
        return None
    found: dict[str, Input] = {}
    for (name, given), base in zip(inputs.items(), contract.inputs.values(), strict=True):
        if type(given) is not type(base):
            return None
        if isinstance(given, Picture) and isinstance(base, Picture):
            if given.channels != base.channels:
                return None
            found[name] = given._replace(order=base.order, mean=base.mean, std=base.std)
        elif given.shape == base.shape:
            found[name] = base
        else:
            return None
    return contract._replace(inputs=found, found={})


def _name_of(contract: Contract, among: Mapping[str, Contract]) -> str | None:
    return next((name for name, each in among.items() if each.inputs == contract.inputs), None)


def _first(arranged: Mapping[str, Arrangement]) -> bool:
    return any(way.channels_first for way in arranged.values())


def _said(why: str, way: _Way) -> str:
    return why + (", channels first" if _first(way.arranged) and "channels first" not in why else "")


def _plain(name: str) -> str:
    """An input's name without what TensorFlow adds to it."""
    return name.removeprefix("serving_default_").partition(":")[0]


def _sizes(shape: Iterable[int]) -> str:
    return "x".join("any" if size < 0 else str(size) for size in shape) or "single numbers"
