"""How Cedar Backup splits a command: one text a line on standard input, as JSON, and for each a line with its words."""
import json
import sys

from CedarBackup3.util import splitCommandLine

for line in sys.stdin:
    print(json.dumps(splitCommandLine(json.loads(line))), flush=True)
