"""The error that every call of the server can end in: a status code and a message, over gRPC and REST alike."""

from __future__ import annotations

from grpc import StatusCode

MESSAGE_LIMIT = 1024  # bytes of a message that TensorFlow Serving sends over gRPC (grpc_status_util.cc)

CODES = {code.value[0]: code for code in StatusCode}


class StatusError(Exception):
    """A call that failed with a canonical status code and a message."""

    def __init__(self, code: StatusCode, message: str):
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    def truncated_message(self) -> str:
        """The message as gRPC carries it."""
        encoded = self.message.encode("utf-8", errors="replace")
        if len(encoded) <= MESSAGE_LIMIT:
            return encoded.decode("utf-8")
        return encoded[:MESSAGE_LIMIT].decode("utf-8", errors="ignore") + "...TRUNCATED"


def invalid_argument(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> StatusError:
    return StatusError(StatusCode.NOT_FOUND, message)


def not_implemented(method: str) -> StatusError:
    """The answer to a method of TensorFlow Serving's that this server does not have."""
    message = f"{method} is not implemented by this stand-in for TensorFlow Serving; it answers Predict"
    return StatusError(StatusCode.UNIMPLEMENTED, message)
