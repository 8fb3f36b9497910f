"""Numbers in the encoding that Avro and Protobuf share: varints of zigzag code."""


def write_varint(number: int) -> bytes:
    """Return the encoding of a signed number of at most 64 bits."""
    number = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
