"""``verify --reference`` names what training did differently."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeserve import cli
from edgeserve.bundle import SourceFacts, SourceKind, make_contents
from edgeserve.bundle_store import Bundle, write_bundle
from edgeserve.preprocess.declaration import (
    Colour,
    Front,
    Layout,
    Log,
    Resize,
    SensorInput,
    declared,
)
from edgeserve.preprocess.skew import diagnose
from edgeserve.tflite.reader import read_model
from tests.preprocess.signals import CAMERA, LOG_MEL, MFCC, MOTION, raw_data
from tests.tflite_builder import ModelBuilder

STEP = 1 / 127.5


def camera_bundle(folder: Path) -> Bundle:
    builder = ModelBuilder()
    shape = (1, *CAMERA.shape)
    x = builder.tensor("x", shape, "int8", scale=STEP, zero_point=0)
    y = builder.tensor("y", shape, "int8", scale=STEP, zero_point=0)
    builder.op("RELU", [x], [y])
    model = builder.finish([x], [y])
    contents = make_contents(
        name="camera",
        graph=read_model(model, name="camera"),
        model_tflite=model,
        source=SourceFacts(SourceKind.TFLITE, "0" * 64),
        preprocess=declared(CAMERA),
    )
    return write_bundle(folder / "camera", contents)


def frames() -> list[NDArray[Any]]:
    return [raw.reshape(CAMERA.height, CAMERA.width, 3) for raw in raw_data(CAMERA, 11, 5)]


def cropped(frame: NDArray[Any]) -> NDArray[np.float32]:
    crop = CAMERA.crop
    inner = frame[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    return inner.astype(np.float32)


def by_hand(pixels: NDArray[Any], *, align_corners: bool = False) -> NDArray[Any]:
    """Bilinear resizing written anew for the tests: one output pixel at a time."""
    height, width, _ = pixels.shape
    out = np.zeros((CAMERA.out_height, CAMERA.out_width, 3))
    for y in range(CAMERA.out_height):
        for x in range(CAMERA.out_width):
            at = []
            for i, source, size in ((y, height, out.shape[0]), (x, width, out.shape[1])):
                place = (
                    i * (source - 1) / (size - 1)
                    if align_corners
                    else (i + 0.5) * source / size - 0.5
                )
                low = int(np.floor(place))
                ends = [min(max(low + d, 0), source - 1) for d in (0, 1)]
                at.append((*ends, place - low))
            (top, bottom, down), (left, right, across) = at
            upper = pixels[top, left] * (1 - across) + pixels[top, right] * across
            lower = pixels[bottom, left] * (1 - across) + pixels[bottom, right] * across
            out[y, x] = upper * (1 - down) + lower * down
    return out


def normalised(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels / 127.5 - 1.0


def verdict(
    front: Front, raws: list[NDArray[Any]], fed: list[NDArray[Any]]
) -> tuple[str, ...] | None:
    found = diagnose(front, raws, np.stack(fed).astype(np.float32), step=STEP).found
    return None if found is None else found.changes if found.is_exact else ("unexplained",)


def test_training_as_declared_needs_no_explanation() -> None:
    raws = frames()
    assert verdict(CAMERA, raws, [normalised(by_hand(cropped(raw))) for raw in raws]) is None


def test_bgr_for_rgb() -> None:
    raws = frames()
    fed = [normalised(by_hand(cropped(raw))[..., ::-1]) for raw in raws]
    assert verdict(CAMERA, raws, fed) == ("colour bgr",)


def test_align_corners_for_half_pixels() -> None:
    raws = frames()
    fed = [normalised(by_hand(cropped(raw), align_corners=True)) for raw in raws]
    assert verdict(CAMERA, raws, fed) == ("resize bilinear-align-corners",)


def test_pillow_for_tensorflow() -> None:
    image = pytest.importorskip("PIL.Image")
    raws = frames()
    size = (CAMERA.out_width, CAMERA.out_height)
    fed = [
        normalised(
            np.asarray(
                image.fromarray(cropped(raw).astype(np.uint8)).resize(
                    size, image.Resampling.BILINEAR
                ),
                np.float64,
            )
        )
        for raw in raws
    ]
    assert verdict(CAMERA, raws, fed) == ("resize pillow-bilinear",)


def test_another_mean_and_scale() -> None:
    raws = frames()
    fed = [by_hand(cropped(raw)) / 255.0 for raw in raws]
    (words,) = verdict(CAMERA, raws, fed) or ()
    numbers = [float(word) for word in words.split() if word[-1].isdigit()]
    assert numbers[0] == pytest.approx(0.0, abs=0.01)
    assert numbers[1] == pytest.approx(1 / 255, rel=1e-3)


def test_channels_first() -> None:
    raws = frames()
    fed = [normalised(by_hand(cropped(raw))).transpose(2, 0, 1) for raw in raws]
    assert verdict(CAMERA, raws, fed) == ("layout nchw",)
    last = [normalised(by_hand(cropped(raw))) for raw in raws]
    assert verdict(replace(CAMERA, layout=Layout.NCHW), raws, last) == ("layout nhwc",)


def test_two_things_at_once() -> None:
    raws = frames()
    fed = [normalised(by_hand(cropped(raw), align_corners=True)[..., ::-1]) for raw in raws]
    found = verdict(CAMERA, raws, fed)
    assert set(found or ()) == {"colour bgr", "resize bilinear-align-corners"}


def test_what_nobody_tried_stays_unexplained() -> None:
    raws = frames()
    fed = [normalised(np.roll(by_hand(cropped(raw)), 3, axis=0)) ** 2 for raw in raws]
    assert verdict(CAMERA, raws, fed) == ("unexplained",)


def test_sound_in_another_logarithm_or_at_another_scale() -> None:
    from edgeserve.preprocess.ideal import ideal

    clips = raw_data(LOG_MEL, 3, 6)
    halved = replace(LOG_MEL, log=Log.LN)
    assert verdict(LOG_MEL, clips, [ideal(halved, clip) for clip in clips]) == ("log ln",)
    whole = replace(MFCC, full_scale=32768.0)
    fed = [ideal(whole, clip) for clip in clips]
    assert verdict(MFCC, clips, fed) == ("full_scale 32768",)


def test_axes_in_another_order() -> None:
    flat = SensorInput(16, 16, 3, (0, 1, 2), (0.0,) * 3, (0.01,) * 3)
    windows = raw_data(flat, 2, 4)
    fed = [window[:, [2, 0, 1]] * 0.01 for window in windows]
    assert verdict(flat, windows, fed) == ("axes 2, 0, 1",)
    assert MOTION.axes == (2, 0, 1)


class TestCommand:
    def run(self, bundle: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        code = cli.main(["verify", str(bundle), "--reference", str(file)])
        seen = capsys.readouterr()
        return code, seen.out + seen.err

    def test_names_the_skew(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        bundle = camera_bundle(tmp_path)
        raws = frames()
        fed = [normalised(by_hand(cropped(raw))[..., ::-1]).astype(np.float32) for raw in raws]
        np.savez(tmp_path / "r.npz", raw=np.stack(raws), x=np.stack(fed))
        code, text = self.run(bundle.path, tmp_path / "r.npz", capsys)
        assert code == 1
        assert "training used colour bgr: then the difference is none" in text

    def test_agreement_is_exit_0(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        bundle = camera_bundle(tmp_path)
        raws = frames()
        fed = [normalised(by_hand(cropped(raw))).astype(np.float32) for raw in raws]
        np.savez(tmp_path / "r.npz", raw=np.stack(raws), x=np.stack(fed))
        code, text = self.run(bundle.path, tmp_path / "r.npz", capsys)
        assert code == 0
        assert "the declaration is what training did" in text

    @pytest.mark.parametrize(
        ("arrays", "told"),
        [
            ({"raw": np.zeros((2, 3), np.uint8)}, "array 'x' is missing"),
            ({"raw": np.uint8(1), "x": np.float32(1)}, "array 'raw' is missing, or no batch"),
            ({"raw": np.zeros((2, 3), np.uint8), "x": np.zeros((2, 3), np.float32)}, "6,240 bytes"),
            (
                {
                    "raw": np.zeros((2, 40, 52, 3), np.uint8),
                    "x": np.zeros((2, 3), np.float32),
                },
                "x has samples of shape (3,)",
            ),
            (
                {
                    "raw": np.zeros((2, 40, 52, 3), np.uint8),
                    "x": np.full((2, *CAMERA.shape), np.nan, np.float32),
                },
                "not finite",
            ),
            (
                {
                    "raw": np.zeros((2, 40, 52, 3), np.uint8),
                    "x": np.zeros((3, *CAMERA.shape), np.float32),
                },
                "differ in length",
            ),
        ],
    )
    def test_bad_files_are_one_line(
        self,
        arrays: dict[str, NDArray[Any]],
        told: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        bundle = camera_bundle(tmp_path)
        np.savez(tmp_path / "r.npz", **arrays)  # type: ignore[arg-type]
        code, text = self.run(bundle.path, tmp_path / "r.npz", capsys)
        assert code == 2
        assert told in text
        assert len(text.strip().splitlines()) == 2

    def test_damaged_and_absent_files(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bundle = camera_bundle(tmp_path)
        (tmp_path / "r.npz").write_bytes(b"PK nothing")
        for name in ("r.npz", "absent.npz"):
            code, text = self.run(bundle.path, tmp_path / name, capsys)
            assert code == 2
            assert "cannot be read" in text


def test_every_image_method_is_told_apart() -> None:
    """Each other method of resizing, fed as if training had used it, is named."""
    from edgeserve.preprocess.ideal import ideal

    raws = frames()
    for method in Resize:
        if method not in (Resize.NONE, CAMERA.resize):
            fed = [ideal(replace(CAMERA, resize=method), raw) for raw in raws]
            assert verdict(CAMERA, raws, fed) == (f"resize {method}",)
    assert Colour.RGB is CAMERA.colour
