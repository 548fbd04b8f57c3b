"""Finding weights: the order of search, what is refused and what the messages say."""

import hashlib
import http.server
import logging
import shutil
import subprocess
import sys
import threading

import pytest

from crowdwatch.assets.shipped import shipped
from crowdwatch.detectors import choose, load, weights
from crowdwatch.errors import ConfigError, ModelError, WeightsMismatch, WeightsNotFound


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """No folder of weights but those that a test names; no network."""
    for name in ("CROWDWATCH_MODELS", "CROWDWATCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CROWDWATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CROWDWATCH_OFFLINE", "1")
    monkeypatch.setattr(weights, "shipped_dirs", lambda: [tmp_path / "shipped"])
    (tmp_path / "shipped").mkdir()


def put_pt(folder, name="net.pt", content=b"weights"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def put_ir(folder, name="net_openvino_model"):
    target = folder / name
    target.mkdir(parents=True)
    for file in ("net.xml", "net.bin", "metadata.yaml"):
        (target / file).write_text(f"{file}: 1")
    return target


def test_places_are_searched_in_order(tmp_path, monkeypatch):
    places = [tmp_path / "shipped" / "net", tmp_path / "one", tmp_path / "two", tmp_path / "data" / "weights"]
    places.append(tmp_path / "cache" / "weights")
    monkeypatch.setenv("CROWDWATCH_MODELS", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    monkeypatch.setenv("CROWDWATCH_DATA", str(tmp_path / "data"))
    files = [put_pt(place) for place in places]
    for file in files:
        assert weights.find("net").path == file
        file.unlink()
    with pytest.raises(WeightsNotFound) as caught:
        weights.find("net")
    text = str(caught.value)
    listed = [text.index(str(place)) for place in (tmp_path / "shipped", *places[1:])]
    assert listed == sorted(listed)
    assert "CROWDWATCH_MODELS" in text


def test_not_found_says_what_was_not_set_and_why_nothing_was_fetched():
    with pytest.raises(WeightsNotFound) as caught:
        weights.find("yolo11n")
    text = str(caught.value)
    assert "CROWDWATCH_MODELS (not set)" in text
    assert "v8.4.0/yolo11n.pt (not tried: CROWDWATCH_OFFLINE is set)" in text
    with pytest.raises(WeightsNotFound, match="downloads are switched off"):
        weights.find("yolo11n", download=False)
    with pytest.raises(WeightsNotFound, match=r"not one of yolo11n\.pt, yolo26n\.pt"):
        weights.find("yolo99z")


def test_within_a_folder_exported_comes_before_int8_before_pt(tmp_path):
    put_pt(tmp_path)
    assert weights.find("net", search=[tmp_path]).kind == "pt"
    put_ir(tmp_path, "net_int8_openvino_model")
    assert weights.find("net", search=[tmp_path]).name == "net_int8"
    plain = put_ir(tmp_path)
    found = weights.find("net", search=[tmp_path])
    assert (found.path, found.name, found.kind) == (plain, "net", "openvino")
    assert weights.find("net", search=[tmp_path], kinds=("pt",)).kind == "pt"
    assert weights.find("net", search=[tmp_path], kinds=("pt", "openvino")).kind == "pt"
    assert weights.find("net.pt", search=[tmp_path]).kind == "pt"
    assert weights.find("net_int8", search=[tmp_path]).name == "net_int8"
    assert found.sha256 == hashlib.sha256(b"net.xml: 1net.bin: 1").hexdigest()


def test_recovered_weights_are_only_found_by_their_own_name(tmp_path):
    put_pt(tmp_path, "yolo11n_recovered.pt")
    with pytest.raises(WeightsNotFound):
        weights.find("yolo11n", search=[tmp_path])
    found = weights.find("yolo11n_recovered", search=[tmp_path])
    assert found.name == "yolo11n_recovered"
    assert found.known_sha256 is None
    assert "unknown" in found.describe()


def test_a_card_beside_the_weights_gives_their_digest_and_order(tmp_path):
    folder = tmp_path / "net"
    file = put_pt(folder)
    put_ir(folder)
    digest = hashlib.sha256(b"weights").hexdigest()
    (folder / "model.yaml").write_text(f"sha256:\n  net.pt: {digest.upper()}\n")
    found = weights.find("net", search=[tmp_path])
    assert (found.path, found.known_sha256, found.sha256) == (file, digest, digest)
    assert "unknown" not in found.describe()
    file.write_bytes(b"other")
    with pytest.raises(WeightsMismatch) as caught:
        weights.find("net", search=[tmp_path])
    assert digest in str(caught.value)
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    assert "fetch it again" in str(caught.value)


def test_a_file_that_bears_an_official_name_must_be_the_official_file(tmp_path):
    put_pt(tmp_path, "yolo11n.pt")
    with pytest.raises(WeightsMismatch, match="published"):
        weights.find("yolo11n", search=[tmp_path])


def test_the_default_model(tmp_path):
    assert weights.default_model([tmp_path]) == "yolo11n"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.yaml").write_text("default: false\n")
    (tmp_path / "b" / "model.yaml").write_text("default: true\n")
    assert weights.default_model([tmp_path]) == "b"
    (tmp_path / "a" / "model.yaml").write_text("default: true\n")
    with pytest.raises(ModelError, match=r"a, b all say"):
        weights.default_model([tmp_path])


def test_a_default_of_each_task(tmp_path):
    with pytest.raises(WeightsNotFound, match="no model of task count is shipped"):
        weights.default_model([tmp_path], task="count")
    for name, task in (("boxes", "detect"), ("crowd", "count")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.yaml").write_text(f"default: true\ntask: {task}\n")
    assert weights.default_model([tmp_path]) == "boxes"
    assert weights.default_model([tmp_path], task="count") == "crowd"


def test_the_models_folder_of_a_checkout_is_found(monkeypatch):
    monkeypatch.undo()
    assert any((folder / "README.md").is_file() for folder in weights.shipped_dirs())


def test_a_counter_is_no_detector():
    with pytest.raises(ModelError, match=r"this is a counter.*under counter, not under detector"):
        load(str(shipped("models")[0] / "counter-n" / "counter-n_openvino_model"), "openvino")


def test_explicit_paths_that_are_wrong(tmp_path):
    with pytest.raises(WeightsNotFound, match="no such file"):
        weights.find(tmp_path / "gone.pt")
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(ModelError, match="no model"):
        weights.find(tmp_path / "photo.jpg")
    (tmp_path / "empty.pt").touch()
    with pytest.raises(ModelError, match="empty"):
        weights.find(tmp_path / "empty.pt")
    with pytest.raises(ModelError, match=r"0 \.xml"):
        weights.find(tmp_path)
    folder = put_ir(tmp_path)
    (folder / "net.bin").unlink()
    with pytest.raises(ModelError, match=r"net\.bin is missing"):
        weights.find(folder)


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
@pytest.mark.parametrize("damage", ["text", "cut", "plain dict", "code"])
def test_files_that_are_no_model(tmp_path, models_dir, runtime, damage):
    import pickle

    import torch

    path = tmp_path / "bad.pt"
    if damage == "text":
        path.write_text("hello")
    elif damage == "cut":
        path.write_bytes((models_dir / "yolo11n_recovered.pt").read_bytes()[:100_000])
    elif damage == "plain dict":
        torch.save({"a": torch.zeros(1)}, path)
    else:
        path.write_bytes(pickle.dumps(Touch(tmp_path / "touched"), protocol=2))
    with pytest.raises(ModelError, match="no detection model"):
        load(str(path), runtime)
    assert not (tmp_path / "touched").exists()  # a checkpoint cannot run code of its own


class Touch:
    """Unpickles by running a program, as a hostile checkpoint would."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return subprocess.check_call, (["touch", str(self.path)],)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0: person", "0: human", "no class 'person'"),
        ("task: detect", "task: segment", "need task detect"),
        ("names:", "names_:", "need task detect"),
        ("task:", "task: [", "is not YAML"),
    ],
)
def test_exported_folders_that_do_not_fit(tmp_path, models_dir, old, new, message):
    folder = tmp_path / "x_openvino_model"
    shutil.copytree(models_dir / "yolo11n_int8_openvino_model", folder)
    folder.chmod(0o755)
    meta = folder / "metadata.yaml"
    text = meta.read_text()
    assert old in text
    meta.unlink()
    meta.write_text(text.replace(old, new, 1))
    with pytest.raises(ModelError, match=message):
        load(str(folder), "openvino")


def test_a_broken_xml_and_another_size(tmp_path, models_dir):
    given = models_dir / "yolo11n_int8_openvino_model"
    with pytest.raises(ModelError, match="exported for 640x640 pixels, and for no other size; image_px is 1280"):
        load(str(given), "openvino", image_px=1280)
    folder = tmp_path / "x_openvino_model"
    folder.mkdir()
    (folder / "x.xml").write_text("<net/>")
    (folder / "x.bin").write_bytes(b"0")
    shutil.copy(given / "metadata.yaml", folder)
    with pytest.raises(ModelError, match="OpenVINO cannot read"):
        load(str(folder), "openvino")


def test_wrong_settings_are_refused(models_dir):
    name = str(models_dir / "yolo11n_int8_openvino_model")
    with pytest.raises(ConfigError, match="runtime"):
        load(name, "tensorrt")
    with pytest.raises(ConfigError, match="precision"):
        load(name, "openvino", precision="f64")
    with pytest.raises(ConfigError, match="precision"):
        load(name, "torch", precision="bf16")
    with pytest.raises(ModelError, match="this is openvino, the runtime needs pt"):
        load(name, "torch")
    with pytest.raises(ConfigError, match="multiple of 32"):
        load(str(models_dir / "yolo11n_recovered.pt"), "torch", image_px=333)


def test_auto_reads_an_exported_model_without_torch(models_dir):
    """The fast path must not pay for torch's import."""
    code = (
        "import sys; from crowdwatch.detectors import load; "
        f"d = load({str(models_dir / 'yolo11n_int8_openvino_model')!r}); print(d.detector_id, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    name, torch_imported = done.stdout.split()
    assert name.startswith("yolo11n_int8@640/openvino-f32/")
    assert torch_imported == str(choose.has_gpu())


def test_the_unknown_digest_is_said_in_the_log(models_dir, caplog):
    with caplog.at_level(logging.INFO):
        load(str(models_dir / "yolo11n_int8_openvino_model"), "openvino").close()
    assert "unknown: nothing to compare it with" in caplog.text


@pytest.fixture
def server(tmp_path):
    """A web server of this machine with one file, /net.pt."""
    folder = tmp_path / "www"
    put_pt(folder, content=b"published")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as http_server:
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_port}/net.pt"
        http_server.shutdown()
        thread.join()


def test_download_once_checked_and_complete(server, tmp_path, monkeypatch):
    digest = hashlib.sha256(b"published").hexdigest()
    monkeypatch.setattr(weights, "OFFICIAL", {"net.pt": weights.Asset(server, digest)})
    monkeypatch.setenv("CROWDWATCH_OFFLINE", "0")
    found = weights.find("net")
    assert (found.sha256, found.known_sha256) == (digest, digest)
    assert found.path == tmp_path / "cache" / "weights" / "net.pt"
    (tmp_path / "www" / "net.pt").unlink()
    assert weights.find("net").source == "earlier downloads"
    found.path.unlink()
    with pytest.raises(WeightsNotFound, match=r"failed: HTTP Error 404"):
        weights.find("net")
    put_pt(tmp_path / "www", content=b"tampered")
    with pytest.raises(WeightsMismatch, match=digest):
        weights.find("net")
    assert list((tmp_path / "cache" / "weights").iterdir()) == []  # nothing half or wrong stays
