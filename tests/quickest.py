"""The quickest tests first, in a mutation run: most breaks are noticed by a test that takes milliseconds."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by the time that they took before anything was broken."""
    from mutmut.state import state

    took = state().duration_by_test
    items.sort(key=lambda item: took.get(item.nodeid, 0.0))
