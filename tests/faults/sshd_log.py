"""What a server saw of us, by its own log (promise I10)."""
import re

CONNECTION = re.compile(r"Connection from \S+ port (\d+) on (\S+) port \d+")
# A server names a user as soon as it was asked to let one in, and not before.
WITH_USER = re.compile(r"(?:for|user) .*?\S+ (?:from )?\S+ port (\d+)")
METHOD = re.compile(r"(?:Accepted|Failed|Postponed|Partial) (\S+) for |userauth-request for .* method (\S+)")
OTHER_SESSION = re.compile(r"Starting session: (shell|command)")
REQUESTS = re.compile(r"tcpip-forward|direct-tcpip|x11-req|auth-agent-req|session_pty_req|Allocated pty")


def offences(text, refused, commands_allowed):
    """What must not be in the lines that a run left. `refused` are addresses whose host key is not the known one."""
    ports = set()
    for line in text.splitlines():
        connection = CONNECTION.search(line)
        if connection and connection[2] in refused:
            ports.add(connection[1])
            continue
        user = WITH_USER.search(line)
        if user and user[1] in ports:
            yield f"a login was tried after the host key was refused: {line}"
        method = METHOD.search(line)
        if method and (method[1] or method[2]) not in ("publickey", "key"):
            yield f"it was tried to log in by {method[1] or method[2]}: {line}"
        session = OTHER_SESSION.search(line)
        if session and not (session[1] == "command" and commands_allowed) or REQUESTS.search(line):
            yield f"the server was asked for more than files: {line}"
