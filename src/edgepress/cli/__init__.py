"""The `edgepress` command. It only calls the stages' functions; a command's module is imported when it is used."""

import importlib
import os

import click

from edgepress import __version__

__all__ = ["main"]

# Name, and the line that --help shows. `edgepress.cli.<name>` holds a click command called `command`.
_COMMANDS: dict[str, str] = {
    "press": "The whole way: train, export, benchmark; prints the table, writes bundle and report.",
    "train": "Fit, prune and quantize: a data set in, a .keras file out.",
    "export": "Convert Keras models to TFLite and ONNX: a bundle.",
    "inspect": "What is really inside: types, sparsity, operators, oldest runtime.",
    "predict": "Answers about files, or about any number of examples into one table.",
    "listen": "What a bundle hears in a microphone or a recording, and when.",
    "selftest": "On the device: golden vectors, every artifact, every backend.",
    "benchmark": "Measure quality, latency and footprint against the float model.",
    "compare": "Merge the reports of several machines into one table.",
    "serve": "HTTP API and a page to try the bundle on.",
    "sign": "Sign a bundle's manifest with an Ed25519 key.",
    "verify": "Check a bundle's signature and digests.",
    "doctor": "Backends, versions, processor, what is missing and how to add it.",
}


class _LazyGroup(click.Group):
    """Lists the commands without importing them: `edgepress --help` costs numpy and click, no more."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"edgepress.cli.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgepress")
def main() -> None:
    """Press a trained Keras model until it fits a phone or a Raspberry Pi, and prove what that cost.

    Every command takes --json: one object on standard output, progress on standard error. Exit status: 0 success, 1 the
    thing asked for failed (a gate, a self-test), 2 wrong usage or unusable input.
    """
    # A model file is the same whatever its model was trained on, and converters are TensorFlow's.
    os.environ["KERAS_BACKEND"] = "tensorflow"
