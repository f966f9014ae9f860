"""Progress in a terminal: one bar a stage, with the time left and the figures that matter. Drawn by rich."""

import logging
from types import ModuleType, TracebackType
from typing import Any

from edgepress.base.progress import Stage

__all__ = ["Bars"]


class Bars:
    """Bars on standard error below the log's lines; a context manager, and a `Progress`."""

    def __init__(self, progress: ModuleType, console: Any) -> None:
        self._console = console
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=24),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[figures]}"),
            console=console,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def begin(self, name: str, total: int) -> Stage:
        """Add a bar."""
        return _Bar(self._bars, self._bars.add_task(name, total=total, figures=""))

    def end(self, stage: Stage) -> None:
        """Put a line with what came of the stage in its bar's place, above those that follow."""
        if isinstance(stage, _Bar):
            self._bars.refresh()
            summary = stage.summary()
            self._bars.remove_task(stage.task)
            self._console.print(summary, markup=False, highlight=False, soft_wrap=True)
            self._bars.refresh()

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Draw no more; what stands there stays."""
        self._bars.stop()

    def handler(self) -> logging.Handler:
        """For the log: its lines stand above the bars."""
        return _Lines(self._console)


class _Bar:
    def __init__(self, bars: Any, task: Any) -> None:
        self._bars, self.task = bars, task

    def advance(self, steps: int = 1, **figures: str) -> None:
        """Move on, and show these figures."""
        shown = {"figures": ", ".join(f"{name} {value}" for name, value in figures.items())} if figures else {}
        self._bars.update(self.task, advance=steps, **shown)

    def summary(self) -> str:
        """How far it came, in what time, and its last figures."""
        task = next(each for each in self._bars.tasks if each.id == self.task)
        parts = (f"{task.completed:.0f}/{task.total:.0f}", f"{task.elapsed or 0:.0f} s", task.fields["figures"])
        return f"{task.description}: {', '.join(part for part in parts if part)}"


class _Lines(logging.Handler):
    def __init__(self, console: Any) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """One line, as it is: no markup, no colours, not broken. What a bar shows is not said again."""
        if not getattr(record, "step", False):
            self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)
