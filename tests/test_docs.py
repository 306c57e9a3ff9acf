"""The pages that are generated are current."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_of_states_is_current() -> None:
    page = runpy.run_path(str(ROOT / "scripts" / "generate_states.py"))["states_page"]()
    assert (ROOT / "docs" / "states.md").read_text() == page, "python scripts/generate_states.py"
