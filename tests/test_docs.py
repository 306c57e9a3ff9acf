"""The pages that are generated are current."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("subject", ["states", "settings"])
def test_the_page_is_current(subject: str) -> None:
    script = f"scripts/generate_{subject}.py"
    page = runpy.run_path(str(ROOT / script))[f"{subject}_page"]()
    assert (ROOT / "docs" / f"{subject}.md").read_text() == page, f"python {script}"
