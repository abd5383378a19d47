"""clang-format over the C++ files. Formats differ between its versions, so only Debian 12's is believed."""
import re
import shutil
import subprocess

from report import ROOT, Report, tracked_files

VERSION = 14


def clang_format():
    """The program and its major version; (None, 0) where there is none."""
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if program := shutil.which(name):
            found = re.search(r"version (\d+)", subprocess.run([program, "--version"], capture_output=True, text=True).stdout)
            return program, int(found[1]) if found else 0
    return None, 0


def format_problems(program, files):
    done = subprocess.run([program, "--dry-run", "-Werror", "--ferror-limit=1", *files], cwd=ROOT, capture_output=True, text=True)
    yield from sorted({line for line in done.stderr.splitlines() if "error:" in line})
    if done.returncode and "error:" not in done.stderr:
        yield done.stderr.strip() or f"clang-format ended with {done.returncode}"


def main():
    report = Report("lint_format")
    program, version = clang_format()
    files = tracked_files(".h", ".cpp", ".cu")
    if version == VERSION:
        report.check(f"{len(files)} files are formatted (clang-format -i mends them)", format_problems(program, files))
    else:
        print(f"clang-format {VERSION} is not here (found: {version or 'none'}); the format was not checked")
    report.finish()


main()
