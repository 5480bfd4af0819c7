"""Messages of other programs' protocols, made from tables of their fields where their own modules are missing or heavy.

They have the same field numbers and types, hence the same bytes on the wire and the same text form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

# The number and type of every field. A type is a scalar, a message of the same table, or one of google.protobuf's
# wrappers (google.protobuf.Int64Value), after "repeated " where there are several. Enums are int32 on the wire, and a
# map is a repeated entry of key and value.
Fields: TypeAlias = Mapping[str, tuple[int, str]]

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
}


def message_classes(package: str, messages: Mapping[str, Fields]) -> dict[str, Any]:
    """The classes of messages (proto3), by their names.

    They live in a descriptor pool of their own, so that in the same process another module may have messages of the
    same names.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field_name, (number, declared) in fields.items():
            kind = declared.removeprefix("repeated ")
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_OPTIONAL if kind == declared else _Field.LABEL_REPEATED
            if kind in _SCALARS:
                field.type = _SCALARS[kind]
            else:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{kind}" if "." in kind else f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}
