"""The build of torch that the setup installs, and its source."""

from tests.unit.setup.checkout import Checkout, last_line
from tests.unit.setup.pip_says import NOT_FOUND, REFUSED

NO_WHEEL_ON_DISK = "if '--no-index' in args: sys.exit(1)"


def torch_calls(checkout: Checkout) -> list[str]:
    return [call for call in checkout.pip_calls() if "torch==" in call]


def test_torch_from_a_wheel_on_disk(checkout: Checkout) -> None:
    assert checkout.setup()[0] == 0
    (call,) = torch_calls(checkout)
    assert call.startswith("--no-index --no-deps torch==")


def test_torch_from_the_cpu_index(checkout: Checkout) -> None:
    checkout.pip_does(NO_WHEEL_ON_DISK)
    assert checkout.setup()[0] == 0
    call = torch_calls(checkout)[-1]
    assert "--index-url https://download.pytorch.org/whl/cpu" in call
    assert call.endswith("+cpu")
    assert "--timeout 15 --retries 1" in call


def test_unavailable_torch_ends_the_setup(checkout: Checkout) -> None:
    checkout.pip_does(f"if 'torch==' in args: print({REFUSED!r}); print({NOT_FOUND!r}); sys.exit(1)")
    code, output = checkout.setup()
    assert code == 1
    assert "cannot be reached" in last_line(output)
    assert "PIP_FIND_LINKS" in last_line(output)


def test_torch_with_a_gpu_or_on_a_mac_is_from_the_default_index(checkout: Checkout) -> None:
    checkout.add("uname", "echo Darwin")
    assert checkout.setup()[0] == 0
    (call,) = torch_calls(checkout)
    assert call.startswith("torch==")
    checkout.add("uname", "echo Linux")
    checkout.add("nvidia-smi", 'echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)"')
    _, output = checkout.setup()
    (call,) = torch_calls(checkout)
    assert call.startswith("torch==")
    assert "(CUDA build)" in output


def test_driver_without_a_gpu_counts_as_no_gpu(checkout: Checkout) -> None:
    checkout.add("nvidia-smi", "echo 'No devices found.'; exit 6")
    assert "(CPU build)" in checkout.setup()[1]
