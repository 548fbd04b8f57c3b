"""Doctor finds what is missing without importing it, and names the command that mends it."""

import subprocess
import sys
from pathlib import Path

import pytest

from crowdwatch.commands import doctor


def _finding(name: str) -> doctor.Finding:
    return next(finding for finding in doctor.check() if finding.name == name)


def test_this_machine_can_run_crowdwatch() -> None:
    findings = doctor.check()
    assert not [finding for finding in findings if finding.required and not finding.ok]
    assert all(finding.ok or finding.remedy for finding in findings)
    assert len({finding.name for finding in findings}) == len(findings)


def test_a_missing_library_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = doctor.SystemPackage("libgl1", "run", "library:libNoSuchThing.so.1", "OpenCV")
    monkeypatch.setattr(doctor, "system_packages", lambda: [lacking])
    finding = _finding("libgl1")
    assert finding.required
    assert not finding.ok
    assert "libNoSuchThing.so.1 not found" in finding.detail
    assert finding.remedy.endswith("apt-get install -y libgl1")


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ('ID=ubuntu\nVERSION_ID="24.04"', "libglib2.0-0t64"),
        ('ID=ubuntu\nVERSION_ID="22.04"', "libglib2.0-0"),
        ('ID=debian\nVERSION_ID="12"', "libglib2.0-0"),
        ('ID=debian\nVERSION_ID="13"', "libglib2.0-0t64"),
        ("", "libglib2.0-0"),
    ],
)
def test_package_names_follow_the_system(release: str, name: str) -> None:
    assert doctor.install_command(["libglib2.0-0"], release).split()[-1] == name
    assert "sudo" not in doctor.install_command(["libglib2.0-0"], release, root=True)


def test_two_opencvs_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"opencv-python": "4.10", "opencv-python-headless": "4.10"}
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, "1.0"))
    finding = _finding("OpenCV")
    assert not finding.ok
    assert "uninstall -y" in finding.remedy


def test_torch_and_torchvision_must_be_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: "0.20.1" if name == "torchvision" else real(name))
    finding = _finding("torch and torchvision")
    assert not finding.ok
    minor = int(real("torch").split(".")[1])
    assert f"torchvision==0.{minor + 15}.*" in finding.remedy


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    finding = doctor._writable("cache", tmp_path / "file" / "below", "Set CROWDWATCH_CACHE.")
    assert not finding.ok
    assert finding.remedy


def test_doctor_runs_where_cv2_and_torch_cannot_be_imported(tmp_path: Path) -> None:
    for name in ("cv2", "torch"):
        text = f"raise ImportError('{name}: libGL.so.1: cannot open shared object file')"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['crowdwatch', 'doctor']; "
    code += "from crowdwatch.commands.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    assert "libGL.so.1 found" in done.stdout
    assert "cannot be imported" in done.stdout


def test_the_list_of_system_packages_is_whole() -> None:
    packages = doctor.system_packages()
    assert {"libgl1", "libglib2.0-0", "libxcb1", "libx11-6"} == {p.name for p in packages if p.needed_by == "run"}
    assert {p.needed_by for p in packages} <= {"install", "run", "tests"}
    assert {p.sign.split(":")[0] for p in packages} <= {"library", "program", "font", "module", "file"}
