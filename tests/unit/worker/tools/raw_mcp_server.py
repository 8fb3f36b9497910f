"""MCP server on standard input and output, without the SDK, so that it starts fast and can misbehave.

It speaks the handshake of 2025-06-18 (https://modelcontextprotocol.io/specification/2025-06-18).
"""

import json
import os
import sys
from typing import Any

_TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("say", "die", "noise", "flood", "lie")]


def _result(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method, params.get("name"):
        case "initialize", _:
            info = {"name": "raw", "version": "1"}
            return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
        case "tools/list", _:
            return {"tools": _TOOLS}
        case "tools/call", "say":
            return {"content": [{"type": "text", "text": f"process {os.getpid()}"}]}
        case "tools/call", "die":
            os._exit(1)
        case "tools/call", "noise":
            sys.stdout.buffer.write(b"not JSON\n{}\n[1]\n\xff\n")
            return {"content": [{"type": "text", "text": "after noise"}]}
        case "tools/call", "flood":
            return {"content": [{"type": "text", "text": "x" * 2_000_000}]}
        case "tools/call", "lie":
            return {"content": "of another type"}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        result = _result(message["method"], message.get("params") or {})
        answer = {"result": result} if result is not None else {"error": {"code": -32601, "message": "unknown"}}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}) + "\n")
        sys.stdout.flush()
