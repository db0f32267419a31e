"""Boosted trees of scikit-learn as an ONNX model: no pickle in anything that ships."""

from __future__ import annotations

from typing import Any

import numpy as np


def ensemble(model: Any, features: int, name: str) -> Any:
    """Return the ONNX model of a fitted classifier: one sum over its trees, then the logistic function.

    Parameters
    ----------
    model
        A `HistGradientBoostingClassifier` of two classes.
    features
        How many it was fitted to.
    name
        Of the graph.
    """
    from onnx import TensorProto, checker, helper

    trees = [predictor[0].nodes for predictor in model._predictors]  # noqa: SLF001 - the trees are kept nowhere public
    nodes = np.concatenate(trees)
    tree = np.repeat(np.arange(len(trees)), [len(tree) for tree in trees])
    own = np.concatenate([np.arange(len(tree)) for tree in trees])
    leaf = nodes["is_leaf"].astype(bool)
    sums = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["sums"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[float(np.ravel(model._baseline_prediction)[0])],  # noqa: SLF001
        nodes_treeids=tree.tolist(),
        nodes_nodeids=own.tolist(),
        nodes_featureids=np.where(leaf, 0, nodes["feature_idx"]).astype(int).tolist(),
        nodes_modes=["LEAF" if here else "BRANCH_LEQ" for here in leaf],
        nodes_values=np.where(leaf, 0.0, nodes["num_threshold"]).astype(float).tolist(),
        nodes_truenodeids=np.where(leaf, 0, nodes["left"]).astype(int).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, nodes["right"]).astype(int).tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=own[leaf].tolist(),
        target_ids=[0] * int(leaf.sum()),
        target_weights=nodes["value"][leaf].astype(float).tolist(),
    )
    logistic = helper.make_node("Sigmoid", ["sums"], ["probability"])
    graph = helper.make_graph(
        [sums, logistic],
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets, producer_name="calcimeasure", ir_version=8)
    checker.check_model(made)
    return made
