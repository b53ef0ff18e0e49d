"""A model is built in an order: parameters are looked at, batch norms are joined, and then it is compiled."""

from types import SimpleNamespace

from torch import nn

from app.experiment import building


def test_batch_norms_share_their_statistics_before_the_model_is_compiled(monkeypatch):
    order, net = [], nn.Linear(1, 1)
    here = SimpleNamespace(
        ranks=2, device=SimpleNamespace(type="cuda"), precision="fp32", forget_peak=lambda: None, laid_out=lambda m: m
    )
    config = SimpleNamespace(seed=0, pretrained=False, input_shape=(1,), init_sha256=None, ema=None)
    chosen = SimpleNamespace(of_the_model={}, compile="off")
    monkeypatch.setattr(building.models, "build", lambda *_, **__: SimpleNamespace(to=lambda _: net))
    monkeypatch.setattr(building.unused, "are_there", lambda *_: bool(order.append("looked at")) or True)
    monkeypatch.setattr(building.models, "share_statistics", lambda _: order.append("joined"))
    monkeypatch.setattr(building, "compiled", lambda model, *_, **__: order.append("compiled") or model)
    monkeypatch.setattr(building.optim, "of", lambda *_: None)
    splits = SimpleNamespace(train=[0], val=[0])
    learner = building.built(SimpleNamespace(config=config, state=None, here=here, chosen=chosen, splits=splits))
    assert order == ["looked at", "joined", "compiled"] and learner.partly_used
