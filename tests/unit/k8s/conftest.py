"""The manifests, rendered once a session."""

import functools
from collections.abc import Callable

import pytest

from tests.manifests import COMPONENTS, OVERLAYS, Manifest, Sites

Render = Callable[..., list[Manifest]]


@pytest.fixture(scope="session")
def render(tmp_path_factory) -> Render:
    """Return `render("cloud", "keda", ...)`, which renders an overlay with components."""
    sites = Sites(tmp_path_factory.mktemp("k8s"))
    return functools.cache(functools.partial(sites.render, image="registry.example.com/carteiro"))


@pytest.fixture(params=OVERLAYS)
def everything(request, render: Render) -> list[Manifest]:
    return render(request.param, *COMPONENTS)
