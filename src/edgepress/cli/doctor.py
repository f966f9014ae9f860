"""`edgepress doctor`: what this machine has, and how to add what it lacks."""

from typing import Any

import click

from edgepress.runtime.machine import machine_facts

from .common import emit, json_option, reports_errors

__all__ = ["command"]


@click.command("doctor")
@json_option
@reports_errors
def command(as_json: bool) -> None:
    """Show backends, versions, processor features, what is missing and how to add it."""
    facts = machine_facts()
    emit(facts, _text(facts), as_json=as_json)


def _text(facts: dict[str, Any]) -> str:
    features = " ".join(facts["features"]) or "none of those that matter here"
    memory = f", {facts['memory_bytes'] / 1e9:.1f} GB" if facts["memory_bytes"] else ""
    here, there = facts["cores"], facts["machine_cores"]
    cores = f"{here} cores" if here == there else f"{here} of {there} cores for this process"
    lines = [
        f"Python {facts['python']}, numpy {facts['packages']['numpy']}, {facts['system']} {facts['architecture']}",
        f"{facts['processor'] or 'unknown processor'}, {cores}{memory}; {features}",
        "",
    ]
    for name, backend in facts["backends"].items():
        formats = " ".join(f".{format}" for format in backend["formats"])
        state = backend["missing"] or f"ready, version {backend['version']}"
        lines.append(f"{name:<24} {formats:<13} {state}")
    lines.append("")
    for package, entry in facts["optional"].items():
        state = f"ready, version {entry['version']}" if entry["version"] else f"missing: {entry['missing']}"
        lines.append(f"{package:<24} {state} (for {entry['for']})")
    return "\n".join(lines)
