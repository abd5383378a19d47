"""check_install.py BUILD_DIR: what `cmake --install` writes works after it was moved, and names no folder of this machine."""
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from report import ROOT, Report

BUILD = Path(sys.argv[1]).resolve()


def install(folder):
    first, moved = folder / "first", folder / "moved"
    subprocess.run(["cmake", "--install", str(BUILD), "--prefix", str(first)], check=True, stdout=subprocess.DEVNULL)
    first.rename(moved)
    return moved


def run(tree, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LIKENESS_") and k != "LD_LIBRARY_PATH"}
    environment |= {"QT_QPA_PLATFORM": "offscreen", "XDG_CACHE_HOME": str(tree.parent / "cache")}
    return subprocess.run([tree / "bin" / arguments[0], *arguments[1:]], cwd=tree.parent, env=environment, capture_output=True, text=True)


def program_problems(tree, arguments, wanted):
    done = run(tree, *arguments)
    if done.returncode or wanted not in done.stdout:
        yield f"{' '.join(arguments)}: exit code {done.returncode}, '{wanted}' not in: {(done.stdout + done.stderr).strip()[:500]}"


def engine_problems(tree):
    """The engine module loads and computes: one picture in two steps."""
    done = run(tree, "likeness-cli", "generate", "--model", "starter", "--prompt", "a cup", "--steps", "2", "--count", "1", "--out", "pictures", "--json")
    if done.returncode:
        yield f"generate: exit code {done.returncode}: {(done.stdout + done.stderr).strip()[:500]}"
    elif not all((tree.parent / file).is_file() for file in json.loads(done.stdout.splitlines()[-1])["files"]):
        yield f"generate wrote no picture: {done.stdout}"


def engine_process_problems(tree):
    """What the window computes in starts from its place, loads the engine, and answers what devices there are (core/remote)."""
    def text(words):
        return bytes([0x78, len(words)]) + words.encode()

    version = run(tree, "likeness-cli", "--version").stdout.split()[-1]
    start = b"\x82\x00\xa3" + text("version") + text(version) + text("resources") + text("") + text("niceness") + b"\x00"
    ask_devices = b"\x82\x03\xa0"
    ours, theirs = socket.socketpair()

    def inherit():
        os.dup2(theirs.fileno(), 3)
        os.set_inheritable(3, True)

    with subprocess.Popen([tree / "lib/likeness/likeness-engine"], preexec_fn=inherit, close_fds=False):
        theirs.close()
        for message in (start, ask_devices):
            ours.sendall(struct.pack("=I", len(message)) + message)
        ours.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: ours.recv(65536), b""))
        if b"devices" not in said or b"cpu" not in said:
            yield f"likeness-engine answered {said!r}"


def path_problems(tree):
    """No run path outside the tree, and every library is either in it or the system's."""
    machine = {str(ROOT), str(BUILD)}
    for file in [*(tree / "bin").iterdir(), *(tree / "lib/likeness").iterdir()]:
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True).stdout
        for paths in re.findall(r"R(?:UN)?PATH.*\[(.*)\]", dynamic):
            yield from (f"{file.name}: run path {path}" for path in paths.split(":") if path and not path.startswith("$ORIGIN"))
        loaded = subprocess.run(["ldd", file], capture_output=True, text=True).stdout
        yield from (f"{file.name}: {line.strip()}" for line in loaded.splitlines() if "not found" in line or any(m in line for m in machine))


def file_problems(tree):
    wanted = ["share/likeness/starter/model_index.json", "share/doc/likeness/LICENSE"]
    if (tree / "bin/likeness").exists():
        wanted += ["share/applications/io.github.likeness.desktop", "share/metainfo/io.github.likeness.metainfo.xml",
                   "share/icons/hicolor/scalable/apps/io.github.likeness.svg"]
    yield from (f"{name} is missing" for name in wanted if not (tree / name).is_file())
    if (tree / "bin/likeness").exists() and shutil.which("desktop-file-validate"):
        done = subprocess.run(["desktop-file-validate", tree / wanted[2]], capture_output=True, text=True)
        if done.returncode:
            yield done.stdout.strip()


def main():
    report = Report("lint_install")
    with tempfile.TemporaryDirectory() as folder:
        tree = install(Path(folder))
        report.check("files", file_problems(tree))
        report.check("run paths", path_problems(tree))
        report.check("likeness-cli starts", program_problems(tree, ["likeness-cli", "--version"], "likeness-cli "))
        report.check("resources are found", program_problems(tree, ["likeness-cli", "inspect", "starter"], "diffusers"))
        pickle = str(ROOT / "tests/golden/pickles/embedding_webui.pt")
        report.check("the reader of pickles is found", program_problems(tree, ["likeness-cli", "inspect", pickle], "textual inversion"))
        report.check("the engine computes", engine_problems(tree))
        if (tree / "bin/likeness").exists():
            report.check("the window's engine starts", engine_process_problems(tree))
            report.check("the window starts", program_problems(tree, ["likeness", "--version"], "likeness "))
    report.finish()


main()
