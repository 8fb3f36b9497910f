"""MCP server on standard input and output, without the SDK, so that it starts fast and can misbehave.

It speaks the handshake of 2025-06-18 (https://modelcontextprotocol.io/specification/2025-06-18).
"""

import json
import os
import signal
import sys
from typing import Any

_NAMES = "say die noise flood lie huge late_id huge_notice endless meta many_values".split()
_NAMES += "half_character no_result deaf grow".split()
_TOOLS: list[dict[str, Any]] = [{"name": name, "inputSchema": {"type": "object"}} for name in _NAMES]
# Ten thousand million million steps for a validator that tries all ways.
_SLOW = {"type": "object", "properties": {"a": {"pattern": "^(a|a)*$"}}}
_TOOLS.append({"name": "slow_schema", "inputSchema": {"type": "object"}, "outputSchema": _SLOW})
# No tools, and one that providers reject.
_TOOLS += [{"name": "no_schema"}, {"name": 5, "inputSchema": {"type": "object"}}, {"inputSchema": 5}]
_TOOLS.append({"name": "odd_schema", "inputSchema": {"type": "object", "properties": {"a": {"type": "odd"}}}})
_MEBIBYTE = "x" * (1 << 20)


def _write_long(before: str, mebibytes: int, after: str) -> None:
    sys.stdout.write(before)
    for _ in range(mebibytes):
        sys.stdout.write(_MEBIBYTE)
    sys.stdout.write(after)
    sys.stdout.flush()


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
        case "tools/call", "late_id":
            _write_long('{"jsonrpc": "2.0", "result": {"content": [{"type": "text", "text": "', 64, '"}]}, "id": 0}\n')
        case "tools/call", "huge_notice":
            _write_long('{"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "', 64, '"}}\n')
            return {"content": [{"type": "text", "text": "after a notice"}]}
        case "tools/call", "slow_schema":
            return {"content": [{"type": "text", "text": "slow"}], "structuredContent": {"a": "a" * 50 + "!"}}
        case "tools/call", "many_values":
            return {"content": [], "structuredContent": {"a": [[]] * 200_000, "b": '\\"[,[,[,' * 10}}
        case "tools/call", "half_character":
            return {"content": [{"type": "text", "text": "\\ud83d cut \ud83d"}]}
        case "tools/call", "no_result":
            sys.stdout.write(f'{{"jsonrpc":"2.0","id":{message["id"]},"result":null}}\n')
        case "tools/call", "deaf":
            signal.pause()
        case "tools/call", "grow":
            _TOOLS.append({"name": "grown", "inputSchema": {"type": "object"}})
            sys.stdout.write('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n')
            return {"content": []}
        case "tools/call", "meta":
            return {"content": [{"type": "text", "text": json.dumps(params.get("_meta"))}]}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        params = message.get("params") or {}
        if params.get("name") in ("huge", "endless"):
            before = f'{{"jsonrpc":"2.0","id":{message["id"]},"result":{{"content":[{{"type":"text","text":"'
            _write_long(before, 64 if params["name"] == "huge" else 1 << 20, '"}]}}\n')
            continue
        result = _result(message["method"], params)
        answer = {"result": result} if result is not None else {"error": {"code": -32601, "message": "unknown"}}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}) + "\n")
        sys.stdout.flush()
if len(sys.argv) > 1:  # a file that tells that this program could write all
    sys.stdout.write('{"jsonrpc":"2.0","method":"notifications/message"}\n' * 30_000)
    sys.stdout.flush()
    os.close(os.open(sys.argv[1], os.O_CREAT))
