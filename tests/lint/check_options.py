"""tests/options.md names, for every option of training, a test that fails when the option does nothing. The options are those of
resources/guide/options.md, which a test holds equal to the field tables."""
import re

from report import ROOT, Report, tracked_files

OPTION = re.compile(r"^\*\*.+\*\* `--[\w-]+` \(`([\w.]+)`\):", re.M)
ROW = re.compile(r"^\| `([\w.]+)` \| (.+) \|$", re.M)
TEST = re.compile(r"`(\w+)\.(\w+)`")
WINDOW = re.compile(r"^class (\w+) : public QObject|^  void (\w+)\(\) \{", re.M)
DEFINED = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)")


def defined_tests():
    found = {f"{suite}.{name}" for path in tracked_files("_test.cpp") for suite, name in DEFINED.findall((ROOT / path).read_text())}
    for path in tracked_files(".cpp"):
        if path.startswith("tests/ui/test_"):
            suite = ""
            for entered, name in WINDOW.findall((ROOT / path).read_text()):
                suite = entered or suite
                found.add(f"{suite}.{name}")
    return found


def problems(options, matrix, tests):
    """Everything that the matrix lacks or has too much."""
    rows = ROW.findall(matrix)
    named = [option for option, _ in rows]
    yield from (f"{option} has no row" for option in options if option not in named)
    yield from (f"{option} is no option" for option in named if option not in options)
    yield from (f"{option} has {named.count(option)} rows" for option in sorted(set(named)) if named.count(option) > 1)
    for option, cell in rows:
        found = [f"{suite}.{name}" for suite, name in TEST.findall(cell)]
        if not found:
            yield f"{option} names no test"
        yield from (f"{option}: there is no test {test}" for test in found if test not in tests)


def rules_can_fail():
    """The check meets a matrix with each mistake."""
    right = "| `a.b` | `Suite.Test` |\n"
    for mistake, options, matrix in [("a missing row", ["a.b", "a.c"], right), ("a stranger", [], right), ("a row twice", ["a.b"], right * 2),
                                     ("no test", ["a.b"], "| `a.b` | later |\n"), ("a test that is gone", ["a.b"], "| `a.b` | `Suite.Gone` |\n")]:
        if not list(problems(options, matrix, {"Suite.Test"})):
            yield f"not found: {mistake}"
    yield from problems(["a.b"], right, {"Suite.Test"})


def main():
    options = OPTION.findall((ROOT / "resources/guide/options.md").read_text())
    report = Report("lint_options")
    report.check("the rules refuse what they should", rules_can_fail())
    report.check("the guide holds options", [] if len(options) > 80 else [f"resources/guide/options.md: only {len(options)} found"])
    report.check("every option has a test", problems(options, (ROOT / "tests/options.md").read_text(), defined_tests()))
    report.finish()


main()
