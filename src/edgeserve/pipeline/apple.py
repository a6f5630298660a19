"""What `--target ios` makes: a bundle with a Core ML package."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgeserve.bundle_store import BUNDLE_FILE, Bundle, load_bundle, require_place, write_bundle
from edgeserve.compilation import naming
from edgeserve.convert.apple import AppleWish, convert_for_apple, form_of
from edgeserve.convert.input_shape import InputShape
from edgeserve.convert.worker import Progress
from edgeserve.declaration_file import Declaration

TARGET = "ios"


def convert_for_ios(
    source: Path,
    destination: Path,
    *,
    calibration: Path | None,
    force: bool,
    trust_source: bool,
    image_range: tuple[float, float],
    declared: Declaration,
    input_shapes: tuple[InputShape, ...] = (),
    wish: AppleWish,
    progress: Progress,
) -> Bundle:
    """Makes a bundle with a Core ML package. Nothing is left behind when it fails.

    Raises the errors of ``convert_for_apple`` and ``write_bundle``.
    """
    form_of(wish.precision)
    require_place(destination, force=force)
    with (
        naming(source),
        tempfile.TemporaryDirectory(prefix="edgeserve-convert-") as work,
    ):
        contents = convert_for_apple(
            source,
            calibration=calibration,
            trust_source=trust_source,
            name=destination.name,
            work_dir=Path(work),
            progress=progress,
            image_range=image_range,
            declared=declared,
            input_shapes=input_shapes,
            wish=wish,
        )
        return write_bundle(destination, contents, force=force)


def ios_bundle(path: Path) -> Bundle | None:
    """The bundle at ``path`` where it has a Core ML package; None for all else that a user names.

    Raises ConfigError when it is damaged.
    """
    if not (path / BUNDLE_FILE).is_file():
        return None
    bundle = load_bundle(path)
    return None if bundle.facts.coreml is None else bundle
