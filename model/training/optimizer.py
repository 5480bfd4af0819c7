"""The optimizers and the learning rates: one pass over every weight and what is remembered of its gradients.

The updates are TensorFlow's own kernels. Keras's optimizers make the same update as nine operations one after the
other, each over all weights: an eighth of the time of a step on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf

from recipes import schema

UPDATES_BEFORE_GROWTH = 2000

LearningRate = Callable[[tf.Tensor], tf.Tensor]


class Optimizer(tf.Module):
    """The settings' method over ``weights``; make it under the strategy that made them.

    averages: variables like ``weights``, which follow them as their moving average, or none where the settings
    want none.

    updates: how many were made so far, int64. The slots are those of the paper cited at ``_apply``, in the
    order of the weights. loss_scale: of the gradients, for float16 only. reductions, reduced_at: how often the
    schedule plateau has reduced the rate, and after which update it last did, int64.
    """

    def __init__(
        self,
        settings: schema.Training,
        steps: int,
        weights: Sequence[keras.Variable],
        averages: Sequence[keras.Variable] = (),
    ):
        super().__init__(name="optimizer")
        self._settings = settings
        self._rate = learning_rate(settings, steps)
        self._weights = [weight.value for weight in weights]
        self._averages = [average.value for average in averages]
        self.updates, self.reductions, self.reduced_at = (
            _variable(tf.zeros([], tf.int64), name) for name in ("updates", "reductions", "reduced_at")
        )
        self.slots = [
            [_variable(tf.zeros_like(weight.value), f"{weight.path}/{number}") for number in _slots(settings)]
            for weight in weights
        ]
        self.loss_scale = LossScale() if settings.precision == "float16" else None

    def apply(self, gradients: Sequence[tf.Tensor], finite: tf.Tensor | bool = True) -> tf.Tensor:
        """One update by ``gradients``, which are those of the whole batch, the same on every replica.

        Every replica updates its own copy of the weights. With a loss scale, gradients that are not ``finite`` (a bool
        scalar) change nothing but that and the number of updates. Returns the learning rate, a float32 scalar.
        """
        rate = self._rate(self.updates)
        if self._settings.schedule == "plateau":
            rate *= self._settings.plateau_factor ** tf.cast(self.reductions, tf.float32)
        if self.loss_scale is None:
            self._change_weights(gradients, rate)
        else:
            tf.cond(tf.convert_to_tensor(finite), lambda: self._change_weights(gradients, rate), lambda: None)
            self.loss_scale.adjust(finite)
        tf.raw_ops.AssignAddVariableOp(resource=self.updates.handle, value=tf.ones([], tf.int64))
        return rate

    def reduce_on_plateau(self, best: int, patience: int) -> None:
        """With the schedule plateau, multiplies the rate by plateau_factor where it is time to.

        best: after how many updates the dev evaluations last got better. It is time ``patience`` updates after that, or
        after the last time.
        """
        if self._settings.schedule != "plateau":
            return
        updates = int(self.updates.numpy())
        if updates - max(best, int(self.reduced_at.numpy())) >= patience:
            self.reductions.assign_add(1)
            self.reduced_at.assign(updates)

    def _change_weights(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        number = tf.cast(self.updates + 1, tf.float32)
        adam = {
            "beta1_power": _BETA_1**number,
            "beta2_power": _BETA_2**number,
            "beta1": tf.constant(_BETA_1),
            "beta2": tf.constant(_BETA_2),
            "epsilon": tf.constant(1e-7),
        }
        for weight, slots, gradient in zip(self._weights, self.slots, gradients, strict=True):
            self._apply(weight, slots, gradient, rate, adam)
        if self._averages:
            self._average(number)

    def _apply(
        self,
        weight: tf.Variable,
        slots: Sequence[tf.Variable],
        gradient: tf.Tensor,
        rate: tf.Tensor,
        adam: Mapping[str, tf.Tensor],
    ) -> None:
        """Adadelta (Zeiler 2012, algorithm 1), Adam (Kingma and Ba 2015, algorithm 1, as section 2 reorders it), with
        weight decay (Loshchilov and Hutter 2019, algorithm 2), or gradient descent with momentum (Polyak 1964).

        What the paper on weight decay has as eta lambda is here the learning rate times weight_decay. Only matrices
        decay: a bias or a gain has no reason to be near zero.
        """
        settings = self._settings
        if settings.optimizer == "sgd":
            if slots:
                (velocity,) = slots
                tf.raw_ops.ResourceApplyMomentum(
                    var=weight.handle, accum=velocity.handle, lr=rate, grad=gradient, momentum=settings.momentum
                )
            else:
                tf.raw_ops.ResourceApplyGradientDescent(var=weight.handle, alpha=rate, delta=gradient)
            return
        first, second = (slot.handle for slot in slots)
        if settings.optimizer == "adadelta":
            tf.raw_ops.ResourceApplyAdadelta(
                var=weight.handle, accum=first, accum_update=second, lr=rate, rho=0.95, epsilon=1e-6, grad=gradient
            )
            return
        if settings.weight_decay and weight.shape.rank > 1:
            decay = rate * settings.weight_decay
            tf.raw_ops.ResourceApplyGradientDescent(var=weight.handle, alpha=decay, delta=weight)
        tf.raw_ops.ResourceApplyAdam(var=weight.handle, m=first, v=second, lr=rate, grad=gradient, **adam)

    def _average(self, number: tf.Tensor) -> None:
        """a <- d a + (1 - d) w after update ``number`` t, with d = min(ema_decay, (1 + t) / (10 + t)).

        The average of Polyak and Juditsky (1992), exponential; d begins small, so that the first weights, which
        are random, are soon forgotten.
        """
        rest = tf.maximum(1 - self._settings.ema_decay, 9 / (10 + number))
        for average, weight in zip(self._averages, self._weights, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=rest, delta=average - weight)


class LossScale(tf.Module):
    """What the loss is multiplied by for float16, whose range is small, so that gradients are neither 0 nor infinite
    (Micikevicius et al. 2018, section 3.2).

    value: float32; halved after every update whose gradient is not finite, doubled after ``UPDATES_BEFORE_GROWTH``
    without one. Make it under the strategy of the weights.
    """

    def __init__(self) -> None:
        super().__init__(name="loss_scale")
        aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
        # The loss is a sum over words, whose gradients are larger than those of a mean.
        self.value = tf.Variable(2.0**8, trainable=False, aggregation=aggregation)
        self._finite_updates = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=aggregation)

    def adjust(self, finite: tf.Tensor) -> None:
        """After an update whose gradient was ``finite``, a bool scalar, or not; every replica for itself."""
        updates = tf.where(finite, self._finite_updates + 1, 0)
        grows = tf.equal(updates, UPDATES_BEFORE_GROWTH)
        value = self.value * tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        tf.raw_ops.AssignVariableOp(resource=self.value.handle, value=value)
        tf.raw_ops.AssignVariableOp(
            resource=self._finite_updates.handle, value=tf.where(grows, tf.zeros_like(updates), updates)
        )


_BETA_1, _BETA_2 = 0.9, 0.999


def learning_rate(settings: schema.Training, steps: int) -> LearningRate:
    """The learning rate as a function of the updates made, in a training of ``steps``; of plateau the highest.

    inverse_sqrt has the shape of Vaswani et al. 2017, equation 3.
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    if settings.schedule == "inverse_sqrt":
        return lambda updates: _inverse_sqrt(tf.cast(updates, tf.float32), peak, warmup)
    falling = settings.schedule == "cosine"
    if not falling and not warmup:
        return lambda _: tf.constant(peak)
    schedule: LearningRate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=max(1, steps - warmup),
        alpha=0.0 if falling else 1.0,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    return schedule


def _inverse_sqrt(updates: tf.Tensor, peak: float, warmup: int) -> tf.Tensor:
    # At the first update, 0, the square root has no value; the other is the smaller one.
    return peak * tf.minimum(updates / warmup, tf.math.rsqrt(tf.maximum(updates, 1.0) / warmup))


def _slots(settings: schema.Training) -> Sequence[int]:
    """The numbers of what is remembered of every weight's gradients."""
    if settings.optimizer == "sgd":
        return [1] if settings.momentum else []
    return [1, 2]


def _variable(value: tf.Tensor, name: str) -> tf.Variable:
    # Read on one replica, they are the same on all.
    return tf.Variable(value, trainable=False, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
