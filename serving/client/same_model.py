"""Whether the model that a server has is that of a work directory."""

from __future__ import annotations

import grpc

from serving.client.answers import TranslationError
from serving.client.translator import Translator
from workspace.errors import UserError
from workspace.layout import WorkDirectory


def check_model(translator: Translator, server: str, work: WorkDirectory) -> None:
    """Raises UserError where ``server``, which ``translator`` asks, has another model than those that ``work`` has
    exported."""
    from workspace.marks import exported_weights  # noqa: PLC0415  half of the time that a client takes to start

    exported = exported_weights(work)
    if not exported:
        raise UserError(f"{work.export} holds no exported model; make one with {work.command('train')}")
    try:
        served = translator.weights()
    except TranslationError as error:
        if error.code is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
        raise UserError(
            f"the model at {server} does not say which it is, as those exported by an earlier version of the project; "
            "leave WORK out to ask it all the same"
        ) from error
    if served not in exported:
        raise UserError(
            f"the server at {server} has another model than {work.root}; give the address of one that has it, or stop "
            f"that server and start one with {work.command('serve')}"
        )
