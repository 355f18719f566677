"""Tests of the package that need nothing but NumPy."""
import pytest
from programs import DOUBLE, NET

import tern


@pytest.fixture(scope="session")
def double():
    return tern.compile(DOUBLE)


@pytest.fixture(scope="session")
def net():
    return tern.compile(NET)
