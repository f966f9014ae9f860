"""The `<stem>.history.json` beside a `.keras` file: what made it, and how it went."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepress.base.files import write_file
from edgepress.data import Dataset, SplitRecipe
from edgepress.runtime.contract import Contract
from edgepress.runtime.tasks import Task

from ..config import TrainConfig
from ..keras_file import read_record
from .environment import describe_environment

__all__ = ["SCHEMA", "History", "history_path"]

SCHEMA = 2


def history_path(model: Path) -> Path:
    """Where the history of a `.keras` file lies."""
    return model.with_name(f"{model.stem}.history.json")


@dataclass(frozen=True)
class History:
    """What made a model, and one record an epoch of each fit."""

    stage: str
    """`float` or `pressed`."""
    config: dict[str, Any]
    dataset: dict[str, str]
    """`name` and `sha256`."""
    start: str | None
    """Digest of the weights that the fit began with; None where the seed made them."""
    environment: dict[str, Any]
    fits: dict[str, dict[str, Any]]
    """By name (`float`, `prune`, `quantize`): `epochs`, a list of records, and `best_epoch`, counted from 0;
    of those that press `engine`, which of `ENGINES` did."""
    split: dict[str, Any] | None = None
    """The recipe (`SplitRecipe`) by which the training examples were parted: what was fitted, and what held back."""
    contract: dict[str, Any] | None = None
    """How the data's examples become the model's input, and how that was found."""
    task: dict[str, Any] | None = None
    """What its output means."""
    schema: int = SCHEMA
    ranges: dict[str, list[float]] | None = None
    """Of activations, as training learned them (`compress.engine.ranges`): lowest and highest number by place."""

    @classmethod
    def begin(
        cls, stage: str, dataset: Dataset, config: TrainConfig, start: str | None, contract: Contract, task: Task
    ) -> "History":
        """The history of a run that has not trained yet."""
        source = {"name": dataset.name, "sha256": dataset.sha256}
        made = json.loads(json.dumps([contract.to_dict(), task.to_dict()]))
        recipe = config.split._asdict()
        return cls(stage, config.to_dict(), source, start, describe_environment(), {}, recipe, *made)

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides the weights: runs that share it end with the same ones."""
        machine = ("processors", "system")
        # How it was found decides nothing.
        contract = None if self.contract is None else {k: v for k, v in self.contract.items() if k != "found"}
        decisive = {
            "stage": self.stage,
            "config": self.config,
            "dataset": self.dataset["sha256"],
            "start": self.start,
            "contract": contract,
            "task": self.task,
            "environment": {key: value for key, value in self.environment.items() if key not in machine},
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    @property
    def recipe(self) -> SplitRecipe | None:
        """How the training examples were parted; None in files that do not say it."""
        return None if self.split is None else SplitRecipe(**self.split)

    def essentials(self) -> dict[str, Any]:
        """What travels inside the `.keras` file: enough to know what was fitted to what, and how it is asked."""
        keys = ("stage", "dataset", "split", "contract", "task", "schema")
        learned = {} if self.ranges is None else {"ranges": self.ranges}
        return {key: getattr(self, key) for key in keys} | learned

    @classmethod
    def of(cls, model: Path) -> "History | None":
        """The history of a Keras file: beside it, or else as far as it is inside; None for other people's files."""
        beside = cls.read(model)
        if beside is not None:
            return beside
        inside = read_record(model)
        if inside is None:
            return None
        try:
            return cls(config={}, start=None, environment={}, fits={}, **inside)
        except TypeError:
            return None

    def write(self, model: Path) -> None:
        """Write it beside the `.keras` file `model`."""
        data = {"fingerprint": self.fingerprint, **self.__dict__}
        write_file(history_path(model), json.dumps(data, indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, model: Path) -> "History | None":
        """The history beside `model`, or None where there is none that can be read."""
        try:
            data = json.loads(history_path(model).read_bytes())
            data.pop("fingerprint")
            return cls(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
