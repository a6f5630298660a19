"""From a program to a package on disk: precision, compressed weights, metadata, equal bytes."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeserve.convert.coreml.frameworks import coremltools, palettizer
from edgeserve.convert.coreml.program import Edges, build_program, names_of
from edgeserve.coreml_facts import WeightsForm
from edgeserve.graph import Graph
from edgeserve.preprocess.declaration import Colour

CLASS_LABEL = "classLabel"
MINIMUM_IOS = (16, 17)
_LEAST_RANK = 2
_PALETTE_BITS = {WeightsForm.PALETTIZED6: 6, WeightsForm.PALETTIZED4: 4}
_DATED = "com.github.apple.coremltools.conversion_date"
_MANIFEST = "Manifest.json"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What Xcode shows of a model; an empty text leaves a field out."""

    author: str = ""
    license: str = ""
    version: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """``labels`` make a classifier of the model, none leave it as it is."""

    form: WeightsForm
    minimum_ios: int
    edges: Edges
    labels: tuple[str, ...]
    metadata: Metadata


def convert_graph(graph: Graph, recipe: Recipe) -> Any:
    """What coremltools makes of a float graph, its weights float16 or float32.

    Raises MissingTool and what ``build_program`` does.
    """
    ct = coremltools()
    target = getattr(ct.target, f"iOS{recipe.minimum_ios}")
    half = recipe.form is not WeightsForm.FLOAT32
    picture = recipe.edges.picture
    model = ct.convert(
        build_program(graph, recipe.edges, target),
        source="milinternal",
        convert_to="mlprogram",
        inputs=None if picture is None else [_image_type(ct, graph, recipe.edges)],
        classifier_config=ct.ClassifierConfig(list(recipe.labels), CLASS_LABEL)
        if recipe.labels
        else None,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        minimum_deployment_target=target,
        skip_model_load=True,
    )
    _describe(model, recipe.metadata)
    return model


def compressed(model: Any, form: WeightsForm) -> Any:
    """The model with its weights in ``form``; the same where that is a float.

    Raises MissingTool where palettes are asked for and scikit-learn is absent.
    """
    if form in (WeightsForm.FLOAT16, WeightsForm.FLOAT32):
        return model
    coremltools()
    from coremltools.optimize import coreml as optimizing

    # A threshold above 0 would leave the weights of small layers, and so of small models, alone.
    if form is WeightsForm.INT8:
        rule = optimizing.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
    else:
        palettizer()
        bits = _PALETTE_BITS[form]
        rule = optimizing.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=0)
    wanted = optimizing.OptimizationConfig(global_config=rule)
    for name, known in optimizing.get_weights_metadata(model, weight_threshold=0).items():
        # A bias has a few numbers that count much.
        if known.val.ndim < _LEAST_RANK:
            wanted.set_op_name(name, None)
    if form is WeightsForm.INT8:
        return optimizing.linear_quantize_weights(model, wanted)
    return optimizing.palettize_weights(model, wanted)


def save_package(model: Any, folder: Path) -> None:
    """Writes the model to ``folder`` (``*.mlpackage``), which must not exist yet.

    Neither the day nor chance is in the bytes: equal models give equal packages.
    """
    model.user_defined_metadata.pop(_DATED, None)
    model.save(str(folder))
    manifest = folder / _MANIFEST
    stored = json.loads(manifest.read_text(encoding="utf-8"))
    renamed = {
        key: str(uuid.uuid5(uuid.NAMESPACE_URL, entry["path"]))
        for key, entry in stored["itemInfoEntries"].items()
    }
    entries = {renamed[key]: entry for key, entry in stored["itemInfoEntries"].items()}
    stored["itemInfoEntries"] = dict(sorted(entries.items()))
    stored["rootModelIdentifier"] = renamed[stored["rootModelIdentifier"]]
    manifest.write_text(json.dumps(stored, indent=4, sort_keys=True), encoding="utf-8")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def replace_package(model: Any, folder: Path) -> None:
    """Likewise, in place of the package that stands there."""
    shutil.rmtree(folder)
    save_package(model, folder)


def _image_type(ct: Any, graph: Graph, edges: Edges) -> Any:
    front = edges.picture
    assert front is not None
    layouts = {Colour.RGB: "RGB", Colour.BGR: "BGR", Colour.GRAY: "GRAYSCALE"}
    (name,) = names_of(graph).inputs
    return ct.ImageType(
        name=name,
        shape=(1, front.colour.channels, front.out_height, front.out_width),
        color_layout=getattr(ct.colorlayout, layouts[front.colour]),
    )


def _describe(model: Any, metadata: Metadata) -> None:
    if metadata.author:
        model.author = metadata.author
    if metadata.license:
        model.license = metadata.license
    if metadata.version:
        model.version = metadata.version
    if metadata.description:
        model.short_description = metadata.description
