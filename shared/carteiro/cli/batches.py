"""`carteiro batches`."""

from carteiro.cli.json_lines import AsJson


def batches(as_json: AsJson = False) -> None:
    """List the batches that are open, and count the requests and documents that wait for them.

    carteiro batches
    carteiro batches --json
    """
    from carteiro.cli.batch_list import print_batches

    print_batches(as_json=as_json)
