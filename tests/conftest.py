"""What all tests share: shapes are checked, searches repeat, real corpora are optional."""

import os
from pathlib import Path

import hypothesis
import pytest
from jaxtyping import install_import_hook

os.environ.setdefault("MPLBACKEND", "agg")  # no test opens a window
os.environ["MTLKIT_OWN"] = os.devnull  # tests see the corpora that are shipped, not one's own

ROOT = Path(__file__).resolve().parent.parent

# Modules that state shapes have every call checked against them. The others read what users write
# and answer with errors of their own, which a check of types would hide.
SHAPED = [
    f"mtlkit.{path.stem}"
    for path in sorted((ROOT / "mtlkit").glob("*.py"))
    if "from jaxtyping import" in path.read_text(encoding="utf-8")
]
install_import_hook(SHAPED, "typeguard.typechecked")

# The same examples on every run. HYPOTHESIS_PROFILE=explore looks for new ones.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def why_no_real_data() -> str | None:
    """Why the real corpora cannot be used here; None if they can."""
    folder = os.environ.get("MTLKIT_DATA")
    if not folder:
        return "needs the real corpora: set MTLKIT_DATA to the folder that holds them"
    if not (Path(folder) / "gum").is_dir():
        return f"needs the real corpora: MTLKIT_DATA is {folder}, which has no folder gum"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked real_data, with the reason, where there are no real corpora."""
    if reason := why_no_real_data():
        for item in items:
            if "real_data" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def real_data() -> Path:
    """The folder of the real corpora; the test is skipped where there is none."""
    if reason := why_no_real_data():
        pytest.skip(reason)
    return Path(os.environ["MTLKIT_DATA"])


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT
