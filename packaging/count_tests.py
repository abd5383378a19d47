"""count_tests.py BUILD_DIR: sums the cases behind a ctest run and prints `N passed, N failed`; exit code 1 when one failed.

BUILD_DIR/ctest.xml (ctest --output-junit) lists the test programs; BUILD_DIR/test-results/NAME.xml, where a program writes
one (GoogleTest, QtTest and the lint scripts do), lists its cases. A program without cases counts as one case itself, and a
program that failed without a failed case (it crashed or ran out of time) as one failed case more.
"""
import sys
import xml.etree.ElementTree as xml
from pathlib import Path


def cases(file):
    """(passed, failed) of one JUnit file; a damaged one holds none."""
    try:
        elements = list(xml.parse(file).getroot().iter("testcase"))
    except (OSError, xml.ParseError):
        return 0, 0
    failed = sum(1 for e in elements if e.find("failure") is not None or e.find("error") is not None)
    ran = sum(1 for e in elements if e.find("skipped") is None and e.get("status") != "notrun")
    return ran - failed, failed


def main():
    build = Path(sys.argv[1])
    passed = failed = 0
    for program in xml.parse(build / "ctest.xml").getroot().iter("testcase"):
        name, ok = program.get("name"), program.get("status") == "run"
        program_passed, program_failed = cases(build / "test-results" / f"{name}.xml")
        if not ok and not program_failed:
            print(f"{name}: ended badly ({program.get('status')})")
            program_failed = 1
        elif not program_passed and not program_failed:
            program_passed = 1
        passed += program_passed
        failed += program_failed
    if not passed + failed:
        sys.exit("no tests ran")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
