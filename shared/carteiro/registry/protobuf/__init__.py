"""Protobuf events: https://protobuf.dev/programming-guides/encoding/."""
