"""What Cedar Backup itself makes of actions: one case a line on standard input, as JSON, and for each a line with the
items in their order ("collect here, collect peers"), or "error".
"""
import json
import logging
import sys

from CedarBackup3.cli import _ActionSet, _ManagedActionItem
from CedarBackup3.config import (
    ActionDependencies, ExtendedAction, ExtensionsConfig, OptionsConfig, PeersConfig, RemotePeer)

logging.disable(logging.CRITICAL)


def extension(case, by_dependency):
    depends = ActionDependencies(case["run_before"], case["run_after"]) if by_dependency else None
    return ExtendedAction(case["name"], "os", "getcwd", case["index"], depends)


def items(case):
    by_dependency = case["order_mode"] == "dependency"
    extensions = ExtensionsConfig([extension(each, by_dependency) for each in case["extensions"]], case["order_mode"])
    names = ["collect", "stage", "store", "purge", "rebuild", "validate", "initialize",
             *(each["name"] for each in case["extensions"])]
    peer = RemotePeer("peer", "/collect", "user", "/usr/bin/scp", "/usr/bin/ssh", "cback3", True, names)
    actions = _ActionSet(case["words"], extensions, OptionsConfig(), PeersConfig(remotePeers=[peer]),
                         case["managed"] != "local", case["managed"] != "only")
    for item in actions.actionSet:
        yield f"{item.name} {'peers' if isinstance(item, _ManagedActionItem) else 'here'}"


for line in sys.stdin:
    try:
        print(", ".join(items(json.loads(line))), flush=True)
    except ValueError:
        print("error", flush=True)
