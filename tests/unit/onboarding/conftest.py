"""What the tests of onboarding share: a state folder, in which rows lie meanwhile."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def state_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put what a command reads where the tests are, and not beside the code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDI_HOME", str(tmp_path_factory.mktemp("state")))
        yield
