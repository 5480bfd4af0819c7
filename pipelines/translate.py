"""Translates files record for record, as a Beam job (``pipelines.translation``).

    python -m pipelines.translate --work work/bible --input article.en --output article.fr
    python -m pipelines.translate --work s3://b/bible --input 's3://b/*.jsonl.gz' --field body --output s3://b/fr

The same command goes on where it was broken off. What cannot be translated is empty in the translation, and listed
with its reason; the command then ends with a sentence and an exit code of 1.
"""

from __future__ import annotations

import argparse

from pipelines.translation.asked import FORMATS, Asked
from workspace.command import command_parser, run_command, starting_up
from workspace.errors import UserError
from workspace.layout import WorkDirectory
from workspace.locations import Location, located


def main(arguments: list[str]) -> None:
    parser = command_parser(
        "pipelines.translate",
        "Translates files record for record; other flags go to Beam.",
        reads="the input, and the newest version in export/ of the work directory, unless a server translates",
        writes="the translations, which appear whole, what has none, and last a manifest; see docs/batch.md",
    )
    parser.add_argument(
        "--work", type=located, help="work directory with an exported model; with --server, the one that it has to have"
    )
    parser.add_argument(
        "--input",
        required=True,
        help="a file to translate, a directory or a pattern: a path or URL; may be compressed",
    )
    parser.add_argument("--output", required=True, help="where the translation goes: a file, or of several a directory")
    parser.add_argument("--format", choices=FORMATS, help="of the input (default: as the names of the files end)")
    parser.add_argument("--field", default="text", help="the key of the text in JSON Lines, as body or article.body")
    parser.add_argument(
        "--column", default="text", help="its column in CSV, TSV and Parquet; a number where CSV has no header"
    )
    parser.add_argument("--score", action="store_true", help="also the score of each translation")
    parser.add_argument("--nbest", type=_count, default=0, metavar="N", help="also the N best translations")
    parser.add_argument("--alignment", action="store_true", help="also which words each word attended to")
    parser.add_argument(
        "--terms", type=located, metavar="FILE", help="words with the translations that they are to have, a tab between"
    )
    parser.add_argument("--overwrite", action="store_true", help="put the translation in the place of what is there")
    parser.add_argument(
        "--model_copies", type=_count, metavar="N", help="load the model in N processes of a machine (default: one)"
    )
    parser.add_argument("--server", metavar="HOST:PORT", help="let this server translate, not the exported model")
    parser.add_argument(
        "--patience",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="how long to wait for a server that goes away",
    )
    parser.add_argument(
        "--precision",
        choices=["int8", "float32"],
        help="int8: by the version's engine for CPUs, without TensorFlow; float32: by its SavedModel (default: the "
        "engine, if there is one and no GPU)",
    )
    options, flags = parser.parse_known_args(arguments)
    if not options.server and not options.work:
        parser.error("neither --work nor --server is given; give one, to say what translates")
    if options.server and options.precision:
        parser.error("--server and --precision exclude one another; the server has its model in one precision")
    if options.terms and (options.nbest or options.alignment or options.precision == "int8"):
        parser.error("--terms takes no --nbest, no --alignment and no --precision int8; leave them out")
    work = WorkDirectory(options.work) if options.work else None
    model = _newest_version(work) if work and not options.server else None
    with starting_up():
        from pipelines.runners.options import ready_runner
        from pipelines.translation.inputs import find_files
        from pipelines.translation.job import translate_files
        from pipelines.translation.model_engine import ModelEngine
        from pipelines.translation.outputs import check_all_translated, summary
        from pipelines.translation.server_engine import ServerEngine
        from pipelines.translation.terms import read_terms
    terms = read_terms(options.terms) if options.terms else ()
    asked = Asked(options.field, options.column, options.score, options.nbest, options.alignment, terms)
    files = find_files(options.input, located(options.output), options.output.endswith("/"), options.format)
    # The engine in int8 knows nothing of terms.
    model_engine = ModelEngine(model, "float32" if terms else options.precision) if model else None
    engine = model_engine or ServerEngine(options.server, work, options.patience)
    engine.check(asked)
    with ready_runner([*flags, *_processes(options.model_copies)]) as beam_options:
        manifest = translate_files(files, asked, engine, beam_options, options.overwrite)
    print(summary(manifest, options.output))
    check_all_translated(manifest, files)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give one from 1")
    return int(text)


def _processes(copies: int | None) -> list[str]:
    """Beam's flags for so many worker processes on a machine: those of the local runner, and those of clusters."""
    if copies is None:
        return []
    mode = "multi_processing" if copies > 1 else "in_memory"
    return [
        f"--direct_num_workers={copies}",
        f"--direct_running_mode={mode}",
        f"--sdk_worker_parallelism={copies}",
    ]


def _newest_version(work: WorkDirectory) -> Location:
    """Raises UserError where there is none."""
    versions = work.versions()
    if not versions:
        raise UserError(f"{work.export} holds no exported model; make one with {work.command('train')}")
    return work.version(versions[-1])


if __name__ == "__main__":
    run_command(main)
