"""Folds batch norms into the convolutions before them: in evaluation mode a batch norm only scales and shifts."""

from typing import TypeAlias

from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, fx, nn
from torchvision.ops import FrozenBatchNorm2d

Affine = tuple[Tensor, Tensor]
"""Weight and bias of a convolution."""

BatchNorm: TypeAlias = nn.BatchNorm2d | FrozenBatchNorm2d


def affine_of(block: nn.Module) -> Affine:
    """Return weight and bias of a convolution, with the batch norms that follow it in `block`, if any, folded in."""
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
    """Return the convolution and the modules that follow it, without identities."""
    parts = [block] if isinstance(block, nn.Conv2d) else list(block.children())
    return [part for part in parts if not isinstance(part, nn.Identity)]


def fold(network: nn.Module) -> int:
    """Fold batch norms into convolutions, in place, wherever a batch norm is the only reader of a convolution's output.

    The network's traced graph (torch.fx) shows where. A network that cannot be traced is folded child by child, and a
    part that cannot be traced either stays as it is: it is slower than it could be, and nothing else changes.

    Returns:
        Number of batch norms that were folded.

    Example:
        >>> fold(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU()).eval())
        1
    """
    try:
        graph = _Tracer().trace(network)
    # A network may do anything in its forward pass, so that tracing may raise anything.
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
        # A convolution may pad by the size of its input, which is unknown while tracing.
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
    # A module that is used twice in one pass would be folded twice.
    used = [other.target for other in node.graph.nodes if other.op == "call_module"]
    once = used.count(before.target) == used.count(node.target) == 1
    return (str(before.target), str(node.target)) if once else None


def _take_out(network: nn.Module, name: str) -> None:
    parent, _, own = name.rpartition(".")
    norm = network.get_submodule(name)
    # timm's batch norm includes the activation, which must stay.
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
