"""What the sidebar copies."""

from pathlib import Path

from playwright.sync_api import expect

from tests.support.http import by_token
from tests.support.kernel import client, ipykernel
from tests.ui.lab import Lab, Scene


def test_the_address_is_copied(lab: Lab, lab_scene: Scene) -> None:
    row = lab.add(lab_scene.line, "plot")
    row.get_by_role("button", name="Copy the address").click()
    expect(lab.page.get_by_text(f"Copied: 127.0.0.1:{lab.port('plot')}")).to_be_visible()
    copied = lab.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"127.0.0.1:{lab.port('plot')}"


def test_a_kernel_is_one_row_that_hands_on_its_connection_file(lab: Lab, lab_scene: Scene) -> None:
    with ipykernel() as kernel, by_token(lab_scene.server) as http:
        wanted = {"host": "gpu01", "file": str(kernel.connection_file)}
        answer = http.post("remote-tunnel/api/kernels", json=wanted).raise_for_status().json()
        name = answer["tunnel"]["name"]
        row = lab.row(name)
        expect(row.locator(".jp-RemoteTunnel-forward")).to_have_count(1)
        expect(row).to_contain_text("Kernel")
        expect(row).not_to_contain_text("inside Jupyter")
        expect(row.get_by_role("button")).to_have_count(3)
        row.get_by_role("button", name=f"Copy the connection file of {name}").click()
        expect(lab.page.get_by_text("Copied: /")).to_be_visible()
        copied = lab.page.evaluate("navigator.clipboard.readText()")
        assert copied == answer["connection_file"]
        with client(Path(copied)) as remote:
            remote.execute("6 * 7", reply=True, timeout=30)
        lab.page.evaluate("navigator.clipboard.writeText('')")
        lab.run_command("Copy the Connection File")
        lab.page.wait_for_function(
            "async path => await navigator.clipboard.readText() === path", arg=copied
        )
        lab.close(name)
