"""The rules of core/README.md and of this folder's README that a text search can see."""
import re

from report import ROOT, Report, tracked_files

TOP_LEVEL = {
    ".ci", "app", "core", "packaging", "resources", "tests", "translations", "ui",
    ".clang-format", ".clang-tidy", ".editorconfig", ".gitignore", "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md",
}
SOURCES = (".h", ".cpp", ".cu")
CODE = SOURCES + (".py", ".sh", ".cmake", "CMakeLists.txt")
MAX_LINES = 500
LONGER = {}  # path: why it may be longer
STD_C = {"cassert", "cctype", "cerrno", "cmath", "cstddef", "cstdint", "cstdio", "cstdlib", "cstring", "ctime"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
TORCH = re.compile(r"^(ATen|c10|torch|caffe2)/")
QT = re.compile(r"^Q[A-Z]|^Qt|^q[a-z]+\.h$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b|\bnot implemented\b|//.*\bplaceholder\b|\bfor now\b|\bstub\b", re.I)
MACHINE_PATH = re.compile(r"""(?<![\w.$}/])/(?:work|home|root|Users|farm)/|(?<![\w.$}/])/tmp/[a-z]""")
SKIPPED = re.compile(r"\bGTEST_SKIP\b|\bDISABLED_|\bQSKIP\b|EXPECT_TRUE\(true\)|ASSERT_TRUE\(true\)")


def layers():
    """{folder: rank} from the one line of core/README.md that states the order."""
    line = re.search(r"^api <- .*$", (ROOT / "core/README.md").read_text(), re.M).group()
    ranks = {}
    for rank, group in enumerate(line.split("<-")):
        for folder in re.findall(r"\w+", group):
            ranks[folder] = rank
    return ranks


RANKS = layers()


def includes(text):
    """(line, is it <...>, what) of every include line."""
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1] == "<", match[2]


def include_problem(path, system, name):
    """Why the file at `path` may not include `name`; None when it may."""
    area, folder = (path.split("/") + [""])[:2]
    target = name.split("/")
    if area == "core":
        if QT.match(name) and system:
            return "Qt in core"
        if not system and target[0] in ("app", "ui", "tests"):
            return f"core includes {target[0]}"
        if target[0] == "core" and target[1] != folder and RANKS.get(target[1], 99) >= RANKS.get(folder, -1):
            return f"{folder} includes {target[1]}, which is not below it"
        if TORCH.match(name) and RANKS.get(folder, 0) < RANKS["tensor"]:
            return "torch below core/tensor"
        if folder == "api" and system and not (re.fullmatch(r"[a-z_]+", name) or name in STD_C or name == "tl/expected.hpp"):
            return "api includes more than the standard library"
    if area == "ui" and target[0] in ("app", "tests") or area == "ui" and target[0] == "core" and target[1] != "api":
        return "ui sees core/api and itself only"
    if area in ("ui", "app") and TORCH.match(name):
        return f"torch in {area}"
    if name == "torch/torch.h" or name.startswith("torch/nn"):
        return "a torch header that costs 10 s a file"
    if name.startswith("spdlog/") and path != "core/base/log.cpp":
        return "spdlog outside core/base/log.cpp (torch carries another fmt)"
    if re.match(r"opencv2/(highgui|imgcodecs|videoio|opencv)", name):
        return "OpenCV beyond core and imgproc"
    return None


def layer_problems(paths):
    for path in paths:
        for line, system, name in includes((ROOT / path).read_text(errors="replace")):
            if problem := include_problem(path, system, name):
                yield f"{path}:{line}: {problem} ({name})"


def search(paths, pattern):
    for path in paths:
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1):
            if match := pattern.search(line):
                yield f"{path}:{number}: {match.group().strip()}"


def length_problems(paths):
    for path in paths:
        lines = (ROOT / path).read_bytes().count(b"\n")
        if lines > MAX_LINES and path not in LONGER:
            yield f"{path}: {lines} lines, {MAX_LINES} are the limit"


def header_problems(paths):
    for path in paths:
        text = (ROOT / path).read_text(errors="replace")
        if not text.startswith("//"):
            yield f"{path}:1: no comment that says what the file is for"
        if path.endswith(".h") and "#pragma once" not in text:
            yield f"{path}: no #pragma once"


def licence_problems(files):
    if "GNU GENERAL PUBLIC LICENSE" not in (ROOT / "LICENSE").read_text():
        yield "LICENSE is not the GPL"
    if "GPL-3.0" not in (ROOT / "packaging/linux/io.github.likeness.metainfo.xml").read_text():
        yield "the metainfo file states another licence than LICENSE"
    # Folders with material of others carry a text that names its licence.
    for folder in ("starter", "samples", "clip"):
        inside = [f for f in files if f.startswith(f"resources/{folder}/")]
        texts = [f for f in inside if re.search(r"\.md$|LICENSE|CREDITS", f)]
        if inside and not any(re.search(r"licen[cs]e|CC[ -]BY|CC0", (ROOT / f).read_text(errors="replace"), re.I) for f in texts):
            yield f"resources/{folder}: no file that names the licence"


def rules_can_fail():
    """Every rule meets a case that it must refuse."""
    wrong = [("core/api/x.h", True, "ATen/core/Tensor.h"), ("core/base/x.cpp", True, "QString"), ("core/text/x.cpp", False, "core/nn/weights.h"),
             ("core/image/x.cpp", False, "core/text/clip_tokenizer.h"), ("ui/pages/x.cpp", False, "core/base/log.h"), ("core/nn/x.cpp", False, "ui/x.h"),
             ("core/nn/x.cpp", True, "torch/torch.h"), ("app/x.cpp", True, "ATen/core/Tensor.h"), ("core/nn/x.cpp", True, "spdlog/spdlog.h"),
             ("core/api/x.h", True, "nlohmann/json.hpp"), ("core/image/x.cpp", True, "opencv2/highgui.hpp")]
    right = [("core/nn/x.cpp", False, "core/nn/weights.h"), ("core/nn/x.cpp", True, "ATen/ops/add.h"), ("ui/pages/x.cpp", False, "core/api/engine.h"),
             ("app/main.cpp", False, "core/workspace/workspace.h"), ("core/api/x.h", True, "string_view"), ("tests/core/nn/x.cpp", True, "ATen/ops/add.h")]
    yield from (f"allowed: {case}" for case in wrong if not include_problem(*case))
    yield from (f"refused: {case}" for case in right if include_problem(*case))
    yield from (f"not found: {text}" for text in ("// " + "TO" + "DO later", "a " + "st" + "ub") if not UNFINISHED.search(text))
    yield from (f"not found: {text}" for text in ('"/' + 'work/x"', "'/" + "tmp/x'") if not MACHINE_PATH.search(text))
    yield from (f"refused: {text}" for text in ("setPlaceholderText(", "core/work/x", "${dir}/tmp/x") if UNFINISHED.search(text) or MACHINE_PATH.search(text))


def main():
    files = tracked_files()
    code = [f for f in files if f.endswith(CODE)]
    searched = [f for f in code if not f.startswith("tests/lint/")]
    sources = [f for f in files if f.endswith(SOURCES)]
    report = Report("lint_tree")
    report.check("the rules refuse what they should", rules_can_fail())
    report.check("every core folder has its place in the order", (f"core/{d.name}" for d in (ROOT / "core").iterdir() if d.is_dir() and d.name not in RANKS))
    report.check("include lines follow the layers", layer_problems(sources))
    report.check("the top level holds what it should", sorted({f.split("/")[0] for f in files} - TOP_LEVEL))
    report.check("no path of a machine", search(searched + [f for f in files if f.endswith((".md", ".yaml", ".json", ".ts"))], MACHINE_PATH))
    report.check("no words of unfinished work", search(searched, UNFINISHED))
    report.check("no skipped tests", search([f for f in searched if f.startswith("tests/")], SKIPPED))
    report.check(f"no file over {MAX_LINES} lines", length_problems(code))
    report.check("headers say what they are for", header_problems([f for f in sources if f.endswith(".h")]))
    report.check("licences are named", licence_problems(files))
    report.finish()


main()
