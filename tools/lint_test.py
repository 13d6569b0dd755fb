#!/usr/bin/env python3
"""Plants one violation of each rule in a small tree and expects lint.py to name it; and expects silence where there is none."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lint

LAYERS = "# lowest first\nbase\nmodel http\nroute\nstore/sqlite\napp\n"


class Tree(unittest.TestCase):
    """A checkout in a scratch folder, without a repository."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = scratch.name
        self.put("src/layers.txt", LAYERS)
        self.put("src/base/text.h", "#pragma once\n")
        self.put("src/model/trace.h", '#pragma once\n#include "base/text.h"\n')

    def put(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)

    def violations(self):
        return lint.lint(self.root)[0]

    def expect_one(self, where, rule):
        found = self.violations()
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{where}: {rule}: "), found[0])


class Layers(Tree):
    def test_a_clean_tree_has_no_violation(self):
        self.put("src/app/main.cpp", '#include <thread>\n#include "model/trace.h"\n#include "app/wire.h"\n')
        self.put("src/app/wire.h", "#pragma once\n")
        self.assertEqual(self.violations(), [])

    def test_a_lower_folder_may_not_include_a_higher_one(self):
        self.put("src/base/text.cpp", '#include "base/text.h"\n#include "model/trace.h"\n')
        self.expect_one("src/base/text.cpp:2", "layer")

    def test_folders_of_one_line_do_not_know_each_other(self):
        self.put("src/http/codec.cpp", '#include "model/trace.h"\n')
        self.expect_one("src/http/codec.cpp:1", "layer")

    def test_a_test_may_include_no_more_than_its_folder(self):
        self.put("src/app/wire.h", "#pragma once\n")
        self.put("src/base/text_test.cpp", '#include "app/wire.h"\n')
        self.expect_one("src/base/text_test.cpp:1", "layer")

    def test_a_folder_below_a_layer_belongs_to_it(self):
        self.put("src/app/demo/demo.cpp", '#include "model/trace.h"\n')
        self.put("src/base/deep/down.cpp", '#include "model/trace.h"\n')
        self.expect_one("src/base/deep/down.cpp:1", "layer")

    def test_a_nested_layer_is_not_its_parent(self):
        self.put("src/store/sqlite/store.h", "#pragma once\n")
        self.put("src/route/match.cpp", '#include "store/sqlite/store.h"\n')
        self.expect_one("src/route/match.cpp:1", "layer")

    def test_an_include_that_is_not_relative_to_src_is_named(self):
        self.put("src/model/trace.cpp", '#include "trace.h"\n')
        self.expect_one("src/model/trace.cpp:1", "layer")

    def test_a_folder_that_the_layers_do_not_name_is_refused(self):
        self.put("src/extra/x.cpp", "int x();\n")
        self.expect_one("src/extra/x.cpp:1", "layer")

    def test_the_build_may_not_link_upwards(self):
        self.put("src/CMakeLists.txt", "gw_layer(base DEPS fmt::fmt)\ngw_layer(http DEPS gw_base\n  gw_store_sqlite)\n")
        self.expect_one("src/CMakeLists.txt:2", "layer")

    def test_a_deciding_stage_does_no_io(self):
        self.put("src/route/match.cpp", "#include <string>\n#include <thread>\n")
        self.put("src/route/match_test.cpp", "#include <thread>\n")
        self.expect_one("src/route/match.cpp:2", "pure-stage")


class Sizes(Tree):
    def body(self, lines):
        return "".join(f"  use({i});\n" for i in range(lines))

    def test_a_file_over_the_limit(self):
        self.put("src/base/long.cpp", "int x;\n" * 701)
        self.expect_one("src/base/long.cpp:1", "file-size")

    def test_a_long_file_within_the_limit_is_a_note(self):
        self.put("src/base/long.cpp", "int x;\n" * 700)
        violations, notes = lint.lint(self.root)
        self.assertEqual((violations, notes), ([], ["src/base/long.cpp: 700 lines"]))

    def test_a_function_over_the_limit(self):
        self.put("src/base/f.cpp", "namespace gw {\nvoid f(int a) {\n" + self.body(69) + "}\n}\n")
        self.expect_one("src/base/f.cpp:2", "function-size")

    def test_a_function_at_the_limit(self):
        self.put("src/base/f.cpp", "namespace gw {\nvoid f(int a) {\n" + self.body(68) + "}\n}\n")
        self.assertEqual(self.violations(), [])

    def test_methods_constructors_tests_and_templates_are_measured(self):
        text = ("struct A {\n  A() : a_{1}, b_(2) {\n" + self.body(70) + "  }\n};\n"
                "template <typename T>\nauto g(T t, int n = 3) -> Result<T> {\n" + self.body(70) + "}\n"
                "TEST(Suite, name) {\n" + self.body(70) + "}\n")
        self.put("src/base/f.cpp", text)
        self.assertEqual([v.split(": ")[2].split(" ")[0] for v in self.violations()], ["A", "g", "TEST"])

    def test_braces_in_text_and_comments_do_not_count(self):
        text = 'void f() {\n  a("}{{");  // }\n  b(\'{\', R"x(}}}" )x", 1\'000); /* { */\n}\nvoid g() {\n' + self.body(70) + "}\n"
        self.put("src/base/f.cpp", text)
        self.expect_one("src/base/f.cpp:5", "function-size")

    def test_a_long_table_is_no_function(self):
        self.put("src/base/t.cpp", "constexpr int kTable[] = {\n" + "  1,\n" * 90 + "};\nstd::map<int, int> m(f({1, 2}));\n")
        self.assertEqual(self.violations(), [])


class Text(Tree):
    def test_unfinished_work(self):
        self.put("src/base/a.cpp", "// TODO: later\n")
        self.expect_one("src/base/a.cpp:1", "unfinished")

    def test_a_path_of_one_machine(self):
        self.put("tools/x.py", 'open("/home/alice/data")\n')
        self.expect_one("tools/x.py:1", "machine-path")

    def test_a_sleeping_test(self):
        self.put("src/base/a_test.cpp", "std::this_thread::sleep_for(1ms);\n")
        self.expect_one("src/base/a_test.cpp:1", "sleep")

    def test_sleeping_outside_tests_is_the_codes_own_affair(self):
        self.put("src/app/a.cpp", "std::this_thread::sleep_for(1ms);\n")
        self.assertEqual(self.violations(), [])

    def test_a_line_may_give_its_reason(self):
        self.put("src/base/a_test.cpp", "sleep(1);  // lint: allow(sleep) the clock under test is the kernel's\n")
        self.assertEqual(self.violations(), [])

    def test_a_skipped_test(self):
        self.put("tests/e2e/a.test.js", "it.skip('works', () => {})\n")
        self.expect_one("tests/e2e/a.test.js:1", "skipped-test")

    def test_a_header_without_its_guard(self):
        self.put("src/base/b.h", "int b();\n")
        self.expect_one("src/base/b.h:1", "pragma-once")

    def test_a_dead_link_in_a_document(self):
        self.put("README.md", "[here](docs/a.md) and [there](https://example.org/x) and [missing](docs/b.md#part)\n")
        self.put("docs/a.md", "[up](../README.md)\n")
        self.expect_one("README.md:1", "dead-link")


class Program(Tree):
    def run_lint(self):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lint.py")
        return subprocess.run([sys.executable, "-B", script, self.root], capture_output=True, text=True)

    def test_status_and_output(self):
        self.assertEqual(self.run_lint().returncode, 0)
        self.put("src/base/a.cpp", '#include "model/trace.h"\n')
        run = self.run_lint()
        self.assertEqual(run.returncode, 1)
        self.assertIn("src/base/a.cpp:1: layer: base may not know model", run.stdout)


if __name__ == "__main__":
    unittest.main()
