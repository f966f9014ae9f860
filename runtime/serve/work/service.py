"""What the routes share: the bundle at hand, the inference queue, the readers of bodies and files."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from edgepress.base.errors import EdgepressError

from ..web.assets import find_assets
from .batching import InferenceQueue
from .metrics import Metrics
from .options import Options
from .problems import overloaded
from .replicas import ServedArtifact, ServedBundle, stamp
from .requests import BodyReader

__all__ = ["Service", "Shared"]

logger = logging.getLogger("edgepress.serve")
T = TypeVar("T")


class Shared:
    """What all bundles of one server share: one inference thread, one budget of memory, one set of counters."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.metrics = Metrics()
        self.assets = find_assets()
        self.bodies = BodyReader(options.limits)
        self.stopping = False
        """Once true, the server is not ready, and every answer asks its client to close the connection."""
        self.streams = 0
        """That are open."""
        # Pictures are decoded and large JSON is read beside the event loop, one at a time: memory stays small.
        self._aside = ThreadPoolExecutor(1, "aside")
        self._aside_waiting = 0

    def start(self) -> None:
        """Start the inference thread."""
        self.queue = InferenceQueue(self.options.limits, self.metrics.observe_batch)
        self.metrics.waiting = lambda: self.queue.waiting

    async def stop(self) -> None:
        """Finish what waits."""
        await self.queue.close()
        self._aside.shutdown()

    async def aside(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run slow work on a request's body beside the event loop. Raises Problem 503 when too much waits for it."""
        if self._aside_waiting >= self.options.limits.queue:
            raise overloaded(f"{self._aside_waiting} requests wait to be read already")
        self._aside_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._aside, call, *arguments)
        finally:
            self._aside_waiting -= 1


class Service:
    """One bundle's state. Made anywhere; `start` and `stop` run in the event loop that serves."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        options: Options,
        shared: Shared | None = None,
        name: str | None = None,
    ) -> None:
        """Load the bundle. The first of a server's makes what the others share, and starts and stops it.

        Args:
            folder: The bundle.
            options: How the server presents itself.
            shared: What the server's first bundle made; None for that one.
            name: What clients call the bundle; its manifest's name when None.

        Raises:
            EdgepressError: The bundle cannot be served.
        """
        self.options = options
        self.bundle = ServedBundle(folder, options, name)
        self._name = name
        self._first = shared is None
        self.shared = shared or Shared(options)
        self.metrics, self.assets, self.bodies = self.shared.metrics, self.shared.assets, self.shared.bodies
        self.aside = self.shared.aside
        self._reload = asyncio.Lock()
        self._refused: tuple[int, int, int] | None = None

    @property
    def stopping(self) -> bool:
        """As `Shared.stopping`."""
        return self.shared.stopping

    async def start(self) -> None:
        """Start the watch over the bundle, after what is shared."""
        if self._first:
            self.shared.start()
        self.queue = self.shared.queue
        self._watch = asyncio.create_task(self._watch_bundle())

    async def stop(self) -> None:
        """Finish what waits, and give everything back."""
        self._watch.cancel()
        if self._first:
            await self.shared.stop()
        self.bundle.close()

    @contextmanager
    def lease(self) -> Iterator[ServedBundle]:
        """The bundle at hand, which stays open until the block ends, whatever is reloaded meanwhile."""
        bundle = self.bundle
        bundle.users += 1
        try:
            yield bundle
        finally:
            bundle.users -= 1
            self._close_unused(bundle)

    async def artifact(self, bundle: ServedBundle, file: str | None) -> ServedArtifact:
        """The artifact with that file name, the default one for None. Raises Problem 404 or 409."""
        if (served := bundle.ready(file)) is None:
            served = await asyncio.to_thread(bundle.artifact, str(file))
        return served

    async def reload(self) -> bool:
        """Take over the bundle that the folder holds now; the old one goes on when the new one is no good."""
        async with self._reload:
            new_stamp = stamp(self.bundle.folder)
            try:
                new = await asyncio.to_thread(ServedBundle, self.bundle.folder, self.options, self._name)
            except Exception as error:
                # Whatever is wrong with the new one, or with us, the old one goes on, and the next one is looked at.
                self._refused = new_stamp
                self.metrics.reloads["refused"] += 1
                reason = str(error) if isinstance(error, EdgepressError | OSError) else repr(error)
                logger.error("the new bundle is refused, the old one goes on", extra={"fields": {"error": reason}})
                return False
            old, self.bundle = self.bundle, new
            self._close_unused(old)
            self.metrics.reloads["done"] += 1
            logger.info("the new bundle is served", extra={"fields": {"bundle": new.manifest.name}})
            return True

    def _close_unused(self, bundle: ServedBundle) -> None:
        if bundle is not self.bundle and bundle.users == 0:
            bundle.close()

    async def _watch_bundle(self) -> None:
        while True:
            await asyncio.sleep(self.options.reload_s)
            try:
                now = stamp(self.bundle.folder)
                # While one folder takes the other's place there may be none for a moment.
                if now not in (None, self.bundle.stamp, self._refused):
                    await self.reload()
            except Exception:
                # The watch outlives whatever fails in it: it would be missed only at the next reload.
                logger.exception("the bundle could not be looked at; it is tried again")
