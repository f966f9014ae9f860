"""`edgepress benchmark`."""

import os
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import click

from edgepress.base.files import check_writable, write_file
from edgepress.runtime import CheckFailedError, InputError

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
@click.argument("bundle", type=click.Path())
@data_options(default=None, help="What answers are judged on; the self-test's examples are compared without it")
@click.option("--float-model", type=click.Path(), metavar="FILE", help="The float .keras model, as the baseline row.")
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
    bundle: str,
    data: DataChoice,
    float_model: str | None,
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
    """Measure quality, latency and footprint of every artifact in BUNDLE against the float model.

    With --on, EDGEPRESS_SSH may name another client or its options, such as "ssh -F config".
    """
    from edgepress.benchmarks import benchmark, benchmark_on, read_report, report_to_dict, write_report
    from edgepress.benchmarks.gate import check_baseline, check_gate, read_gate, to_junit
    from edgepress.benchmarks.question import reading
    from edgepress.benchmarks.report.terminal import to_terminal
    from edgepress.benchmarks.report.write import check_report_place
    from edgepress.benchmarks.shelf import shelf_of
    from edgepress.runtime import Manifest

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
    dataset = None
    if data.source is not None:
        read = reading(Manifest.read(bundle), task=data.task, input_shape=data.input_shape, seconds=data.seconds)
        dataset = replace(data, **read).load()
    if not devices:
        report = benchmark(
            bundle,
            dataset,
            float_model=float_model,
            backends=backends,
            threads=threads,
            preset=preset,
            seed=seed,
            margin=margin,
            normal=data.normal,
            accept_chance=accept_chance,
            mlperf=mlperf,
        )
    else:
        if float_model is not None:
            raise InputError("--float-model with --on: the float32 artifact is the baseline on a device")
        if mlperf:
            raise InputError("--mlperf with --on: the load generator has no ARM wheel; run it on a workstation")
        options = {"preset": preset, "seed": seed, "threads": threads, "margin": margin}
        arguments = [f"--{name}={value}" for name, value in options.items() if value is not None]
        arguments += ["--accept-chance"] if accept_chance else []
        arguments += [f"--backend={backend}" for backend in backends]
        ssh = shlex.split(os.environ.get("EDGEPRESS_SSH", "ssh"))
        if len(devices) > 1:
            measure_shelf(devices, bundle, dataset, arguments=arguments, ssh=ssh, out=out, as_json=as_json)
            return
        only = devices[0]
        arguments += [] if only.threads is None else [f"--threads={only.threads}"]
        report = benchmark_on(
            only.host, bundle, dataset, arguments=arguments, ssh=ssh, python=only.python, name=only.called
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
    broken = [f"{check.row} {check.limit}: {check.reason}" for check in checks if not check.passed]
    if broken:
        raise CheckFailedError("the gate is not passed: " + "; ".join(broken))
