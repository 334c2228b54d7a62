"""`tf.train.Example` without TensorFlow: its three messages, declared here for the protobuf library.

Source of names and numbers: tensorflow/core/example/{example,feature}.proto.
"""

from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from polymath.errors import DataError

_FLOAT, _INT64, _BYTES, _STRING, _MESSAGE = 2, 3, 12, 9, 11
_OPTIONAL, _REPEATED = 1, 3


def parse(payload: bytes, where: str) -> dict[str, Any]:
    """Feature name -> float32 [n], int64 [n], or a list of bytes. Raises DataError for bytes that are no Example."""
    try:
        example = _Example.FromString(payload)
    except message.DecodeError as error:
        raise DataError(f"{where}: not a tf.train.Example ({error}); copy the file again", "schema") from None
    return {name: _values(feature) for name, feature in example.features.feature.items()}


def _values(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    if kind == "float_list":
        return np.array(feature.float_list.value, np.float32)
    if kind == "int64_list":
        return np.array(feature.int64_list.value, np.int64)
    return list(feature.bytes_list.value)


def _field(name: str, number: int, kind: int, label: int, type_name: str = "") -> descriptor_pb2.FieldDescriptorProto:
    field = descriptor_pb2.FieldDescriptorProto(name=name, number=number, type=kind, label=label)
    if type_name:
        field.type_name = f".polymath.tensorflow.{type_name}"
    return field


def _example_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="polymath/tf_example.proto", package="polymath.tensorflow", syntax="proto3"
    )
    for name, kind in (("BytesList", _BYTES), ("FloatList", _FLOAT), ("Int64List", _INT64)):
        file.message_type.add(name=name).field.append(_field("value", 1, kind, _REPEATED))
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("BytesList", "FloatList", "Int64List"), start=1):
        choice = _field(f"{name[:-4].lower()}_list", number, _MESSAGE, _OPTIONAL, name)
        choice.oneof_index = 0
        feature.field.append(choice)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.field.extend([_field("key", 1, _STRING, _OPTIONAL), _field("value", 2, _MESSAGE, _OPTIONAL, "Feature")])
    entry.options.map_entry = True
    features.field.append(_field("feature", 1, _MESSAGE, _REPEATED, "Features.FeatureEntry"))
    file.message_type.add(name="Example").field.append(_field("features", 1, _MESSAGE, _OPTIONAL, "Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("polymath.tensorflow.Example"))


_Example = _example_class()
