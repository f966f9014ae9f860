"""Here a bundle is the golden models' one."""

import pytest


@pytest.fixture(scope="session")
def bundle(golden_bundle):
    """All golden models. Not to be changed: copy it first."""
    return golden_bundle
