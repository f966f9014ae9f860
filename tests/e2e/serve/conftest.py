import pytest
from bundles import real_digits
from serving import make_bundle, start_server


@pytest.fixture(scope="session")
def test_digits():
    """Real digits: uint8 (n, 28, 28), and their labels (n,) as text."""
    images, labels = real_digits()
    return images, labels.astype(str)


@pytest.fixture(scope="session")
def served_bundle(tmp_path_factory):
    """The folder that `server` serves. Not to be changed."""
    return make_bundle(tmp_path_factory.mktemp("served") / "bundle")


@pytest.fixture(scope="session")
def server(served_bundle, tmp_path_factory):
    """One server for all tests that only ask it."""
    server = start_server(served_bundle, tmp_path_factory.mktemp("server"))
    yield server
    assert server.stop() == 0
    assert not [line for line in server.log() if "traceback" in line]


@pytest.fixture
def run_server(tmp_path):
    """Start a server of the test's own; stopped at its end."""
    servers = []

    def run(bundle, **options):
        servers.append(start_server(bundle, tmp_path / f"server{len(servers)}", **options))
        return servers[-1]

    yield run
    for server in servers:
        if server.process.poll() is None:
            server.stop()
