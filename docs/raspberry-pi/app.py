"""Hear or see, and act: a whole program for a Raspberry Pi.

    python app.py BUNDLE                                  # the microphone, for a model of sound
    python app.py BUNDLE --act 'on=pinctrl set 17 op dh' --act 'off=pinctrl set 17 op dl'
    python app.py BUNDLE --camera 'rpicam-still --nopreview --timeout 1 --output {file}' --every 5

Each answer is one JSON object a line. A command of --act is started for its label, and not again while it runs.
"""

import argparse
import json
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgepress.runtime import EdgepressError, Model, load
from edgepress.runtime.stream.sources import MICROPHONE, open_source


def heard(model: Model, source: str) -> Iterator[dict[str, Any]]:
    """What is heard, as it comes."""
    opened = open_source(source, model.contract.only)
    for event in model.stream(opened.rate).listen(opened.chunks):
        yield event.to_dict()


def seen(model: Model, camera: str, every: float, count: int | None) -> Iterator[dict[str, Any]]:
    """What is on each picture; `count` pictures, or without an end."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "picture.jpg")
        # Without a shell: a file's name is never read as a command.
        command = [part.replace("{file}", str(file)) for part in shlex.split(camera)]
        number = 0
        while count is None or number < count:
            began = time.monotonic()
            subprocess.run(command, check=True, timeout=60)
            (row,) = model.predict_files(file, unknown=model.unknown_threshold is not None).rows()
            yield {"picture": number, **row}
            number += 1
            if number != count:
                time.sleep(max(0.0, every - (time.monotonic() - began)))


def main() -> None:
    """Load the bundle, and go on until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("source", nargs="?", default=MICROPHONE, help="a recording in place of the microphone")
    parser.add_argument("--variant", default="int8", help="which artifact of the bundle to take")
    parser.add_argument("--camera", metavar="COMMAND", help="takes a picture into {file}")
    parser.add_argument("--every", type=float, default=5.0, help="seconds from picture to picture")
    parser.add_argument("--count", type=int, help="stop after so many pictures")
    parser.add_argument("--act", action="append", default=[], metavar="LABEL=COMMAND")
    options = parser.parse_args()
    commands = dict(text.split("=", 1) for text in options.act)
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        with load(options.bundle, options.variant) as model:
            if unknown := sorted(set(commands) - set(model.labels or ())):
                parser.error(f"--act {', '.join(unknown)}: the labels are {', '.join(model.labels or ())}")
            answers = heard(model, options.source)
            if options.camera:
                answers = seen(model, options.camera, options.every, options.count)
            for answer in answers:
                print(json.dumps(answer), flush=True)
                label = answer.get("label", "")
                if label in commands and (label not in running or running[label].poll() is not None):
                    running[label] = subprocess.Popen(shlex.split(commands[label]))
    except EdgepressError as error:
        parser.exit(error.exit_status, f"app: {error}\n")
    except KeyboardInterrupt:
        pass
    finally:
        for process in running.values():
            process.wait()


if __name__ == "__main__":
    main()
