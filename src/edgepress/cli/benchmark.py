"""`edgepress benchmark`."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from edgepress.base.files import check_writable, write_file
from edgepress.runtime import CheckFailedError, InputError, Manifest

from .common import (
    DataChoice,
    custom_option,
    data_options,
    emit,
    json_option,
    out_option,
    reports_errors,
    seed_option,
    terminal_width,
)
from .shelf import measure_shelf

__all__ = ["command"]


@click.command("benchmark")
@click.argument("models", type=click.Path(), nargs=-1, required=True, metavar="MODEL...")
@data_options(default=None, help="What answers are judged on; the self-test's examples are compared without it")
@click.option("--float-model", type=click.Path(), metavar="FILE", help="The baseline row: .keras, .h5, .tflite, .onnx.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[MODEL=]NAME|FILE",
    help="How files outside bundles take their input: pixels/255, pixels/127.5-1, pixels, imagenet, caffe, or a TOML "
    "file; for all of them, or for one. Found from the file, or by trying on training examples, when not given.",
)
@click.option("--backend", "backends", multiple=True, default=("auto",), metavar="NAME", help="auto, all, or a name.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--margin",
    "--margin-points",
    type=click.FloatRange(0),
    help="Largest loss that is acceptable: points of a share (0.5 when not given), or percent of the error that the "
    "trivial answer makes (1).",
)
@click.option("--accept-chance", is_flag=True, help="Report on a model that is no better than the trivial answer.")
@click.option("--preset", type=click.Choice(["quick", "default", "frontier"]), default="default", show_default=True)
@seed_option
@out_option("Folder for report.html, report.json, CSV, Markdown and pictures; needs the toolkit extra.")
@click.option("--mlperf", is_flag=True, help="MLPerf's load generator drives the best row; needs the mlperf extra.")
@click.option(
    "--on",
    "hosts",
    multiple=True,
    metavar="USER@HOST",
    help="Copy bundle and package over SSH and measure there; several are measured side by side.",
)
@click.option("--shelf", metavar="FILE", help="TOML with a table [[device]] each: host, name, python, threads.")
@click.option("--remote-python", default="python3", show_default=True, metavar="NAME", help="The interpreter there.")
@click.option("--gate", type=click.Path(), metavar="FILE", help="TOML with limits; exit status 1 where one is broken.")
@click.option("--baseline", type=click.Path(), metavar="FILE", help="An earlier report.json; exit status 1 if worse.")
@click.option("--junit", type=click.Path(), metavar="FILE", help="Write the gate's checks as JUnit XML.")
@json_option
@reports_errors
@custom_option
def command(
    models: tuple[str, ...],
    data: DataChoice,
    float_model: str | None,
    inputs: tuple[str, ...],
    backends: tuple[str, ...],
    threads: int,
    margin: float | None,
    accept_chance: bool,
    preset: str,
    seed: int,
    out: str | None,
    mlperf: bool,
    hosts: tuple[str, ...],
    shelf: str | None,
    remote_python: str,
    gate: str | None,
    baseline: str | None,
    junit: str | None,
    as_json: bool,
) -> None:
    """Measure quality, latency and footprint of models against the first one.

    A MODEL is a bundle, of which every artifact is measured against its float32 one, or a .tflite, .onnx, .keras or .h5
    file made by anyone. With --on, EDGEPRESS_SSH may name another client or its options, such as "ssh -F config".
    """
    from edgepress.benchmarks import benchmark, benchmark_on, read_report, report_to_dict, write_report
    from edgepress.benchmarks.gate import check_baseline, check_gate, read_gate, to_junit
    from edgepress.benchmarks.models.readings import Readings
    from edgepress.benchmarks.report.terminal import to_terminal
    from edgepress.benchmarks.report.write import check_report_place
    from edgepress.benchmarks.shelf import shelf_of

    devices = shelf_of(hosts, shelf, python=remote_python)
    if len(devices) > 1 and (gate or baseline):
        raise InputError("--gate and --baseline are for one device's report: name one device with --on")

    limits = None if gate is None else read_gate(gate)
    earlier = None if baseline is None else read_report(baseline)
    if junit is not None and limits is None and earlier is None:
        raise InputError("--junit without --gate or --baseline: there are no checks to write")
    if out is not None:
        check_report_place(out)
    if junit is not None:
        check_writable(Path(junit))
    if not devices:
        report = benchmark(
            models,
            None if data.source is None else data.read,
            float_model=float_model,
            backends=backends,
            threads=threads,
            preset=preset,
            seed=seed,
            margin=margin,
            task=data.task,
            input=_by_model(inputs, models),
            normal=data.normal,
            accept_chance=accept_chance,
            mlperf=mlperf,
        )
    else:
        if float_model is not None:
            raise InputError("--float-model with --on: the float32 artifact is the baseline on a device")
        if len(models) > 1 or inputs:
            raise InputError("--on takes one bundle: export files to one, or measure them here")
        if mlperf:
            raise InputError("--mlperf with --on: the load generator has no ARM wheel; run it on a workstation")
        options = {"preset": preset, "seed": seed, "threads": threads, "margin": margin}
        arguments = [f"--{name}={value}" for name, value in options.items() if value is not None]
        arguments += ["--accept-chance"] if accept_chance else []
        arguments += [f"--backend={backend}" for backend in backends]
        ssh = shlex.split(os.environ.get("EDGEPRESS_SSH", "ssh"))
        manifest = Manifest.read(models[0])
        kind = data.task or manifest.task.kind
        dataset = None if data.source is None else Readings(data.read, kind).as_contract(manifest.contract.only)
        if len(devices) > 1:
            measure_shelf(devices, models[0], dataset, arguments=arguments, ssh=ssh, out=out, as_json=as_json)
            return
        only = devices[0]
        arguments += [] if only.threads is None else [f"--threads={only.threads}"]
        report = benchmark_on(
            only.host, models[0], dataset, arguments=arguments, ssh=ssh, python=only.python, name=only.called
        )
    text = to_terminal(report, width=terminal_width())
    if out is not None:
        write_report(report, out)
        text += f"\n\nreport: {Path(out) / 'report.html'}"
    checks = [] if limits is None else check_gate(report, limits)
    checks += [] if earlier is None else check_baseline(report, earlier)
    if junit is not None:
        write_file(Path(junit), to_junit(checks))
    gates = {"gate": [asdict(check) for check in checks]} if checks else {}
    emit(report_to_dict(report) | gates, text, as_json=as_json)
    if report.failed and len(report.rows) < 2:
        first = report.failed[0]
        raise CheckFailedError(f"nothing was measured besides the baseline: {first.artifact}: {first.reason}")
    broken = [f"{check.row} {check.limit}: {check.reason}" for check in checks if not check.passed]
    if broken:
        raise CheckFailedError("the gate is not passed: " + "; ".join(broken))


def _by_model(inputs: Sequence[str], models: Sequence[str]) -> dict[str, str]:
    """`--input`, by the model that it names; under an empty name that of all others."""
    found = {}
    for text in inputs:
        model, _, stated = text.partition("=")
        named = {name for path in models for name in (path, Path(path).name)}
        key, value = (model, stated) if model in named else ("", text)
        if key in found:
            raise InputError(f"--input {text}: given twice for {key or 'all files'}")
        found[key] = value
    return found
