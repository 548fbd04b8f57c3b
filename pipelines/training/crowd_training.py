"""Training of the crowd detector's branch for heads: resumable, on a CPU or a GPU.

The detector of people is frozen and only run; the branch learns with Ultralytics' own assignment and losses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from crowdwatch.core.records import FloatArray
from crowdwatch.detectors import ultralytics_models, weights
from crowdwatch.detectors.crowd_network import CrowdYolo
from crowdwatch.detectors.letterbox import Letterbox, blob
from crowdwatch.detectors.ultralytics_setup import prepare
from crowdwatch.errors import ModelError
from pipelines.command_line import progress
from pipelines.evaluation.crowd_boxes import head_boxes, stature_line
from pipelines.evaluation.shanghaitech import PARTS, Photograph, apart, read_image, read_list
from pipelines.training import recipes
from pipelines.training.checkpoints import State, keep_norms, rate, text_of, write, write_log
from pipelines.training.crops import cut, recolour
from pipelines.training.recipes import FORBID, AtLeast0, AtLeast1, Decay, Rate, Share
from pipelines.training.steps import run_steps

__all__ = ["CrowdRecipe", "read_recipe", "train"]


HEAD_PX = 16.0
"""Crops are scaled so that their photograph's median head is about this large: two cells of the branch."""


@dataclass(frozen=True, slots=True)
class CrowdRecipe:
    """Everything that decides a run.

    Args:
        start: YOLO11n weights, name or ``.pt``: the detector of people, which stays as it is; or those of an earlier
            run, whose branch goes on.
        validation: list of photographs kept aside, relative to the recipe.
        seed: of the drawing of crops and of the branch's new layers.
        steps: batches.
        batch: crops in a batch.
        crop_px: side of a crop.
        jitter: crops are scaled by up to this factor more or less than :data:`HEAD_PX` asks for.
        scale_max: no photograph is enlarged further.
        hold_frac, warmup, learning_rate, weight_decay, average: as in the counter's recipe.
        frozen_norms: as in the counter's recipe; for a run that goes on.
        validate_every: steps between validations.
        why: what is expected of the run, in words.
    """

    start: str
    validation: str = "../validation.txt"
    seed: AtLeast0 = 1
    steps: AtLeast1 = 3000
    batch: AtLeast1 = 8
    crop_px: Annotated[int, Field(ge=32, multiple_of=32)] = 512
    jitter: Annotated[float, Field(ge=1)] = 1.6
    scale_max: Rate = 3.0
    hold_frac: Share = 0.4
    warmup: AtLeast0 = 100
    learning_rate: Rate = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    average: Decay = 0.998
    frozen_norms: bool = False
    validate_every: AtLeast1 = 1000
    why: str = ""

    __pydantic_config__: ClassVar = FORBID


def read_recipe(path: Path) -> CrowdRecipe:
    """Read a recipe. Raises ConfigError with every key that is unknown, of the wrong type or out of its limits."""
    return recipes.read(path, CrowdRecipe)


def train(recipe: CrowdRecipe, data: Path, recipe_path: Path, out: Path, *, steps: int | None = None) -> Path:
    """Train, or go on where a killed run stopped; return the ``.pt``. Arguments as of the counter's training.

    Raises:
        ConfigError: data or recipe are at fault, or ``out`` belongs to another recipe.
        ModelError: the starting weights do not fit.
    """
    out.mkdir(parents=True, exist_ok=True)
    photos, aside = apart(data, read_list((recipe_path.parent / recipe.validation).resolve()))
    run = _Run(recipe, recipe_path.parent, out)
    learn = [
        [run.boxed(photo) for photo in progress(part, f"part {name}: boxes")]
        for name, part in zip(PARTS, photos, strict=True)
    ]
    judge = [run.boxed(photo) for photo in progress(aside, "kept aside: boxes")]
    end = recipe.steps if steps is None else min(recipe.steps, run.step + steps)
    draw = partial(_batch, learn, recipe)
    run_steps(run, draw, judge, steps=recipe.steps, end=end, validate_every=recipe.validate_every)
    return run.weights()


@dataclass(frozen=True, slots=True, eq=False)
class _Boxed:
    name: str
    image_bgr: NDArray[np.uint8]
    xyxy_px: FloatArray

    @property
    def scale(self) -> float:
        """What makes the median head :data:`HEAD_PX` large."""
        if len(self.xyxy_px) == 0:
            return 1.0
        return HEAD_PX / float(np.median(self.xyxy_px[:, 2] - self.xyxy_px[:, 0]))


def _batch(
    parts: list[list[_Boxed]], recipe: CrowdRecipe, number: int
) -> tuple[NDArray[np.uint8], list[NDArray[np.float64]]]:
    """Batch ``number``, the same whenever it is asked for: RGB crops, and boxes (N, 4) in their pixels."""
    rng = np.random.default_rng([recipe.seed, number])
    pictures = np.empty((recipe.batch, recipe.crop_px, recipe.crop_px, 3), np.uint8)
    targets = []
    for picture in pictures:
        part = parts[int(rng.integers(len(parts)))]
        one = part[int(rng.integers(len(part)))]
        scale = min(one.scale * recipe.jitter ** rng.uniform(-1, 1), recipe.scale_max)
        square, to_crop = cut(one.image_bgr, rng, scale, recipe.crop_px)
        picture[:] = recolour(square, rng)[:, :, ::-1]
        corners = one.xyxy_px.reshape(-1, 2) @ to_crop[:, :2].T + to_crop[:, 2]
        boxes = np.sort(corners.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        boxes = boxes[((middle >= 0) & (middle < recipe.crop_px)).all(axis=1)]
        targets.append(np.clip(boxes, 0, recipe.crop_px))
    return pictures, targets


class _Run:
    """A branch in training, with all that a checkpoint keeps."""

    def __init__(self, recipe: CrowdRecipe, home: Path, out: Path) -> None:
        self._recipe, self._out = recipe, out
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(recipe.seed)
        path = home / recipe.start
        found = weights.find(path if path.is_file() else recipe.start, kinds=(weights.PT,))
        base, _ = ultralytics_models.load(found, max_det=3000, fuse=False)
        self._net = (base if isinstance(base, CrowdYolo) else CrowdYolo(base.float().eval())).to(self._device)
        self._branch = torch.nn.ModuleList([self._net.merge, self._net.refine, self._net.heads])
        self._average = AveragedModel(
            self._branch,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.average),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        learned = [parameter for parameter in self._branch.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.AdamW(learned, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: rate(step, recipe.steps, warmup=recipe.warmup, hold_frac=recipe.hold_frac)
        )
        prepare()
        from ultralytics.utils.loss import v8DetectionLoss

        gains = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)  # Ultralytics' own
        shim: Any = SimpleNamespace(parameters=self._branch.parameters, args=gains, model=[self._net.heads])
        self._loss: Any = v8DetectionLoss(shim)
        self._state = State(self._branch, self._average, self._optimiser, self._schedule, text_of(recipe))
        self._checkpoint = out / "checkpoint.pt"
        if self._checkpoint.exists():
            self._state.resume(self._checkpoint, self._device)

    def boxed(self, photo: Photograph) -> _Boxed:
        """A photograph with head boxes; the frozen detector tells its perspective."""
        image = read_image(photo.path)
        line = None
        if photo.name.startswith("part_B/"):  # in part A's crowds hardly anybody is seen whole
            # enlarged, since the detector overlooks the small ones
            found = self._people(cv2.resize(image, None, fx=1.5, fy=1.5))
            line = stature_line(found / 1.5, photo.heads_px)
        return _Boxed(photo.name, image, head_boxes(photo.heads_px, line))

    def _people(self, image_bgr: Any) -> FloatArray:
        with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16):
            answer = self._net.base.eval()(self._picture(image_bgr))
        table = (answer[0] if isinstance(answer, tuple) else answer)[0].float().cpu().numpy()
        return _suppressed(table[:4], table[4], 0.4)[0]

    def _picture(self, image_bgr: Any) -> torch.Tensor:
        bordered = _bordered(image_bgr)
        height, width = bordered.shape[:2]
        pictures = blob([bordered], [Letterbox.fit((height, width), (height, width))])
        return torch.from_numpy(pictures).to(self._device)

    @property
    def step(self) -> int:
        """How many steps were done."""
        return self._state.step

    def learn(self, pictures: NDArray[np.uint8], targets: list[NDArray[np.float64]]) -> float:
        """One step; returns the mean loss of the last hundred. Raises ModelError when it is not finite."""
        self._net.base.eval()
        self._branch.train()
        if self._recipe.frozen_norms:
            keep_norms(self._branch)
        x = torch.from_numpy(pictures).to(self._device).permute(0, 3, 1, 2).float() / 255
        with torch.autocast(self._device, torch.bfloat16):
            with torch.no_grad():
                _, joined = self._net.features(x.contiguous(memory_format=torch.channels_last))
            raw = self._net.branch(joined)
        raw = {"boxes": raw["boxes"].float(), "scores": raw["scores"].float(), "feats": raw["feats"]}
        boxes = np.concatenate(targets) / self._recipe.crop_px
        middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        batch = {
            "batch_idx": torch.from_numpy(np.repeat(np.arange(len(targets)), [len(one) for one in targets])).float(),
            "cls": torch.zeros(len(boxes)),
            "bboxes": torch.from_numpy(np.hstack([middle, size])).float(),
        }
        loss = self._loss(raw, batch)[0].sum()
        value = float(loss.detach()) / len(targets)
        if not np.isfinite(value):
            raise ModelError(f"training, step {self.step}: the loss is {value}. Lower the learning rate.")
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._branch.parameters(), 10.0 * len(targets))
        self._optimiser.step()
        self._schedule.step()
        self._average.update_parameters(self._branch)
        return self._state.learned(value)

    def validate(self, judge: list[_Boxed], loss: float) -> str:
        """Recall and precision of heads, and the count's error, at the score with the best F1 over both parts."""
        branch: Any = self._average.module.eval()
        merge, refine, heads = branch
        found: list[tuple[_Boxed, FloatArray, FloatArray]] = []
        for one in judge:
            scale = min(one.scale, 2.0)
            image = cv2.resize(one.image_bgr, None, fx=scale, fy=scale)
            with torch.inference_mode(), torch.autocast(self._device, torch.bfloat16):
                _, joined = self._net.features(self._picture(image))
                answer = heads([refine(merge(joined))])[0][0].float().cpu().numpy()
            xyxy, score = _suppressed(answer[:4], answer[4], 0.05)
            found.append((one, xyxy / scale, score))
        best = max((_score(found, limit) for limit in np.arange(0.1, 0.6, 0.05)), key=lambda entry: entry["f1"])
        self._state.history.append({"step": self.step, "loss": round(loss, 3), **best})
        write_log(self._state.history, self._out)
        return ", ".join(f"{key} {value}" for key, value in self._state.history[-1].items())

    def save(self) -> None:
        """Write the checkpoint."""
        self._state.save(self._checkpoint)

    def weights(self) -> Path:
        """Write the detector of people with the averaged branch."""
        path = self._out / "crowd.pt"
        branch: Any = self._average.module
        merge, refine, heads = branch
        net = CrowdYolo(self._net.base)
        net.merge, net.refine, net.heads = merge, refine, heads
        state = {key: value.detach().cpu().clone() for key, value in net.state_dict().items()}
        write({"crowd_yolo": 1, "state": state}, path)
        return path


def _bordered(image_bgr: Any) -> NDArray[np.uint8]:
    height, width = image_bgr.shape[:2]
    bordered = np.full((-(-height // 32) * 32, -(-width // 32) * 32, 3), 114, np.uint8)
    bordered[:height, :width] = image_bgr
    return bordered


def _suppressed(box: NDArray[np.float32], score: NDArray[np.float32], floor: float) -> tuple[FloatArray, FloatArray]:
    rows = (score >= floor).nonzero()[0]
    corner = np.concatenate([box[:2, rows] - box[2:, rows] / 2, box[2:, rows]]).T.astype(float)
    kept = np.asarray(cv2.dnn.NMSBoxes(corner, score[rows].astype(float), 0.0, 0.5), dtype=np.int64).reshape(-1)  # type: ignore[arg-type]
    corner = corner[kept]
    return np.concatenate([corner[:, :2], corner[:, :2] + corner[:, 2:]], axis=1), score[rows][kept].astype(float)


def _score(found: list[tuple[_Boxed, FloatArray, FloatArray]], limit: float) -> dict[str, float]:
    entry: dict[str, float] = {"score": round(float(limit), 2)}
    totals = np.zeros(3)
    for part in PARTS:
        right, made, there, errors = 0, 0, 0, []
        for one, xyxy, score in found:
            if one.name.startswith(f"part_{part}/"):
                kept = xyxy[score >= limit]
                right += _matched(one.xyxy_px, kept)
                made, there = made + len(kept), there + len(one.xyxy_px)
                errors.append(abs(len(kept) - len(one.xyxy_px)))
        totals += (right, made, there)
        entry |= {
            f"precision_{part}": round(right / max(made, 1), 3),
            f"recall_{part}": round(right / max(there, 1), 3),
            f"mae_{part}": round(float(np.mean(errors)), 2),
        }
    return entry | {"f1": round(float(2 * totals[0] / max(totals[1] + totals[2], 1)), 4)}


def _matched(truth_xyxy: FloatArray, found_xyxy: FloatArray) -> int:
    """Heads found once: centres within half a head, at least 8 px, one to one."""
    if len(truth_xyxy) == 0 or len(found_xyxy) == 0:
        return 0
    there, found = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (truth_xyxy, found_xyxy))
    reach = np.maximum((truth_xyxy[:, 2] - truth_xyxy[:, 0]) / 2, 8.0)[:, None]
    distance = cdist(there, found)
    cost = np.where(distance <= reach, distance / reach, 10.0)
    rows, columns = linear_sum_assignment(cost)
    return int((cost[rows, columns] <= 1.0).sum())
