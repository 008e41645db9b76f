# SPDX-License-Identifier: Apache-2.0
"""Holds every conf/*.yaml, and some files that must fail, against conf/policy.schema.json."""
import json
import pathlib
import sys

import jsonschema
import yaml

BASE = {"version": 1, "targets": {"a": {"rules": [{"policy": "memory-limit", "ratio": 0.8}]}}}

# What an editor must mark: a change to BASE, as path and value.
MUST_FAIL = [
    (["moed"], "dry-run"),
    (["version"], 2),
    (["mode"], "enfroce"),
    (["interval"], 5),
    (["sources"], {"app": {"signals": {"x": "y"}}}),
    (["sources"], {"app": {"prometheus": "http://a", "promql": "http://b", "signals": {}}}),
    (["sources"], {"app": {"prometheus": "ftp://a", "signals": {}}}),
    (["targets", "a", "bounds"], {"gc_percent": 5}),
    (["targets", "a", "bounds"], {"gc_percnt": "5..6"}),
    (["targets", "a", "match"], {"label": "x"}),
    (["targets", "a", "rules", 0, "when"], "proc.rss > 1GiB"),
    (["targets", "a", "rules", 0, "policy"], "threshold"),
    (["targets", "a", "rules", 0, "do"], {"purge": {}, "gc": {}}),
]


def main(conf):
    schema = json.loads((conf / "policy.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    files = sorted(conf.glob("*.yaml"))
    assert files, "there are policy files to look at"
    for f in files:
        errors = [e.message for e in validator.iter_errors(yaml.safe_load(f.read_text()))]
        assert not errors, f"{f.name} follows the schema: {errors}"
    assert validator.is_valid(BASE), "the base of the bad ones is good"
    for path, value in MUST_FAIL:
        bad = json.loads(json.dumps(BASE))
        at = bad
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value
        assert not validator.is_valid(bad), f"{path} = {value} is refused"
    print(f"{len(files)} files follow the schema, {len(MUST_FAIL)} bad ones do not")


main(pathlib.Path(sys.argv[1]))
