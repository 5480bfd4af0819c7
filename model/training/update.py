"""One update of all weights, for a batch or for several, on however many replicas share them.

Only where a loop's length is a tensor is AutoGraph asked for: to rewrite functions that do without it takes longer
than to trace them, and so would half of the time to the first update of a process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from model.devices.strategies import is_compiled
from model.network.network import Network
from model.training.loss import summed_cross_entropy
from model.training.optimizer import Optimizer
from recipes import schema
from workspace.layout import PADDING_ID

# Of source and target, int32 [batch, length] each, shared out among the replicas.
Batches = Iterator[tuple[tf.Tensor, tf.Tensor]]


class Update(NamedTuple):
    """Of one update, float32 scalars: the loss in nats a target word, the target words, the norm of the gradient
    before it was clipped, the share of both sides' positions that are padding, and the learning rate.

    The norm is 0 where gradients were too large for float16, and the update changed no weight (LossScale).
    """

    loss: tf.Tensor
    words: tf.Tensor
    gradient_norm: tf.Tensor
    padding: tf.Tensor
    learning_rate: tf.Tensor


class UpdateFunctions(NamedTuple):
    """add: counts a batch (source, target) towards the update to come; update: makes it, with its last batch.

    updates: the same for several, without coming back to Python in between: of an iterator over batches, and how
    many of them each update has, int32 [updates_per_call], it makes float32 [updates, 5], the numbers of an Update;
    where there are fewer updates, the sizes end in zeros.
    """

    add: Callable[[tf.Tensor, tf.Tensor], None]
    update: Callable[[tf.Tensor, tf.Tensor], Update]
    updates: Callable[[Batches, tf.Tensor], tf.Tensor]
    updates_per_call: int

    def make(self, batches: Batches, sizes: Sequence[int]) -> list[list[float]]:
        """Makes an update for each of ``sizes``, of so many of the next batches; the numbers of every Update."""
        if len(sizes) > 1:
            # Of one shape, or the loop would be traced again.
            same_shape = [*sizes, *[0] * (self.updates_per_call - len(sizes))]
            made: list[list[float]] = self.updates(batches, tf.constant(same_shape)).numpy().tolist()
            return made
        for _ in range(sizes[0] - 1):
            self.add(*next(batches))
        return [[float(value) for value in self.update(*next(batches))]]


def update_functions(
    strategy: tf.distribute.Strategy,
    network: Network,
    optimizer: Optimizer,
    settings: schema.Training,
    parts: int = 1,
    fixed_shapes: bool = False,
) -> UpdateFunctions:
    """What makes the updates of ``network``; parts, fixed_shapes: as in ``model.training.plan``.

    Loss and gradient are those of all batches of an update, however many replicas share them: the sum over their
    words, divided by their number, clipped to ``clip_norm``. Only with ``accumulate`` can a batch be added; every
    replica then keeps sums of its own, and all of them meet once an update.
    """
    replicas = strategy.num_replicas_in_sync
    weights = network.trainable_variables
    with strategy.scope():
        # As sums_of_share returns them.
        shapes = [*[()] * 4, *(weight.shape for weight in weights)] if settings.accumulate > 1 else []
        held = [_variable_of_replica(shape) for shape in shapes]

    def loss_scale() -> tf.Tensor | float:
        return optimizer.loss_scale.value.read_value() if optimizer.loss_scale else 1.0

    def sums_of_part(source: tf.Tensor, target: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            softmax = network(source, target, training=True)
            total, words = summed_cross_entropy(softmax, target, settings.label_smoothing)
            scaled = total * loss_scale()
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(scaled, [w.value for w in weights])]
        padded = tf.concat([tf.reshape(side, [-1]) == PADDING_ID for side in (source, target)], axis=0)
        return [
            total,
            words,
            tf.reduce_sum(tf.cast(padded, tf.float32)),
            tf.cast(tf.size(padded), tf.float32),
            *gradients,
        ]

    def sums_of_share(source: tf.Tensor, target: tf.Tensor) -> list[tf.Tensor]:
        if parts == 1:
            return sums_of_part(source, target)
        rows = (tf.shape(source)[0] + parts - 1) // parts
        ranges = [slice(part * rows, (part + 1) * rows) for part in range(parts)]
        # Independent of one another, so TensorFlow computes them side by side.
        found = [sums_of_part(source[part], target[part]) for part in ranges]
        return [tf.add_n(values) for values in zip(*found, strict=True)]

    if is_compiled(settings) or held:
        # With several batches an update, traced once for all that call it; None leaves it to TensorFlow's own flags.
        sums_of_share = tf.function(sums_of_share, jit_compile=is_compiled(settings) or None, autograph=False)

    def add_on_replica(source: tf.Tensor, target: tf.Tensor) -> None:
        for variable, value in zip(held, sums_of_share(source, target), strict=True):
            variable.assign_add(value)

    def update_on_replica(source: tf.Tensor, target: tf.Tensor) -> Update:
        sums = sums_of_share(source, target)
        if held:
            sums = [variable + value for variable, value in zip(held, sums, strict=True)]
            for variable in held:
                variable.assign(tf.zeros_like(variable))
        if replicas > 1:
            sums = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums)
        total, words, padding, positions, *gradients = sums
        scale = words * loss_scale()
        norm = tf.linalg.global_norm(gradients) / scale
        factor = tf.minimum(1.0, settings.clip_norm / norm) / scale
        finite = tf.math.is_finite(norm)
        rate = optimizer.apply([gradient * factor for gradient in gradients], finite)
        if optimizer.loss_scale:
            norm = tf.where(finite, norm, 0.0)
        return Update(total / words, words, norm, padding / positions, rate)

    signature = None if fixed_shapes else batches_of_any_shape(strategy)

    @tf.function(input_signature=signature, autograph=False)
    def add(source: tf.Tensor, target: tf.Tensor) -> None:
        strategy.run(add_on_replica, args=(source, target))

    @tf.function(input_signature=signature, autograph=False)
    def update(source: tf.Tensor, target: tf.Tensor) -> Update:
        results = strategy.run(update_on_replica, args=(source, target))
        return Update(*(strategy.experimental_local_results(result)[0] for result in results))

    @tf.function
    def updates(batches: Batches, sizes: tf.Tensor) -> tf.Tensor:
        count = tf.math.count_nonzero(sizes, dtype=tf.int32)
        found = tf.TensorArray(tf.float32, count, element_shape=[len(Update._fields)])
        for number in tf.range(count):
            if held:
                for _ in tf.range(sizes[number] - 1):
                    add(*next(batches))
            found = found.write(number, tf.stack(update(*next(batches))))
        return found.stack()

    return UpdateFunctions(add, update, updates, settings.updates_per_call)


def batches_of_any_shape(strategy: tf.distribute.Strategy) -> tuple[tf.TypeSpec, tf.TypeSpec]:
    """The types of source and target as the replicas of ``strategy`` get them.

    Of any shape, so that one graph serves all: a graph made for the shapes met so far rounds otherwise than one
    made for others, and a training that is gone on with meets them in another order.
    """
    one = tf.TensorSpec([None, None], tf.int32)
    batches = tf.data.Dataset.from_generator(lambda: iter(()), output_signature=(one, one))
    return strategy.distribute_datasets_from_function(lambda _: batches).element_spec


def _variable_of_replica(shape: tuple[int, ...]) -> tf.Variable:
    """Zeros, which every replica changes for itself."""
    return tf.Variable(
        tf.zeros(shape),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )
