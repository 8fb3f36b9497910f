"""GGUF files for tests."""

from pathlib import Path

import gguf
import numpy


def in_full_precision(source: Path, target: Path) -> Path:
    """The same model with its weights in fp32, so that what is computed with them is alike everywhere."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for name, field in reader.fields.items():
        if not name.startswith(("GGUF.", "general.architecture", "general.file_type", "general.quantization")):
            kind, *of = field.types
            writer.add_key_value(name, field.contents(), kind, *of[-1:])
    for tensor in reader.tensors:
        weights = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, numpy.ascontiguousarray(weights, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
