#!/usr/bin/python3
"""check-layers fails on each kind of include that it is there to refuse, and on nothing else."""
import subprocess
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).resolve().parents[2] / "scripts" / "check-layers"

# name: (files of the tree, what the complaint says; None: none)
CASES = {
    "arrows followed": (
        {"config/a.h": "", "peers/b.h": '#include "config/a.h"', "daemon/c.h": '#include "peers/b.h"'}, None),
    "config includes peers": ({"peers/b.h": "", "config/a.h": '#include "peers/b.h"'},
                              'config/a.h:1: "peers/b.h": config/ must not know peers/'),
    "config includes daemon": ({"daemon/c.h": "", "config/a.cpp": '\n#include "daemon/c.h"'},
                               'config/a.cpp:2: "daemon/c.h": config/ must not know daemon/'),
    "peers includes daemon": ({"daemon/c.h": "", "peers/sftp/b.cpp": '#include "daemon/c.h"'},
                              'peers/sftp/b.cpp:1: "daemon/c.h": peers/ must not know daemon/'),
    "include relative to the file": ({"peers/b.h": "", "peers/c.h": '#include "b.h"'},
                                     'peers/c.h:1: "b.h" is not named from the top'),
    "include of a missing file": ({"peers/c.h": '#include "peers/b.h"'}, '"peers/b.h" does not exist'),
    "libssh in its place": ({"peers/ssh/session.cpp": "#include <libssh/libssh.h>"}, None),
    "libssh elsewhere in peers": ({"peers/remote.cpp": "#include <libssh/libssh.h>"},
                                  "peers/remote.cpp:1: <libssh/libssh.h>: libssh belongs to"),
    "libssh in daemon": ({"daemon/worker.cpp": "#  include <libssh/sftp.h>"}, "daemon/worker.cpp:1: <libssh/sftp.h>"),
    "tinyxml2 in its place": ({"config/xml.cpp": "#include <tinyxml2.h>"}, None),
    "tinyxml2 in a header": ({"config/xml.h": "#include <tinyxml2.h>"}, "config/xml.h:1: <tinyxml2.h>"),
    "pcre2 in one file": ({"config/a.cpp": "#include <pcre2.h>"}, None),
    "pcre2 in two files": ({"config/a.cpp": "#include <pcre2.h>", "config/b.cpp": "#include <pcre2.h>"},
                           "config/b.cpp:1: PCRE2 is included by one other file"),
    "program_options where the arguments are taken apart": (
        {"daemon/arguments.cpp": "#include <boost/program_options.hpp>"}, None),
    "program_options in main": ({"daemon/main.cpp": "#include <boost/program_options.hpp>"},
                                "daemon/main.cpp:1: <boost/program_options.hpp>"),
    "asio in peers": ({"peers/a.cpp": "#include <boost/asio.hpp>"}, "peers/a.cpp:1: <boost/asio.hpp>"),
    "json in config": ({"config/a.cpp": "#include <nlohmann/json.hpp>"}, "config/a.cpp:1: <nlohmann/json.hpp>"),
    "curl in its place": ({"daemon/service/http_post.cpp": "#include <curl/curl.h>"}, None),
    "curl elsewhere": ({"daemon/service/notifier.cpp": "#include <curl/curl.h>"},
                       "daemon/service/notifier.cpp:1: <curl/curl.h>: libcurl belongs to"),
    "log in peers": ({"peers/a.cpp": "#include <spdlog/spdlog.h>"}, "peers/a.cpp:1: <spdlog/spdlog.h>"),
}


class CheckLayers(unittest.TestCase):
    def check(self, files, *arguments):
        with tempfile.TemporaryDirectory() as root:
            for place, text in files.items():
                path = Path(root, place)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text + "\n")
            return subprocess.run([CHECK, "--root", root, *arguments], capture_output=True, text=True)

    def test_includes(self):
        for name, (files, complaint) in CASES.items():
            with self.subTest(name):
                result = self.check(files)
                self.assertEqual(result.returncode, 0 if complaint is None else 1, result.stderr)
                self.assertIn(complaint or "", result.stderr)

    def test_header_that_needs_another_one_before_it(self):
        files = {"config/a.h": "#pragma once\nstd::string name();"}
        self.assertEqual(self.check(files).returncode, 0)
        result = self.check(files, "--headers")
        self.assertEqual(result.returncode, 1)
        self.assertIn("config/a.h: does not compile alone", result.stderr)


if __name__ == "__main__":
    unittest.main()
