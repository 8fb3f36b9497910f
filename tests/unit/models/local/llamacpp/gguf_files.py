"""GGUF files for tests."""

from pathlib import Path

import gguf
import numpy


def in_full_precision(source: Path, target: Path, *, halved: bool = False) -> Path:
    """Write the same model with weights in fp32, so that all engines compute nearly the same values.

    If `halved` is True, the matrices are in fp16, for engines that read only this format.
    """
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for name, field in reader.fields.items():
        if not name.startswith(("GGUF.", "general.architecture", "general.file_type", "general.quantization")):
            kind, *of = field.types
            writer.add_key_value(name, field.contents(), kind, *of[-1:])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if halved else gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        weights = gguf.dequantize(tensor.data, tensor.tensor_type)
        kind = numpy.float16 if halved and len(tensor.shape) > 1 else numpy.float32
        writer.add_tensor(tensor.name, numpy.ascontiguousarray(weights, dtype=kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
