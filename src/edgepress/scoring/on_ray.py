"""Who answers: actors of a Ray cluster, each with the model. Answers are stored here, by the process that asked.

Not Ray Data: it promises no order, and a run of it that was killed begins anew. Pieces have numbers, and what is stored
of them is not asked again.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from edgepress.base.cluster import ray_cluster
from edgepress.runtime import CheckFailedError, EdgepressError

from .workers import Job, answers

__all__ = ["run_on_ray"]

_AHEAD = 2
"""Pieces that an actor has in hand: while one is answered, the next one travels."""
_LIVES = 2
"""Actors that one piece may kill before it is given up; a node that goes away takes one life of what it was at."""
_RESTARTS = 100


class _Answerer:
    """The model in a process of the cluster."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._model = job.load()

    def ready(self) -> None:
        """Answered when the model is loaded."""

    def answer(self, number: int, examples: Any = None) -> Any:
        """The columns of one piece, whose examples are read here where they did not come along."""
        return answers(self._job, self._model, number, self._job.read(number) if examples is None else examples)


def run_on_ray(
    job: Job,
    pieces: Sequence[int],
    report: Callable[[int], None],
    *,
    workers: int,
    address: str,
    started: Callable[[], None],
) -> None:
    """Answer pieces on a cluster whose nodes see the model at its path, and files of examples at theirs.

    Args:
        job: What is asked.
        pieces: Their numbers.
        report: Called with the number of a piece that is stored.
        workers: How many actors, each on as many processors as one call has threads.
        address: Of the cluster, or `local`.
        started: Called when the first of them has loaded the model.

    Raises:
        CheckFailedError: A piece killed two of them, or one could not start.
        EdgepressError: What an actor came upon, as it would be raised here.
        MissingExtraError: Ray is not installed.
    """
    threads = int(job.settings.get("threads", 1))
    # Files have a path there, too; an array's open file is ours alone: what lies in one is read here and travels.
    travels = not all(getattr(values, "anywhere", False) for values in job.asked.inputs.values())
    slim = replace(job, asked=replace(job.asked, known={}, inputs={} if travels else job.asked.inputs))
    todo = deque(pieces)
    with ray_cluster(address, workers * threads, log_to_driver=False) as ray:
        kind = ray.remote(num_cpus=threads, max_restarts=_RESTARTS, max_task_retries=_LIVES - 1)(_Answerer)
        shared = ray.put(slim)
        actors = [kind.remote(shared) for _ in range(min(workers, len(todo)))]
        running: dict[Any, tuple[int, Any]] = {}

        def feed(actor: Any) -> None:
            if todo:
                number = todo.popleft()
                read = job.read(number) if travels else None
                running[actor.answer.remote(number, read)] = (number, actor)

        try:
            ray.get(ray.wait([actor.ready.remote() for actor in actors], num_returns=1)[0])
            started()
            for _ in range(_AHEAD):
                for actor in actors:
                    feed(actor)
            while running:
                (done, *_), _ = ray.wait(list(running), num_returns=1)
                number, actor = running.pop(done)
                feed(actor)
                job.shards.write(number, ray.get(done))
                report(number)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise cause if isinstance(cause, EdgepressError | OSError) else error from None
        except ray.exceptions.RayActorError as error:
            lines = str(error).strip().splitlines() or ["no reason is known"]
            # Of one that could not begin, the last line is what it said itself.
            reason = lines[-1 if "creation task" in lines[0] else 0]
            raise CheckFailedError(
                f"processes of Ray that answered have died ({reason}): the same command goes on where they were"
            ) from None
