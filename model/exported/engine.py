"""The search of an exported version on a CPU, by LiteRT and NumPy alone: from subword ids to subword ids.

It does what the SavedModel's graph does (``model.search.beam``): the loops over words are here, each step of them is
a LiteRT model (``model.exported.litert_model``), and sentences that have ended are left out as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from model.exported.files import ANNOTATIONS, FORCED, SEARCH, EngineMark, layer_inputs, layer_step
from workspace.layout import END_ID, PADDING_ID

# Lengths are filled up to a multiple: every other length of a batch costs as much as some steps.
LENGTHS_APART = 4
# So many hypotheses are searched for at a time: what a step makes of more does not fit into a core's caches beside the
# weights; and sentences that are alike in length end at about the same time.
HYPOTHESES_AT_A_TIME = 40
# As in model.search.beam and model.search.scores.
SHARE_TO_LEAVE_OUT = 1 / 8
LEAST = -1e30

Arrays = dict[str, np.ndarray]


class Found(NamedTuple):
    """The best translations of every sentence, best first.

    words: int32 [sentences, k, length], END_ID at the end, then PADDING_ID; scores: float32 [sentences, k], minus
    infinity where there are fewer than k.
    """

    words: np.ndarray
    scores: np.ndarray


class Forced(NamedTuple):
    """What the network makes of given translations, as ``model.search.forced`` has it: of_words, the log-probability of
    each, float32 [sentences, length]; alignment, float32 [sentences, length, source length], or [sentences, length, 0].
    """

    of_words: np.ndarray
    alignment: np.ndarray


class Engine:
    """Runs ``models``, as ``read_models`` reads them. Not to be shared between threads; the models may be."""

    def __init__(self, models: Mapping[str, bytes], mark: EngineMark):
        """Raises ValueError where a model is damaged."""
        self._mark = mark
        self._layers = [
            (Function(models[layer_inputs(number)]), Function(models[layer_step(number)]))
            for number in range(1, mark.layers + 1)
        ]
        self._annotations = Function(models[ANNOTATIONS])
        self._search = Function(models[SEARCH])
        self._forced = Function(models[FORCED])

    def search(self, sources: Sequence[Sequence[int]], longest: Sequence[int]) -> Found:
        """The translations of ``sources``, subword ids without the end, of at most ``longest`` words, ≥ 1."""
        if not sources:
            k = self._mark.beam_size
            return Found(np.zeros([0, k, 1], np.int32), np.zeros([0, k], np.float32))
        order = sorted(range(len(sources)), key=lambda row: len(sources[row]))
        size = max(1, HYPOTHESES_AT_A_TIME // self._mark.beam_size)
        groups = [order[begin : begin + size] for begin in range(0, len(order), size)]
        found = [self._found([sources[row] for row in group], [longest[row] for row in group]) for group in groups]
        length = max(words.shape[2] for words, _ in found)
        words = np.full([len(sources), self._mark.beam_size, length], PADDING_ID, np.int32)
        scores = np.empty([len(sources), self._mark.beam_size], np.float32)
        for group, of_group in zip(groups, found, strict=True):
            words[group, :, : of_group.words.shape[2]], scores[group] = of_group
        return Found(words, scores)

    def _found(self, sources: Sequence[Sequence[int]], longest: Sequence[int]) -> Found:
        """The same, of all at a time."""
        source, most = padded(sources), np.array(longest, np.int32)
        read = self._read(source) | {"longest": most, "shortest": self._shortest(sources)}
        beam = self._first_beam(source, read["initial_state"], most)
        found = Found(beam["ended_words"], beam["ended_scores"])
        step, sentences = 0, np.arange(len(sources))
        self._search.hold(**read)
        while True:
            beam = dict(zip(beam, self._search(step=np.array(step, np.int32), **beam), strict=True))
            step += 1
            growing = beam["log_probability"].max(axis=1) > LEAST
            if growing.sum() > int(len(growing) * (1 - SHARE_TO_LEAVE_OUT)):
                continue
            found.words[sentences], found.scores[sentences] = beam["ended_words"], beam["ended_scores"]
            if not growing.any():
                break
            sentences = sentences[growing]
            read, beam = ({name: values[growing] for name, values in arrays.items()} for arrays in (read, beam))
            self._search.hold(**read)
        words, scores = found.words, np.where(found.scores > LEAST, found.scores, -np.inf)
        if self._mark.beam_groups > 1:
            order = np.argsort(-scores, axis=1, kind="stable")
            words, scores = np.take_along_axis(words, order[:, :, None], 1), np.take_along_axis(scores, order, 1)
        return Found(words[:, :, : int((words != PADDING_ID).sum(axis=2).max(initial=1))], scores)

    def force(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Forced:
        """What the network makes of ``targets``, translations of ``sources``; both subword ids without the end."""
        if not sources:
            return Forced(np.zeros([0, 1], np.float32), np.zeros([0, 1, 1], np.float32))
        read, words = self._read(padded(sources)), padded(targets).T
        of_words, alignment = [], []
        previous, state = np.full(len(sources), PADDING_ID, np.int32), read["initial_state"]
        self._forced.hold(**read)
        for word in words:
            log_p, state, *attended = self._forced(state=state, previous=previous, word=word)
            is_word = word != PADDING_ID
            of_words.append(np.where(is_word, log_p, 0))
            alignment.append((attended[0] if attended else np.zeros([len(word), 0], np.float32)) * is_word[:, None])
            previous = word
        return Forced(np.stack(of_words, axis=1), np.stack(alignment, axis=1))

    def _read(self, source: np.ndarray) -> Arrays:
        """What the decoder reads of int32 [sentences, length]."""
        below: Arrays = {}
        for inputs, step in self._layers:
            gates = inputs(source=source, **below)
            sentences, ways = len(source), len(gates)
            units = gates[0].shape[2] // 3
            states = [np.zeros([sentences, units], np.float32)] * ways
            outputs = np.empty([source.shape[1], sentences, ways * units], np.float32)
            for position in range(len(outputs)):
                places = (position, len(outputs) - 1 - position)[:ways]
                given = {f"inputs_{way}": gates[way][place] for way, place in enumerate(places)}
                states = step(**given, **{f"state_{way}": state for way, state in enumerate(states)})
                for way, place in enumerate(places):
                    outputs[place, :, way * units : (way + 1) * units] = states[way]
            below = {"below": outputs + below["below"] if below else outputs}
        read = self._annotations(source=source, outputs=below["below"])
        return dict(zip(READ[len(read)], read, strict=True))

    def _shortest(self, sources: Sequence[Sequence[int]]) -> np.ndarray:
        """As ``model.search.beam`` has it, in float32, too."""
        lengths = np.array([len(source) for source in sources], np.float32)
        return np.ceil(lengths * np.float32(self._mark.min_length_ratio)).astype(np.int32)

    def _first_beam(self, source: np.ndarray, initial_state: np.ndarray, longest: np.ndarray) -> Arrays:
        """As ``model.search.beam.first_beam``, in the order in which a step gives them."""
        k = self._mark.beam_size
        shape = [len(longest), k]
        limit = _filled_up(int(longest.max(initial=1)))
        nothing = np.full(shape, -np.inf, np.float32)
        first = nothing.copy()
        first[:, :: k // self._mark.beam_groups] = 0
        attention = {"attention": np.repeat((source == PADDING_ID)[:, None].astype(np.float32), k, axis=1)}
        return {
            "previous": np.full(shape, PADDING_ID, np.int32),
            "words": np.full([*shape, limit], PADDING_ID, np.int32),
            "has_spoken": np.zeros(shape, bool),
            "log_probability": first,
            "state": np.repeat(initial_state[:, None], k, axis=1),
            **(attention if self._mark.coverage_penalty else {}),
            "ended_words": np.full([*shape, limit], PADDING_ID, np.int32),
            "ended_scores": nothing,
        }


# What the decoder of either architecture reads, by how many there are.
READ = {2: ("context", "initial_state"), 4: ("annotations", "projected", "exclusion", "initial_state")}


class Function:
    """One LiteRT model, called with arrays of any number of sentences and any lengths."""

    def __init__(self, model: bytes):
        # It is not copied.
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        # A damaged model shows here, and what LiteRT says of itself.
        self._interpreter.allocate_tensors()
        self._inputs = {detail["name"]: detail["index"] for detail in self._interpreter.get_input_details()}
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._held: Arrays = {}
        self._is_ready = False

    def hold(self, **inputs: np.ndarray) -> None:
        """Inputs for all calls from now on."""
        self._held = {name: values for name, values in inputs.items() if name in self._inputs}
        self._is_ready = False

    def __call__(self, **inputs: np.ndarray) -> list[np.ndarray]:
        if not self._is_ready or any(values.shape != self._shapes[name] for name, values in inputs.items()):
            self._make_ready(inputs)
        for name, values in inputs.items():
            self._interpreter.set_tensor(self._inputs[name], values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]

    def _make_ready(self, inputs: Arrays) -> None:
        shapes = {name: values.shape for name, values in (inputs | self._held).items()}
        if shapes != self._shapes:
            for name, shape in shapes.items():
                self._interpreter.resize_tensor_input(self._inputs[name], shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for name, values in self._held.items():
            self._interpreter.set_tensor(self._inputs[name], values)
        self._is_ready = True


def padded(sources: Sequence[Sequence[int]]) -> np.ndarray:
    """int32 [sentences, length]: with END_ID, then PADDING_ID."""
    length = _filled_up(1 + max((len(source) for source in sources), default=0))
    padded = np.full([len(sources), length], PADDING_ID, np.int32)
    for row, source in zip(padded, sources, strict=True):
        row[: len(source) + 1] = [*source, END_ID]
    return padded


def _filled_up(length: int) -> int:
    return -(-length // LENGTHS_APART) * LENGTHS_APART
