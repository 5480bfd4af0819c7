"""Which operations of a SavedModel stock TensorFlow Serving has no kernel for."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import tensorflow as tf
import tensorflow_text
import yaml
from tensorflow.core.framework.op_def_pb2 import OpList
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.framework import kernels

OPS = yaml.safe_load(Path(__file__).with_name("tensorflow_serving_ops.yaml").read_text(encoding="utf-8"))
LINKED = {name for ops in OPS["tensorflow_text"].values() for name in ops}
NOT_LINKED = set(OPS["only_in_python"])
LIBRARIES = Path(tensorflow_text.__file__).parent / "python" / "ops"


def operations(version: Path) -> dict[str, set[str]]:
    """Those of all signatures, of loops, branches and other functions, with what has them."""
    (meta_graph,) = SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs
    functions = {function.signature.name: function for function in meta_graph.graph_def.library.function}
    found: dict[str, set[str]] = defaultdict(set)
    for node in meta_graph.graph_def.node:
        found[node.op].add("the graph")
    for name, function in functions.items():
        for node in function.node_def:
            found[node.op].add(name)
    return {name: where for name, where in found.items() if name not in functions}


def of_tensorflow_text() -> set[str]:
    """What the installed tensorflow-text registers."""
    libraries = [pywrap_tf_session.TF_LoadLibrary(str(path)) for path in LIBRARIES.glob("*.so")]
    lists = [OpList.FromString(bytes(pywrap_tf_session.TF_GetOpList(library))) for library in libraries]
    return {op.name for ops in lists for op in ops.op}


def not_served(version: Path) -> dict[str, set[str]]:
    """The operations without a kernel for a CPU there, with the functions that have them."""
    text = of_tensorflow_text()

    def is_served(name: str) -> bool:
        if name in text or name in LINKED:
            return name in LINKED
        devices = {kernel.device_type for kernel in kernels.get_registered_kernels_for_op(name).kernel}
        # Operations that others register cannot be called as TensorFlow's own.
        return hasattr(tf.raw_ops, name) and not devices.isdisjoint(("CPU", "DEFAULT")) and name not in NOT_LINKED

    return {name: where for name, where in operations(version).items() if not is_served(name)}
