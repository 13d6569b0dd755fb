#!/usr/bin/env python3
"""The rules of the house that a compiler does not know: layers, sizes, and things that must not be committed.

usage: lint.py [ROOT]     (default: the checkout this file is in)

Prints one line per violation, `path:line: rule: what and what to do`, and ends with status 1 when there is one. Notes (long files and
functions that are still allowed) do not fail. A line that has a reason to break a text rule says so on itself:
`lint: allow(rule) why`.
"""
import os
import re
import subprocess
import sys

FILE_MAX, FILE_NOTE = 700, 500
FUNCTION_MAX, FUNCTION_NOTE = 70, 60
CODE = (".cpp", ".h")
SOURCES = CODE + (".py", ".sh", ".js", ".mjs", ".ts", ".lua")
BARE_SCRIPTS = ("dev", ".ci/run")

# Stages that decide over plain data: they take bytes and times as arguments, so that they can be fuzzed and replayed.
PURE = {"route", "auth", "limits", "guard", "provider", "http", "capture"}
IO_HEADERS = re.compile(r"^(thread|mutex|shared_mutex|condition_variable|future|fstream|iostream|filesystem|unistd\.h|fcntl\.h|poll\.h|netdb\.h"
                        r"|pthread\.h|sys/(socket|epoll|mman|stat|uio|eventfd|timerfd)\.h|netinet/.*|openssl/ssl\.h)$")

# rule, pattern, advice, which paths
TEXT_RULES = [
    ("unfinished", re.compile(r"\b(TODO|FIXME|XXX|HACK)\b"), "finish it or open an issue", lambda p: True),
    ("machine-path", re.compile(r"(?<![\w.])/(home|root|Users|work)/(?!\.\.\.)\w"), "a path of one machine; take it from an argument or the environment",
     lambda p: True),
    ("sleep", re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\("), "wait for the event itself, or inject the clock",
     lambda p: is_test(p)),
    ("skipped-test", re.compile(r"\b(GTEST_SKIP|DISABLED_\w+)|\b(it|test|describe)\.(skip|todo|only)\b"), "a test runs or does not exist",
     lambda p: is_test(p)),
    ("using-namespace", re.compile(r"^\s*using\s+namespace\s+std\s*;"), "name what is used", lambda p: p.endswith(CODE)),
]
# The rules and their tests have to spell what they forbid.
TEXT_EXEMPT = {"tools/lint.py", "tools/lint_test.py"}


def is_test(path):
    return bool(re.search(r"_test(_\w+)?\.(cpp|h)$", path)) or path.startswith("tests/")


def tracked(root):
    """Tracked and new files, relative; without a repository, all but what a build or npm made."""
    try:
        out = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=True)
        names = [n for n in out.stdout.decode().split("\0") if n]
    except (OSError, subprocess.CalledProcessError):
        names = []
        for top, dirs, files in os.walk(root):
            dirs[:] = [d for d in dirs if d not in ("build", "node_modules", ".git")]
            names += [os.path.relpath(os.path.join(top, f), root) for f in files]
    return sorted(n for n in names if os.path.isfile(os.path.join(root, n)))


# ---- layers ----------------------------------------------------------------------------------------------------------

def read_layers(text):
    """Folder -> rank, lowest first. Folders of one line share a rank."""
    ranks, rank = {}, 0
    for line in text.splitlines():
        names = line.split("#")[0].split()
        for name in names:
            ranks[name] = rank
        rank += bool(names)
    return ranks


def folder_of(path, ranks):
    """The layer that a path below src/ belongs to: the longest one that it begins with."""
    parts = path.split("/")[:-1]
    while parts:
        if "/".join(parts) in ranks:
            return "/".join(parts)
        parts.pop()
    return None


def may_know(user, used, ranks):
    return user == used or ranks[used] < ranks[user]


def check_includes(path, text, ranks, headers):
    below = path[len("src/"):]
    user = folder_of(below, ranks)
    if user is None:
        yield 1, "layer", "this folder is not in src/layers.txt"
        return
    for number, line in enumerate(text.splitlines(), 1):
        quoted = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        angled = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        if quoted:
            name = quoted.group(1)
            used = folder_of(name, ranks)
            if used is None or "src/" + name not in headers:
                yield number, "layer", f'"{name}" is no file below src/; includes are relative to src/'
            elif not may_know(user, used, ranks):
                yield number, "layer", f"{user} may not know {used} (src/layers.txt: only its own folder and earlier lines)"
        elif angled and user in PURE and not is_test(path) and not path.endswith("_bench.cpp") and IO_HEADERS.match(angled.group(1)):
            yield number, "pure-stage", f"<{angled.group(1)}>: {user} does no I/O and has no threads; its caller does"


def check_cmake(text, ranks):
    """The build's own statement of the layers must agree."""
    for match in re.finditer(r"gw_layer\(\s*(\S+?)(?:\s+([^)]*))?\)", text):
        user, number = match.group(1), text.count("\n", 0, match.start()) + 1
        if user not in ranks:
            yield number, "layer", f"{user} is not in src/layers.txt"
            continue
        deps = re.sub(r"TEST_DEPS.*", "", match.group(2) or "", flags=re.S)
        for used in re.findall(r"\bgw_(\w+)", deps):
            known = [n for n in ranks if n.replace("/", "_") == used]
            if not known or not may_know(user, known[0], ranks):
                yield number, "layer", f"{user} may not link {used} (src/layers.txt)"


# ---- sizes -----------------------------------------------------------------------------------------------------------

LITERAL = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\\\s]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)


def blank(text):
    """C++ without comments, literals and directives; line breaks stay."""
    keep_lines = lambda m: "\n" * m.group(0).count("\n") or " "
    return DIRECTIVE.sub(keep_lines, LITERAL.sub(keep_lines, text))


TYPE_HEAD = re.compile(r"^(?:template\s*<.*>\s*)?(?:typedef\s+)?(class|struct|union|enum)\b", re.S)
NAME = re.compile(r"([~\w:]+|operator\s*\S+)\s*\(")


def scope_kind(head):
    """What the brace after `head` opens: a namespace, a type, a function body or a braced value."""
    head = head.strip()
    if re.search(r"\bnamespace\b", head) or head == "extern":
        return "namespace"
    if TYPE_HEAD.match(head) and not re.search(r"\)\s*(const|noexcept|override|final)?\s*$", head):
        return "type"
    if "(" not in head or head.count("(") != head.count(")"):
        return "value"
    # In a constructor's initialiser list `member_{` is a value; the body follows `)`, `}` or a qualifier.
    if re.search(r"\)\s*(?:noexcept\s*(?:\([^()]*\))?\s*)?:(?!:)", head) and re.search(r"\w\s*$", head):
        return "value"
    return "function"


def functions(text):
    """(name, first line, number of lines) of every function body that is not inside another one."""
    code, stack, head, line, start = blank(text), [], "", 1, None
    for ch in code:
        outside = not stack or stack[-1][0] in ("namespace", "type")
        if ch == "{":
            kind = scope_kind(head) if outside else "block"
            stack.append((kind, head, start or line))
            if kind in ("namespace", "type"):
                head, start = "", None
        elif ch == "}" and stack:
            kind, opened, first = stack.pop()
            if kind == "function":
                named = NAME.search(opened)
                yield (named.group(1) if named else "lambda"), first, line - first + 1
            if kind == "value":
                head, start = opened + "{}", first
            elif kind != "block":
                head, start = "", None
        elif outside:
            if ch == ";" or (ch == ":" and head.strip() in ("public", "private", "protected")):
                head, start = "", None
            else:
                head += ch
                if start is None and not ch.isspace():
                    start = line
        if ch == "\n":
            line += 1


def check_sizes(path, text, notes):
    lines = text.count("\n")
    if lines > FILE_MAX:
        yield 1, "file-size", f"{lines} lines; {FILE_MAX} at most: split it by what a reader looks for"
    elif lines > FILE_NOTE:
        notes.append(f"{path}: {lines} lines")
    if not path.startswith("src/") or not path.endswith(CODE):
        return
    for name, first, length in functions(text):
        if length > FUNCTION_MAX:
            yield first, "function-size", f"{name} has {length} lines; {FUNCTION_MAX} at most"
        elif length > FUNCTION_NOTE:
            notes.append(f"{path}:{first}: {name} has {length} lines")


# ---- text ------------------------------------------------------------------------------------------------------------

def check_text(path, text):
    rules = [r for r in TEXT_RULES if r[3](path)]
    for number, line in enumerate(text.splitlines(), 1):
        for rule, pattern, advice, _ in rules:
            found = pattern.search(line)
            if found and f"lint: allow({rule})" not in line:
                yield number, rule, f"{found.group(0).strip()}: {advice}"


def check_links(path, text, root):
    """Relative links of a document lead somewhere."""
    prose = re.sub(r"```.*?```", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    for match in re.finditer(r"\]\(([^)\s]+)\)", prose):
        target = match.group(1).split("#")[0]
        if not target or re.match(r"[a-z]+:", target):
            continue
        if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
            yield prose.count("\n", 0, match.start()) + 1, "dead-link", f"{target} does not exist"


def lint(root):
    """Returns (violations, notes): lines to print."""
    files, notes, bad = tracked(root), [], []
    with open(os.path.join(root, "src/layers.txt")) as f:
        ranks = read_layers(f.read())
    headers = {f for f in files if f.startswith("src/")}
    for path in files:
        if os.path.islink(os.path.join(root, path)):
            continue
        with open(os.path.join(root, path), "rb") as f:
            raw = f.read()
        if b"\0" in raw[:8192] or "/corpus/" in path or "/fixtures/" in path or path.endswith(("package-lock.json", "LICENSE")):
            continue
        text = raw.decode("utf-8", "replace")
        found = []
        if path.startswith("src/") and path.endswith(CODE):
            found += check_includes(path, text, ranks, headers)
        if path == "src/CMakeLists.txt":
            found += check_cmake(text, ranks)
        if path.endswith(".h") and not re.search(r"^#pragma once$|lint: allow\(pragma-once\)", "\n".join(text.splitlines()[:40]), re.M):
            found.append((1, "pragma-once", "a header begins with #pragma once"))
        if path.endswith(SOURCES) or path in BARE_SCRIPTS:
            found += check_sizes(path, text, notes)
        if path.endswith(".md"):
            found += check_links(path, text, root)
        if path not in TEXT_EXEMPT:
            found += check_text(path, text)
        bad += [f"{path}:{number}: {rule}: {what}" for number, rule, what in found]
    return bad, notes


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), ".."))
    bad, notes = lint(root)
    for line in notes:
        print(f"   note: {line}")
    for line in bad:
        print(f"   {line}")
    print(f"   {len(bad)} violations, {len(notes)} notes")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
