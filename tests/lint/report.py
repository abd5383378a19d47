"""Cases of a check script: printed, counted, and written as JUnit XML for packaging/count_tests.py."""
import os
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tracked_files(*suffixes):
    """Paths (relative, sorted) of the files under version control; of the whole tree where there is no git."""
    try:
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        skipped = {".git", ".deps", "build"}
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if not skipped & set(p.relative_to(ROOT).parts)]
    files = sorted(name for name in names if name and (ROOT / name).is_file())
    return [name for name in files if not suffixes or name.endswith(suffixes)]


class Report:
    def __init__(self, name):
        self.name = name
        self.cases = []

    def check(self, case, problems):
        """One case; it passes when `problems` (strings that name file and line) is empty."""
        problems = list(problems)
        self.cases.append((case, problems))
        print(f"{'FAILED' if problems else 'passed'}  {case}")
        for problem in problems:
            print(f"    {problem}")

    def finish(self):
        """Writes the XML where LIKENESS_TEST_RESULTS says, prints the count, ends the program."""
        failed = sum(1 for _, problems in self.cases if problems)
        suite = xml.Element("testsuite", name=self.name, tests=str(len(self.cases)), failures=str(failed), errors="0")
        for case, problems in self.cases:
            element = xml.SubElement(suite, "testcase", name=case, classname=self.name)
            if problems:
                xml.SubElement(element, "failure").text = "\n".join(problems)
        folder = os.environ.get("LIKENESS_TEST_RESULTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            xml.ElementTree(suite).write(Path(folder) / f"{self.name}.xml")
        print(f"{self.name}: {len(self.cases)} cases, {failed} failed")
        sys.exit(1 if failed else 0)
