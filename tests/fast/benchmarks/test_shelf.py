"""What a shelf of devices may be called."""

import pytest

from edgepress.benchmarks.shelf import Device, shelf_of
from edgepress.runtime import InputError


def test_hosts_and_a_file_make_one_shelf(tmp_path):
    file = tmp_path / "devices.toml"
    file.write_text(
        '[[device]]\nhost = "pi@10.0.0.4"\nname = "pi4"\nthreads = 4\n[[device]]\nhost = "nano"\npython = "p"\n'
    )
    devices = shelf_of(["pi5"], str(file), python="python3.12")
    assert devices == [
        Device("pi5", python="python3.12"),
        Device("pi@10.0.0.4", "pi4", "python3.12", 4),
        Device("nano", python="p"),
    ]
    assert [device.called for device in devices] == ["pi5", "pi4", "nano"]
    assert shelf_of([str(file)]) == [Device("pi@10.0.0.4", "pi4", "python3", 4), Device("nano", python="p")]
    assert shelf_of([]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"nothing: a table \[\[device\]\]"),
        ("host = 'a'", "has host: a table"),
        ("[[device]]\nname = 'a'", "device 1 has name: .*host is needed"),
        ("[[device]]\nhost = 'a'\nport = 22", "port = 22: allowed are host"),
        ("[[device]]\nhost = 'a'\nthreads = '4'", "threads = '4'"),
        ("[[device]]\nhost = 'a'\nthreads = true", "threads = True"),
        ("[[device]]\nhost = 'a'\n[[device]]\nhost = 'a'", "two devices are called a"),
        ("[[device]]\nhost = '-oProxyCommand=x'", "name it as ssh does"),
        ("[[device]", "is no TOML file"),
    ],
)
def test_what_is_no_shelf_is_refused_in_one_line(tmp_path, text, message):
    file = tmp_path / "devices.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        shelf_of([], str(file))
    assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="does not exist"):
        shelf_of([str(tmp_path / "none.toml")])
