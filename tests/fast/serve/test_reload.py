"""Hot reload goes on, whatever one reload meets."""

import asyncio
import logging
import os
import shutil

import pytest

from edgepress.runtime.serve.work import service as service_module
from edgepress.runtime.serve.work.options import Options
from edgepress.runtime.serve.work.service import Service


@pytest.fixture
def service(golden_bundle, tmp_path):
    made = Service(shutil.copytree(golden_bundle, tmp_path / "bundle"), Options(reload_s=0.01))
    yield made
    made.bundle.close()


def touch(folder):
    path = folder / "manifest.json"
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


@pytest.mark.parametrize("place", ["ServedBundle", "stamp"])
def test_a_reload_that_fails_unexpectedly_is_said_and_the_next_one_is_done(service, monkeypatch, caplog, place):
    real = getattr(service_module, place)

    def broken(*arguments):
        raise ZeroDivisionError("nobody thought of this")

    async def story():
        await service.start()
        monkeypatch.setattr(service_module, place, broken)
        touch(service.bundle.folder)
        await until(lambda: caplog.records)
        assert not service._watch.done()
        monkeypatch.setattr(service_module, place, real)
        touch(service.bundle.folder)
        await until(lambda: service.metrics.reloads["done"])
        await service.stop()

    with caplog.at_level(logging.ERROR, "edgepress.serve"):
        asyncio.run(story())
    assert "goes on" in caplog.text or "tried again" in caplog.text
