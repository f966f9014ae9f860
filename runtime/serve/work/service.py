"""What the routes share: the bundle at hand, the inference queue, the readers of bodies and pictures."""

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

__all__ = ["Service"]

logger = logging.getLogger("edgepress.serve")
T = TypeVar("T")


class Service:
    """One server's state. Made anywhere; `start` and `stop` run in the event loop that serves."""

    def __init__(self, folder: str | os.PathLike[str], options: Options) -> None:
        """Raises EdgepressError when the bundle cannot be served."""
        self.options = options
        self.bundle = ServedBundle(folder, options)
        self.metrics = Metrics()
        self.assets = find_assets()
        self.bodies = BodyReader(options.limits)
        self.stopping = False
        """Once true, the server is not ready, and every answer asks its client to close the connection."""
        # Pictures are decoded and large JSON is read beside the event loop, one at a time: memory stays small.
        self._aside = ThreadPoolExecutor(1, "aside")
        self._aside_waiting = 0
        self._reload = asyncio.Lock()
        self._refused: tuple[int, int, int] | None = None

    async def start(self) -> None:
        """Start the inference thread and the watch over the bundle."""
        self.queue = InferenceQueue(self.options.limits, self.metrics.observe_batch)
        self.metrics.waiting = lambda: self.queue.waiting
        self._watch = asyncio.create_task(self._watch_bundle())

    async def stop(self) -> None:
        """Finish what waits, and give everything back."""
        self._watch.cancel()
        await self.queue.close()
        self._aside.shutdown()
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

    async def aside(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run slow work on a request's body beside the event loop. Raises Problem 503 when too much waits for it."""
        if self._aside_waiting >= self.options.limits.queue:
            raise overloaded(f"{self._aside_waiting} requests wait to be read already")
        self._aside_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._aside, call, *arguments)
        finally:
            self._aside_waiting -= 1

    async def reload(self) -> bool:
        """Take over the bundle that the folder holds now; the old one goes on when the new one is no good."""
        async with self._reload:
            new_stamp = stamp(self.bundle.folder)
            try:
                new = await asyncio.to_thread(ServedBundle, self.bundle.folder, self.options)
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
