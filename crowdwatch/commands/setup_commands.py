"""For who sets up an event for the first time: ``init``, ``frame``, ``schema``, ``docs``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from crowdwatch.commands.stored import clear_picture_seen
from crowdwatch.commands.terminal import err, literal, out, tell
from crowdwatch.errors import ConfigError

__all__ = ["docs", "frame", "init", "schema"]

Footage = Annotated[str, typer.Argument(help="A video file, or the URL of a live camera.", metavar="VIDEO|URL")]
Seconds = Annotated[float, typer.Option("--at", min=0, help="Seconds into the video.")]


def schema() -> None:
    """Print the JSON Schema of the event file, for editors that check while you write."""
    from crowdwatch.config.describing import event_schema

    print(json.dumps(event_schema(), indent=2, ensure_ascii=False))


def docs(
    output: Annotated[
        Path | None, typer.Option("--output", help="Write it into this file. [default: print it]")
    ] = None,
) -> None:
    """Explain every key of the event file: what it is, what it accepts, what is taken when it is absent."""
    from crowdwatch.config.describing import event_document

    if output is None:
        print(event_document(), end="")
    else:
        output.write_text(event_document(), encoding="utf-8")
        out.print(f"Written: {literal(output)}")


def frame(
    footage: Footage,
    output: Annotated[Path, typer.Option("--output", help="Where the picture goes.")] = Path("frame.png"),
    at_s: Seconds = 0.0,
) -> None:
    """Take one clear picture of a video or a live camera, in which control points can be clicked.

    It is readable for you alone. People in it can be recognised: delete it when the calibration is done.
    """
    from crowdwatch.calibration.grid_picture import write_picture
    from crowdwatch.drivers.first_event import picture_of

    image = picture_of(footage, at_s)
    write_picture(output, image, private=True)
    clear_picture_seen(footage, output)
    out.print(
        f"Written: {literal(output)}, {image.shape[1]} x {image.shape[0]} pixels. It is clear, not coarsened, and only "
        "you can read it: delete it when the calibration is done."
    )


def init(
    footage: Footage,
    output: Annotated[Path, typer.Option("--output", help="The event file to write.")] = Path("event.yaml"),
    at_s: Seconds = 0.0,
    event_id: Annotated[str | None, typer.Option("--id", help="Short name of the event, without spaces.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the event for people.")] = None,
    name_zh: Annotated[str | None, typer.Option("--name-zh", help="The same in Chinese.")] = None,
    start: Annotated[
        str | None, typer.Option("--start", help="UTC of the first frame, as 2026-12-31T13:30:00Z.")
    ] = None,
    height_m: Annotated[float | None, typer.Option("--height-m", help="Height of the camera above the ground.")] = None,
    tilt_deg: Annotated[float | None, typer.Option("--tilt-deg", help="How far it looks below the horizontal.")] = None,
    view_deg: Annotated[float | None, typer.Option("--view-deg", help="Angle of view across the picture.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take what is proposed.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Begin an event from one video or camera: ask what cannot be known, write an event file that explains itself.

    It takes a clear frame and writes a points file beside it. Until the camera is calibrated with surveyed points, the
    event file holds a guess from the camera's height and angle, labelled UNSURVEYED: the numbers are for a first look.
    """
    from crowdwatch.calibration.grid_picture import write_picture
    from crowdwatch.drivers import first_event

    folder = output.resolve().parent
    clear, points = folder / "frame.png", folder / "points.yaml"
    there = [str(path) for path in (output, clear, points) if path.exists()]
    if there and not force:
        raise ConfigError(f"{', '.join(there)}: is there already. Choose another --output folder, or --force.")
    image = first_event.picture_of(footage, at_s)
    asked = first_event.Answers.proposed(footage, (image.shape[0], image.shape[1]))

    def answer(given: object | None, text: str, proposed: object) -> str:
        if given is not None:
            return str(given)
        return str(proposed) if yes else str(typer.prompt(text, default=proposed))

    event_id = answer(event_id, "Short name of the event, without spaces", asked.event_id)
    name = answer(name, "Name for people", asked.name)
    answers = first_event.Answers(
        event_id=event_id,
        name=name,
        name_zh=answer(name_zh, "Name in Chinese", name),
        start_time=answer(start, "UTC of the first frame", asked.start_time) if asked.start_time else "",
        height_m=first_event.number(answer(height_m, "Height of the camera above the ground, m", asked.height_m)),
        tilt_deg=first_event.number(answer(tilt_deg, "Degrees that it looks below the horizontal", asked.tilt_deg)),
        view_deg=first_event.number(answer(view_deg, "Angle of view across the picture, degrees", asked.view_deg)),
        image_hw=asked.image_hw,
    )
    text = first_event.event_text(footage, answers, folder)
    folder.mkdir(parents=True, exist_ok=True)
    first_event.write_sound(output, text)
    points.write_text(first_event.points_text(answers), encoding="utf-8")
    write_picture(clear, image, private=True)
    clear_picture_seen(footage, clear)
    tell(f"Written: {output}, {points.name}, {clear.name} (clear, for you alone: delete it after the calibration).")
    if answers.untimed:
        err.print(f"When it was taken is not known: {literal(answers.start_time)} stands for it. Correct start_time.")
    tell(
        "Next:\n"
        f"  crowdwatch check {output}        every fault at once\n"
        f"  crowdwatch {'live' if answers.live else 'replay'} {output}        a first look; positions are a guess\n"
        f"  crowdwatch calibrate {points} --picture {clear}        with points that you have clicked and surveyed\n"
        "  crowdwatch docs        every key of the event file"
    )
