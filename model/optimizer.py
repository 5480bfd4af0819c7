"""Optimizers and learning rates, as Keras has them, from the recipe's words for them."""

from __future__ import annotations

import keras

from recipes import schema


def make_optimizer(settings: schema.Training, steps: int) -> keras.Optimizer:
    """The optimizer of a training of ``steps`` updates. Clipping is left to the training step (model.train)."""
    rate = _learning_rate(settings, steps)
    if settings.optimizer == "adadelta":
        return keras.optimizers.Adadelta(rate, rho=0.95, epsilon=1e-6)
    return keras.optimizers.Adam(rate)


def _learning_rate(settings: schema.Training, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if settings.schedule == "constant" and not settings.warmup_steps:
        return settings.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if settings.warmup_steps else settings.learning_rate,
        decay_steps=max(1, steps - settings.warmup_steps),
        alpha=1.0 if settings.schedule == "constant" else 0.0,
        warmup_target=settings.learning_rate if settings.warmup_steps else None,
        warmup_steps=settings.warmup_steps,
    )
