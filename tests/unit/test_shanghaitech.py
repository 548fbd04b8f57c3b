"""Reading the data set: both layouts, and every way in which a folder of it can be broken."""

import shutil

import cv2
import numpy as np
import pytest
from photographs import write_points, write_split

from crowdwatch.errors import ConfigError
from pipelines.evaluation.shanghaitech import photographs, read_image, read_list


@pytest.mark.parametrize(
    ("folder", "split"),
    [("part_B_final/test_data", "test"), ("part_B/test_data", "test"), ("part_B/train", "train")],
)
def test_both_layouts_are_read(tmp_path, folder, split):
    write_split(tmp_path / folder, [3, 8])
    found = photographs(tmp_path, "B", split)
    assert [photo.name for photo in found] == [f"part_B/{split}/IMG_1", f"part_B/{split}/IMG_2"]
    assert [len(photo.heads_px) for photo in found] == [3, 8]
    assert found[0].image_hw == (160, 192)


def test_photographs_come_by_number_not_by_letter(tmp_path):
    write_split(tmp_path / "part_A" / "train", [1] * 11)
    assert [photo.path.stem for photo in photographs(tmp_path, "A", "train")] == [f"IMG_{n}" for n in range(1, 12)]


def test_a_missing_folder_says_what_was_tried(tmp_path):
    with pytest.raises(ConfigError, match="part_A_final") as caught:
        photographs(tmp_path, "A", "test")
    assert str(tmp_path / "part_A" / "test_data" / "images") in str(caught.value)


@pytest.mark.parametrize("folder", ["part_A/train", "part_A_final/train_data"])
def test_a_missing_split_is_told_from_a_wrong_folder(tmp_path, folder):
    write_split(tmp_path / folder, [3])
    with pytest.raises(ConfigError, match=r"split test: no images folder\. Only its split train is there"):
        photographs(tmp_path, "A", "test")
    with pytest.raises(ConfigError, match="Give the folder that holds part_A and part_B"):
        photographs(tmp_path, "B", "test")


def test_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "part_A" / "train" / "images").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no \.jpg files"):
        photographs(tmp_path, "A", "train")


def test_every_fault_is_listed_at_once(tmp_path):
    folder = tmp_path / "part_A" / "train"
    write_split(folder, [3] * 8)
    truth = folder / "ground_truth"
    (truth / "GT_IMG_1.mat").unlink()
    (truth / "GT_IMG_2.mat").write_bytes(b"not a mat file")
    write_points(truth / "GT_IMG_3.mat", np.full((3, 2), np.nan))
    write_points(truth / "GT_IMG_4.mat", np.zeros((3, 3)))
    write_points(truth / "GT_IMG_5.mat", np.full((4, 2), 5000.0))
    (folder / "images" / "IMG_6.jpg").write_bytes(b"no picture")
    (folder / "images" / "IMG_7.jpg").write_bytes(b"")
    write_points(truth / "GT_IMG_9.mat", np.ones((3, 2)))
    with pytest.raises(ConfigError, match="8 faults, 8 photographs") as caught:
        photographs(tmp_path, "A", "train")
    text = str(caught.value)
    for piece in (
        "GT_IMG_1.mat: the annotation is missing",
        "GT_IMG_2.mat: no head points",
        "GT_IMG_3.mat: got points",
        "GT_IMG_4.mat: got points of shape (3, 3)",
        "GT_IMG_5.mat: 4 of 4 heads lie outside the 192x160 image",
        "IMG_6.jpg: cannot be read",
        "IMG_7.jpg: cannot be read",
        "GT_IMG_9.mat: its image IMG_9.jpg is missing",
    ):
        assert piece in text


def test_strays_are_moved_inside_and_counted(tmp_path):
    folder = tmp_path / "part_B" / "train"
    write_split(folder, [3])
    write_points(folder / "ground_truth" / "GT_IMG_1.mat", [[-4.0, 10], [10, 20], [192.0, 160.0], [300, 50]])
    (photo,) = photographs(tmp_path, "B", "train")
    assert photo.stray_frac == 0.5
    assert len(photo.heads_px) == 4  # published counts include them
    assert (photo.heads_px >= 0).all()
    assert (photo.heads_px < [192, 160]).all()


def test_nobody_and_no_colour_are_fine(tmp_path):
    folder = tmp_path / "part_B" / "train"
    write_split(folder, [3])
    write_points(folder / "ground_truth" / "GT_IMG_1.mat", np.empty((0, 2)))
    grey = cv2.imread(str(folder / "images" / "IMG_1.jpg"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(folder / "images" / "IMG_1.jpg"), grey)
    (photo,) = photographs(tmp_path, "B", "train")
    assert photo.heads_px.shape == (0, 2)
    image = read_image(photo.path)
    assert image.shape == (160, 192, 3)
    assert (image[..., 0] == image[..., 2]).all()


def test_the_list_of_those_kept_aside(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# a comment\npart_A/train/IMG_1\n\npart_B/train/IMG_2  # why\n", encoding="utf-8")
    assert read_list(path) == {"part_A/train/IMG_1", "part_B/train/IMG_2"}
    with pytest.raises(ConfigError, match="cannot be read"):
        read_list(tmp_path / "missing.txt")


def test_the_shipped_list_is_a_fifth_of_the_training_split(data_dir):
    from crowdwatch.detectors import weights

    kept = read_list(weights.shipped_dirs()[0] / "validation.txt")
    for part, share in (("A", 60), ("B", 80)):
        names = {photo.name for photo in photographs(data_dir / "shanghaitech", part, "train")}
        assert len(kept & names) == pytest.approx(share, abs=2)
    assert all(name.split("/")[1] == "train" for name in kept)


def test_pictures_of_every_kind_are_read(tmp_path):
    """The name says .jpg, the content decides; strange ones come as 8 bit BGR."""
    folder = tmp_path / "part_B" / "train"
    write_split(folder, [0] * 4)
    pictures = {
        "IMG_1": np.full((40, 50), 40000, np.uint16),
        "IMG_2": np.full((40, 50, 4), 90, np.uint8),
        "IMG_3": np.zeros((3, 3, 3), np.uint8),
        "IMG_4": np.zeros((40, 50, 3), np.uint8),
    }
    for name, image in pictures.items():
        (folder / "images" / f"{name}.jpg").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    for photo in photographs(tmp_path, "B", "train"):
        assert photo.image_hw == pictures[photo.path.stem].shape[:2]
        image = read_image(photo.path)
        assert (image.dtype, image.shape) == (np.uint8, (*photo.image_hw, 3))


def test_a_copy_elsewhere_reads_the_same(tmp_path):
    write_split(tmp_path / "part_A" / "train", [5, 6])
    shutil.copytree(tmp_path / "part_A" / "train", tmp_path / "other" / "part_A_final" / "train_data")
    one, other = photographs(tmp_path, "A", "train"), photographs(tmp_path / "other", "A", "train")
    assert [photo.name for photo in one] == [photo.name for photo in other]
    assert all(np.array_equal(a.heads_px, b.heads_px) for a, b in zip(one, other, strict=True))
