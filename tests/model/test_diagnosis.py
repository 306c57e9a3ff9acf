"""What the doctor found, as it travels."""

import json
from dataclasses import replace

from jupyter_remote_tunnel.model.diagnosis import Diagnosis, Step

STEP = Step("connect", "gw (hop 1 of 2)", "ok", "It answers.", ("one", "two"), "", "", 0.25)


def test_it_comes_back_as_it_went() -> None:
    failed = replace(STEP, verdict="failed", code="connect_failed", advice="Try again.")
    found = Diagnosis.of("gpu01", ["ann@gw:22", "ann@gpu01:22"], [STEP, failed])
    assert Diagnosis.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_a_note_is_no_failure() -> None:
    note = replace(STEP, verdict="note")
    assert Diagnosis.of("gpu01", [], [STEP, note]).ok
    assert not Diagnosis.of("gpu01", [], [STEP, note, replace(STEP, verdict="failed")]).ok
