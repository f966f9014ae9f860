"""What `import edgepress` offers: a function a verb, for people in a notebook or a script of their own.

Models come as Keras objects or as paths, data in any form that `edgepress.data.as_dataset` takes. What the functions do
is done by the stages; here it is only brought into their form. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import in_order
from .base.errors import InputError
from .serving import Server, serve

if TYPE_CHECKING:
    from .benchmarks import Report
    from .export import ExportResult
    from .press import Budget, Needs, PressResult
    from .runtime import Model
    from .train import TrainConfig, TrainResult

__all__ = ["Server", "benchmark", "export", "load", "press", "serve", "train"]


def press(
    model: Any = None,
    data: Any = None,
    out: str | os.PathLike[str] | None = None,
    *,
    label: str | None = None,
    task: str | None = None,
    normal: str | None = None,
    input: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    seconds: float | None = None,
    name: str = "data",
    preset: str = "default",
    seed: int = 0,
    teacher: str | None = None,
    backbone: str | None = None,
    bounds: Mapping[str, float] | None = None,
    accept_chance: bool = False,
    budget: Budget | None = None,
    trials: int = 12,
    workers: int = 1,
    ray: str | None = None,
    needs: Needs | None = None,
    overwrite: bool = False,
    custom: str | os.PathLike[str] | None = None,
) -> PressResult:
    """Prune a model, quantize it, export it to TFLite and ONNX, and benchmark every file against the float model.

    A press that was interrupted goes on where it was when it is called again with the same arguments.

    Args:
        model: A Keras model (Sequential or functional; Keras 3 or tf-keras) or its file, pressed from its own weights;
            the name of a network to train, such as "cnn"; None to train the usual one for the data. Alone, the first
            argument is the data.
        data: What the model was trained on: (x_train, y_train, x_test, y_test), (x, y), a PyDataset, a tf.data.Dataset,
            a DataFrame, a `Dataset`, or a path; MNIST when neither model nor data are given.
        out: The run folder; a new one below `runs/` when None.
        label: Of a table: the column with the right answers, or several, separated by commas.
        task: The question, where data and model leave it open: multiclass, binary, multilabel, regression, anomaly.
        normal: For anomalies: the class that is normal.
        input: How a model of your own takes its input: pixels/255, pixels/127.5-1, pixels, imagenet, caffe, or a TOML
            file. Found where None.
        input_shape: Of pictures of several sizes: (height, width).
        seconds: Of recordings: the length of the model's window.
        name: What data in memory are called in tables.
        preset: quick, default, frontier, or the path of a TOML file.
        seed: Makes the run reproducible.
        teacher: A network's name or a Keras file that teaches a model that is trained here.
        backbone: In place of a model: a trained Keras file, or a name such as mobilenet-v2, that is given a new head.
        bounds: How far a variant may be from its model, in the task's unit, such as {"int8": 2.0}.
        accept_chance: Go on with a model that is no better than the trivial answer.
        budget: Search for the best model within these limits.
        trials: How many models such a search trains.
        workers: How many of them at a time, in processes of their own.
        ray: `local`, or the address of a Ray cluster that runs them.
        needs: What each of them takes there, as `edgepress.press.Needs(cpus=2, gpus=0.5)`; one processor when None.
        overwrite: Start again whatever the run folder holds.
        custom: A Python file that defines layers and functions which Keras files name; its code runs.

    Returns:
        The run folder, the bundle, what was withheld, and the report. A notebook shows the report's table.

    Raises:
        InputError: A model or data that cannot be used, in one line that says how to mend it.
        CheckFailedError: Not one file is as good as it must be, or none keeps the budget.
    """
    from .data import as_dataset
    from .press import press
    from .train import custom_layers

    model, data = in_order("press", model, data)
    dataset = as_dataset(
        "mnist" if data is None else data, name=name, label=label, task=task, normal=normal, input_shape=input_shape,
        seconds=seconds, in_pieces=True,
    )  # fmt: skip
    with custom_layers(custom):
        return press(
            dataset, out, model=model, teacher=teacher, backbone=backbone, preset=preset, seed=seed,
            overwrite=overwrite, budget=budget, trials=trials, workers=workers, ray=ray, needs=needs, task=task,
            input=input, bounds=bounds, accept_chance=accept_chance,
        )  # fmt: skip


def train(
    model: Any = None,
    data: Any = None,
    out: str | os.PathLike[str] = "model.keras",
    *,
    label: str | None = None,
    task: str | None = None,
    normal: str | None = None,
    input: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    seconds: float | None = None,
    name: str = "data",
    preset: str | TrainConfig = "default",
    seed: int = 0,
    backbone: str | None = None,
    baseline_only: bool = False,
    overwrite: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
    custom: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Fit a float baseline, prune it, and train it quantization-aware; export takes the file.

    Args:
        model: As `press` takes it, as are data and the arguments about them.
        data: See there.
        out: The `.keras` file to write; a baseline that is fitted here stays beside it as `<stem>-float.keras`.
        label: See `press`.
        task: See `press`.
        normal: See `press`.
        input: How a backbone takes its input.
        input_shape: See `press`.
        seconds: See `press`.
        name: See `press`.
        preset: quick, default, frontier, the path of a TOML file, or a `TrainConfig`, whose seed counts then.
        seed: Makes the run reproducible.
        backbone: See `press`.
        baseline_only: Stop after the float model, and write that to `out`.
        overwrite: Replace `out`.
        tensorboard: A folder for logs that TensorBoard shows.
        custom: See `press`.

    Raises:
        InputError: A model or data that cannot be used, or `out` exists.
    """
    from .data import as_dataset
    from .train import configure, custom_layers, model_file, train

    model, data = in_order("train", model, data)
    dataset = as_dataset(
        "mnist" if data is None else data, name=name, label=label, task=task, normal=normal, input_shape=input_shape,
        seconds=seconds, in_pieces=True,
    )  # fmt: skip
    config, own = configure(dataset, preset, task=task, model=model, backbone=backbone, seed=seed)
    with ExitStack() as files, custom_layers(custom):
        start = None if own is None else files.enter_context(model_file(own))
        return train(
            dataset, config, out, model=start, task=task, input=input, baseline_only=baseline_only,
            overwrite=overwrite, tensorboard=tensorboard,
        )  # fmt: skip


def export(
    model: Any,
    data: Any,
    out: str | os.PathLike[str] = "bundle",
    *,
    label: str | None = None,
    task: str | None = None,
    normal: str | None = None,
    input: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    seconds: float | None = None,
    name: str | None = None,
    variants: Sequence[str] | None = None,
    runtime: str | None = None,
    calibration: Any = None,
    bounds: Mapping[str, float] | None = None,
    accept_chance: bool = False,
    packed: Sequence[str] = (),
    also: Sequence[str] = (),
    seed: int = 0,
    overwrite: bool = False,
    custom: str | os.PathLike[str] | None = None,
) -> ExportResult:
    """Convert models to every variant, check each file on held-back data, and write a bundle.

    Args:
        model: A Keras model or its file; its files in the bundle are called after it. Several as a mapping from name to
            model, of which the last one is the bundle's default.
        data: As `press` takes them, as are the arguments about them.
        out: The bundle's folder.
        label: See `press`.
        task: See `press`.
        normal: See `press`.
        input: See `press`.
        input_shape: See `press`.
        seconds: See `press`.
        name: What the bundle is called in reports and by the server; the folder's name when None.
        variants: Names such as `int8` (every format) or `tflite:int8`; the usual ones when None.
        runtime: The oldest runtime that must load every file, such as `tflite-2.14`.
        calibration: Examples of your own to measure activations on, in any form that data have.
        bounds: See `press`.
        accept_chance: See `press`.
        packed: Variants of the default model to write as `.tflite.xz` too.
        also: More of the default model: `c-header` for microcontrollers, `ort` for ONNX Runtime Mobile.
        seed: Draws calibration, held-back and self-test examples.
        overwrite: Replace what is at `out`.
        custom: See `press`.

    Raises:
        InputError: A model or data that cannot be used; nothing was written.
        CheckFailedError: Not one artifact keeps its bound; nothing was written.
    """
    from .data import as_dataset
    from .export import DEFAULT_VARIANTS, export
    from .train import custom_layers, model_file, model_name

    named = model if isinstance(model, Mapping) else None
    if named is None:
        model, data = in_order("export", model, data)
        if model is None:
            raise InputError("export without a model: give one, as in edgepress.export(model, (x, y))")
    with ExitStack() as files, custom_layers(custom):
        if named is None:
            file = files.enter_context(model_file(model))
            paths = {model_name(file): file}
        else:
            paths = {str(key): files.enter_context(model_file(each)) for key, each in named.items()}
        read = partial(
            as_dataset, label=label, task=task, normal=normal, input_shape=input_shape, seconds=seconds, in_pieces=True
        )  # fmt: skip
        return export(
            paths,
            read(data),
            out,
            variants=DEFAULT_VARIANTS if variants is None else variants,
            runtime=runtime,
            calibration=None if calibration is None else read(calibration, name="calibration"),
            task=task,
            input=input,
            bounds=bounds,
            accept_chance=accept_chance,
            packed=packed,
            also=also,
            seed=seed,
            name=name,
            overwrite=overwrite,
        )


def load(
    path: str | os.PathLike[str],
    variant: str = "int8",
    backend: str = "auto",
    threads: int = 1,
    delegate: bool = True,
    isolate: bool = False,
    trusted_key: str | os.PathLike[str] | None = None,
) -> Model:
    """Load a bundle, an artifact or a lone model file, and predict; on a device `edgepress.runtime.load` is the same.

    Args:
        path: A bundle folder, an artifact inside one, or a lone `.tflite`, `.tflite.xz` or `.onnx` file.
        variant: Which of a bundle's artifacts to take, such as int8 or float32; a file is its own variant.
        backend: litert, tflite-runtime, onnxruntime, openvino, numpy, or auto.
        threads: How many threads the backend may use for one call.
        delegate: Whether a TFLite backend may use its default delegate (XNNPACK).
        isolate: Run the backend in a child process with limits on memory and time.
        trusted_key: A PEM file with the public key that must have signed the bundle.

    Raises:
        InputError: Nothing there, an unknown variant or backend, or a file that cannot be run (`ArtifactRefusedError`).
        MissingExtraError: The backend is not installed; the message holds the pip command.
    """
    from .runtime import load

    return load(path, variant, backend, threads, delegate, isolate, trusted_key)


def benchmark(
    models: Any,
    data: Any = None,
    *,
    float_model: Any = None,
    label: str | None = None,
    task: str | None = None,
    normal: str | None = None,
    input: str | Mapping[str, str] | None = None,
    input_shape: tuple[int, ...] | None = None,
    seconds: float | None = None,
    name: str = "data",
    backends: Sequence[str] = ("auto",),
    threads: int = 1,
    preset: str = "default",
    seed: int = 0,
    margin: float | None = None,
    accept_chance: bool = False,
    mlperf: bool = False,
    custom: str | os.PathLike[str] | None = None,
) -> Report:
    """Measure models against the first of them. A notebook shows the report's table.

    Args:
        models: A bundle's folder, a `.tflite`, `.onnx`, `.keras` or `.h5` file made by anyone, or a Keras model; or a
            list of them.
        data: As `press` takes them, as are the arguments about them: every test example is asked. Without data, what
            the files of a bundle answer to its self-test's examples is compared.
        float_model: Whatever `models` may hold: the first row, with which the others are compared. Without it that is
            the first of `models`; of a bundle its float32 artifact.
        label: See `press`.
        task: See `press`.
        normal: See `press`.
        input: How files outside bundles take their input, as `press` has it: for all of them, or by the file's name.
            What a file does not say, and nobody else, is found by trying on training examples.
        input_shape: See `press`.
        seconds: See `press`.
        name: See `press`.
        backends: Names; `auto` is the best one present for each artifact, `all` is every one present.
        threads: Of every backend.
        preset: quick, default or frontier: how long speed is measured.
        seed: Of the bootstrap and of the order in which rows take turns.
        margin: Largest true loss that counts as non-inferior: percentage points where the metric is a share (0.5 by
            default), percent of the trivial answer's error where it is an error (1).
        accept_chance: Report on a float model that is no better than the trivial answer, too.
        mlperf: Let MLPerf's load generator drive the row that one would ship; needs the mlperf extra.
        custom: See `press`.

    Raises:
        InputError: Nothing that can be measured, or data that the models do not take.
        MissingExtraError: A backend that was asked for is not installed.
        CheckFailedError: The float model cannot be measured, so that nothing can be compared.
    """
    from .benchmarks import benchmark
    from .data import Dataset, as_dataset
    from .train import custom_layers

    def read(task: str | None, input_shape: tuple[int, ...] | None, seconds: float | None) -> Dataset:
        return as_dataset(
            data, name=name, label=label, normal=normal, task=task, input_shape=own_shape or input_shape,
            seconds=own_seconds or seconds, in_pieces=True,
        )  # fmt: skip

    own_shape, own_seconds = input_shape, seconds
    several = models if isinstance(models, list | tuple) else [models]
    with ExitStack() as files, custom_layers(custom):
        return benchmark(
            [_file_of(model, files) for model in several],
            None if data is None else data if isinstance(data, Dataset) else read,
            float_model=None if float_model is None else _file_of(float_model, files),
            backends=backends,
            threads=threads,
            preset=preset,
            seed=seed,
            margin=margin,
            task=task,
            input=input,
            normal=normal,
            accept_chance=accept_chance,
            mlperf=mlperf,
        )


def _file_of(model: Any, files: ExitStack) -> Path:
    """A path as it is; a Keras model as a file that is there as long as `files`."""
    from .train import is_keras_model, model_file

    if isinstance(model, str | os.PathLike):
        return Path(model)
    if not is_keras_model(model):
        raise InputError(f"a {type(model).__name__} to measure: a path is allowed, or a Keras model, or a list of them")
    return files.enter_context(model_file(model))
