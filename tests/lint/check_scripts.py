"""The shell scripts: shellcheck, and packaging/setup.sh against machines that lack something, played by fake commands."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from report import ROOT, Report, tracked_files

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
ALL_INSTALLED = 'shift 2; for p in "$@"; do echo "$p installed"; done'
# pip as setup.sh calls it: `python3 -m pip install ... --log LOG --target DIR -r FILE`; counts its calls.
FAKE_PIP = """
while (($#)); do case $1 in --log) log=$2 ;; --target) target=$2 ;; esac; shift; done
echo call >> "$CALLS"
mkdir -p "$target/torch/lib" "$target/torch-2.12.1.dist-info" "$target/nvidia/cu13/lib"
{before_the_end}
touch "$target/torch/lib/libtorch_cpu.so"
"""


class Machine:
    """A copy of packaging/ in a folder of its own, with chosen commands replaced."""

    def __init__(self, folder, os_release=DEBIAN, cpu="flags : sse2 avx2", **commands):
        self.folder = Path(folder)
        self.tree = self.folder / "tree"
        shutil.copytree(ROOT / "packaging", self.tree / "packaging", dirs_exist_ok=True)
        (self.folder / "os-release").write_text(os_release)
        (self.folder / "cpuinfo").write_text(cpu + "\n")
        self.replace(**{"dpkg-query": ALL_INSTALLED, "python3": FAKE_PIP.replace("{before_the_end}", ""), **commands})

    def replace(self, **commands):
        (self.folder / "bin").mkdir(exist_ok=True)
        for name, body in commands.items():
            file = self.folder / "bin" / name
            file.write_text("#!/usr/bin/env bash\n" + body + "\n")
            file.chmod(0o755)

    def setup(self, *arguments, **variables):
        environment = {k: v for k, v in os.environ.items() if k != "LIKENESS_LIBTORCH"}
        environment.update(PATH=f"{self.folder}/bin:{os.environ['PATH']}", XDG_CACHE_HOME=str(self.folder / "cache"),
                           LIKENESS_OS_RELEASE=str(self.folder / "os-release"), LIKENESS_CPUINFO=str(self.folder / "cpuinfo"),
                           CALLS=str(self.folder / "calls"), TMPDIR=str(self.folder), **variables)
        return subprocess.run(["bash", str(self.tree / "packaging/setup.sh"), *arguments], env=environment, capture_output=True, text=True)

    def pip_calls(self):
        calls = self.folder / "calls"
        return calls.read_text().count("call") if calls.exists() else 0

    def ready(self):
        return (self.tree / ".deps/libtorch/torch/lib/libtorch_cpu.so").exists()


def expect(done, code, *words):
    if done.returncode != code:
        yield f"exit code {done.returncode}, {code} expected; it said: {done.stderr.strip() or done.stdout.strip()}"
    yield from (f"does not say '{word}': {done.stderr.strip()}" for word in words if word not in done.stderr)


def expect_equal(what, value, wanted):
    if value != wanted:
        yield f"{what} is {value}, {wanted} expected"


def refusals(folder):
    """(case, problems) for machines on which setup.sh ends with a sentence and a code of its own."""
    def machine(**options):
        return Machine(tempfile.mkdtemp(dir=folder), **options)

    def pip_failing_with(line):
        return machine(python3=FAKE_PIP.replace("{before_the_end}", f'echo "{line}" >> "$log"; exit 1'))

    yield "unknown option", expect(machine().setup("--gpu"), 2, "--gpu")
    yield "another system", expect(machine(os_release='PRETTY_NAME="Fedora Linux 42"\nID=fedora\n').setup(), 10, "Fedora Linux 42")
    yield "another processor", expect(machine(uname="echo Linux aarch64").setup(), 10, "aarch64")
    yield "no AVX2", expect(machine(cpu="flags : sse2 avx").setup(), 11, "AVX2")
    yield "no disk space", expect(machine(df="echo Avail; echo 120").setup(), 12, "120 MiB free", "XDG_CACHE_HOME")
    yield "disk full during the download", expect(pip_failing_with("OSError: [Errno 28] No space left on device").setup(), 12, "full")
    yield "no network", expect(pip_failing_with("NewConnectionError: Temporary failure in name resolution").setup(), 13, "network")
    yield "a proxy's certificate", expect(pip_failing_with("SSL: CERTIFICATE_VERIFY_FAILED").setup(), 13, "PIP_CERT")
    yield "a wheel that differs", expect(pip_failing_with("THESE PACKAGES DO NOT MATCH THE HASHES").setup(), 15, "differs")
    no_packages = {"dpkg-query": "exit 1"}
    yield "packages missing, no rights", expect(machine(id="echo 1000", sudo="exit 1", **no_packages).setup(), 14, "sudo apt-get update", "libexpected-dev")
    yield "packages missing, no network", expect(
        machine(id="echo 0", **{"apt-get": "echo 'Temporary failure resolving deb.debian.org' >&2; exit 100"}, **no_packages).setup(), 13, "network")
    yield "packages unknown to the release", expect(
        machine(id="echo 0", **{"apt-get": "[[ $1 == update ]] || { echo 'E: Unable to locate package qt6-base-dev'; exit 100; }"}, **no_packages).setup(), 10, "qt6-base-dev")
    yield "a LibTorch that is none", expect(machine().setup(LIKENESS_LIBTORCH=str(folder)), 15, "LIKENESS_LIBTORCH")


def fetched_once(folder):
    machine = Machine(folder)
    yield from expect(machine.setup(), 0)
    yield from expect(machine.setup(), 0)
    shutil.rmtree(machine.tree / ".deps")  # another clone on the same machine
    yield from expect(machine.setup(), 0)
    yield from expect_equal("the number of downloads", machine.pip_calls(), 1)
    yield from expect_equal("LibTorch is there", machine.ready(), True)


def interrupted(folder):
    machine = Machine(folder, python3=FAKE_PIP.replace("{before_the_end}", 'touch "$target/torch/lib/libtorch_cpu.so"; kill -9 $PPID; exit 1'))
    if machine.setup().returncode == 0 or machine.ready():
        yield "an interrupted download counts as complete"
    machine.replace(python3=FAKE_PIP.replace("{before_the_end}", ""))
    yield from expect(machine.setup(), 0)
    yield from expect_equal("the number of downloads", machine.pip_calls(), 2)


def with_cuda(folder):
    machine = Machine(folder)
    yield from expect(machine.setup(), 0)
    machine.replace(python3=FAKE_PIP.replace("{before_the_end}", 'mkdir -p "$target/nvidia/cudnn/lib"'))
    yield from expect(machine.setup("--cuda"), 0)
    yield from expect(machine.setup("--cuda"), 0)
    yield from expect_equal("the number of downloads", machine.pip_calls(), 2)
    yield from expect_equal("cuDNN is there", (machine.tree / ".deps/libtorch/nvidia/cudnn/lib").is_dir(), True)


def existing_copy(folder):
    first, second = Machine(folder / "first"), Machine(folder / "second")
    yield from expect(first.setup(), 0)
    yield from expect(second.setup(LIKENESS_LIBTORCH=str(first.tree / ".deps/libtorch")), 0)
    yield from expect_equal("the number of downloads", second.pip_calls(), 0)
    yield from expect_equal("LibTorch is there", second.ready(), True)


def shell_problems(scripts):
    for script in scripts:
        text = (ROOT / script).read_text()
        if "set -euo pipefail" not in text:
            yield f"{script}: no set -euo pipefail"
        if not os.access(ROOT / script, os.X_OK):
            yield f"{script}: not executable"
    done = subprocess.run(["shellcheck", *scripts], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        yield done.stdout.strip()


def main():
    report = Report("lint_scripts")
    if shutil.which("shellcheck"):
        report.check("shellcheck", shell_problems([f for f in tracked_files() if f.endswith(".sh") or f == ".ci/run"]))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for case, problems in refusals(folder):
            report.check(f"setup.sh: {case}", problems)
        for case, play in (("LibTorch is fetched once for all clones", fetched_once), ("an interrupted download", interrupted),
                           ("CUDA's libraries come beside", with_cuda), ("an existing LibTorch", existing_copy)):
            report.check(f"setup.sh: {case}", play(Path(tempfile.mkdtemp(dir=folder))))
    report.finish()


main()
