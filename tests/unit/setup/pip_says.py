"""Real output of pip 23.2 and 26.3."""

REFUSED = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by 'NewConnectionError(\"HTTPSConnection(host='example.invalid', port=443): Failed to establish a new "
    "connection: [Errno -2] Name or service not known\")': /simple/aiokafka/"
)
NOT_FOUND = """\
ERROR: Could not find a version that satisfies the requirement aiokafka (from versions: none)
ERROR: No matching distribution found for aiokafka"""
IGNORED = "WARNING: Location 'file:///srv/simple/six/' is ignored: it is neither a file nor a directory."
"""Output that says nothing about the network."""
