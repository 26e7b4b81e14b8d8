"""Batch norm behind a convolution, in evaluation mode: a scale and a shift that the convolution can take over."""

from typing import TypeAlias

from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, fx, nn
from torchvision.ops import FrozenBatchNorm2d

Affine = tuple[Tensor, Tensor]
"""Weight and bias of a convolution."""

BatchNorm: TypeAlias = nn.BatchNorm2d | FrozenBatchNorm2d


def affine_of(block: nn.Module) -> Affine:
    """Return weight and bias of a convolution, alone or with the batch norms behind it, which are folded in."""
    conv, *norms = parts_of(block)
    assert isinstance(conv, nn.Conv2d)
    weight = conv.weight
    bias = weight.new_zeros(weight.shape[0]) if conv.bias is None else conv.bias
    for norm in norms:
        assert isinstance(norm, BatchNorm)
        scale, shift = _scale_and_shift(norm)
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    return weight, bias


def parts_of(block: nn.Module) -> list[nn.Module]:
    """Return a convolution and what stands behind it, without what does nothing."""
    parts = [block] if isinstance(block, nn.Conv2d) else list(block.children())
    return [part for part in parts if not isinstance(part, nn.Identity)]


def fold(network: nn.Module) -> int:
    """Fold every batch norm that alone reads a convolution's output into that convolution, in place.

    Which one that is is read from the network's traced graph (torch.fx). Where a network cannot be traced, its parts
    are tried one by one, and what cannot be traced either is left as it is: that costs time and changes nothing else.

    Returns:
        How many were folded.
    """
    try:
        graph = _Tracer().trace(network)
    # A network may do anything in its forward, and tracing then raises whatever that gives.
    except Exception:
        return sum(fold(part) for part in network.children())
    found = [pair for node in graph.nodes if (pair := _conv_and_norm(network, node)) is not None]
    for conv, norm in found:
        weight, bias = affine_of(nn.Sequential(network.get_submodule(conv), network.get_submodule(norm)))
        convolution: nn.Conv2d = network.get_submodule(conv)  # type: ignore[assignment]
        convolution.weight, convolution.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
        _take_out(network, norm)
    return len(found)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # A convolution may pad by the size of what it gets, which tracing does not know.
        return isinstance(m, BatchNorm) or next(m.children(), None) is None


def _conv_and_norm(network: nn.Module, node: fx.Node) -> tuple[str, str] | None:
    if node.op != "call_module" or not isinstance(network.get_submodule(str(node.target)), BatchNorm):
        return None
    before = node.args[0] if node.args else None
    if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
        return None
    conv, norm = network.get_submodule(str(before.target)), network.get_submodule(str(node.target))
    if not isinstance(conv, nn.Conv2d) or conv.training or norm.training or norm.running_mean is None:
        return None
    # What is used twice in one pass would be folded twice.
    used = [other.target for other in node.graph.nodes if other.op == "call_module"]
    once = used.count(before.target) == used.count(node.target) == 1
    return (str(before.target), str(node.target)) if once else None


def _take_out(network: nn.Module, name: str) -> None:
    parent, _, own = name.rpartition(".")
    norm = network.get_submodule(name)
    # timm's batch norm brings its activation along.
    left = nn.Sequential(norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else nn.Identity()
    setattr(network.get_submodule(parent), own, left)


def _scale_and_shift(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    mean, variance = norm.running_mean, norm.running_var
    assert isinstance(mean, Tensor)
    assert isinstance(variance, Tensor)
    scale = (variance + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias
