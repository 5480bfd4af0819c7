"""Translates a text file line for line, as a Beam job (``pipelines.translation.job``).

    python -m pipelines.translate --work work/bible --input article.en --output article.fr

A line that is too long for the model is translated sentence by sentence. Where one cannot be split, and so is empty in
the translation, the command ends with its number and an exit code of 1.
"""

from __future__ import annotations

from pathlib import Path

from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError, as_given
from workspace.layout import WorkDirectory


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "pipelines.translate",
        "Translates a text file line for line; other flags go to Beam.",
        reads="the text, and the newest version in export/ of the work directory, unless a server translates",
        writes="the translation, which appears whole",
    )
    parser.add_argument(
        "--work", type=Path, help="work directory with an exported model; with --server, the one that it has to have"
    )
    parser.add_argument("--input", type=Path, required=True, help="text to translate, plain or compressed, UTF-8")
    parser.add_argument("--output", type=Path, required=True, help="where the translation goes")
    parser.add_argument("--server", metavar="HOST:PORT", help="let this server translate, not the exported model")
    parser.add_argument(
        "--precision",
        choices=["int8", "float32"],
        help="int8: by the version's engine for CPUs, without TensorFlow; float32: by its SavedModel (default: the "
        "engine, if there is one and no GPU)",
    )
    options, flags = parser.parse_known_args(arguments)
    _check_output(options.output, options.input)
    if not options.server and not options.work:
        parser.error("neither --work nor --server is given; give one, to say what translates")
    work = WorkDirectory(options.work) if options.work else None
    model = _newest_version(work) if work and not options.server else None
    with starting_up():
        from pipelines.runners.options import ready_runner
        from pipelines.translation.engines import ModelEngine, ServerEngine
        from pipelines.translation.job import translate_file
        from serving.client.answers import check_all_translated
    engine = ModelEngine(model, options.precision) if model else ServerEngine(options.server, work)
    engine.check()
    with ready_runner(flags) as beam_options:
        lines, long = translate_file(options.input, options.output.resolve(), engine, beam_options)
    split = len(long.in_sentences)
    by_sentence = f", {split:,} of them sentence by sentence, for want of room in the model" if split else ""
    print(f"translated {lines:,} lines into {options.output}{by_sentence}")
    check_all_translated(long.untranslated)


def _newest_version(work: WorkDirectory) -> Path:
    """Raises UserError where there is none."""
    versions = work.versions()
    if not versions:
        raise UserError(f"{work.export} holds no exported model; make one with {work.command('train')}")
    return work.version(versions[-1])


def _check_output(output: Path, text: Path) -> None:
    """Raises UserError where the translation could not take its place there once it is made."""
    if output.exists() and not output.is_file():
        raise UserError(f"{output} is no file; give another {as_given('--output')}")
    if output.exists() and text.exists() and output.samefile(text):
        raise UserError(f"{output} is the text that is to be translated; give another {as_given('--output')}")
    if in_the_way := [parent for parent in output.resolve().parents if parent.exists() and not parent.is_dir()]:
        raise UserError(f"{in_the_way[0]} is no directory; give another {as_given('--output')}")


if __name__ == "__main__":
    run_command(main)
