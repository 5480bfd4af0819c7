"""The card of the model that is served, as a page: which the export wrote beside it (model.exported.model_card)."""

from __future__ import annotations

from tensorflow_serving.apis.model_pb2 import ModelSpec
from werkzeug import Response
from werkzeug.exceptions import NotFound

from serving.models.manager import ModelManager
from serving.protocol.status import StatusError
from workspace.layout import MODEL_NAME, model_card_of
from workspace.storage import read_bytes

# It has a style of its own, and may have nothing else: no script, no picture, nothing from elsewhere.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
}


def card_response(models: ModelManager) -> Response:
    """That of the newest version that is loaded; 404 where none is, or it has no card."""
    try:
        with models.lease(ModelSpec(name=MODEL_NAME)) as (_, model):
            page = read_bytes(model_card_of(model.origin, "html"))
    except (StatusError, OSError):
        return NotFound().get_response()
    return Response(page, content_type="text/html; charset=utf-8", headers=_HEADERS)
