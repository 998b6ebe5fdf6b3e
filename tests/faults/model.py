"""A pool as values: what has to be visible after whatever is done to it. Knows no disk, no process and no SSH, and
shares no rule with the program.

`outcome` says what becomes of a peer in a run that nothing disturbs. A run that something disturbs leaves each peer as
it was or as it would be then, never in between: that is what `illegal` looks at.
"""
import dataclasses
import datetime
from dataclasses import field, replace

COLLECT, STAGE, MANIFEST = "cback.collect", "cback.stage", "cback.sha256"
DONE = ("staged", "unchanged")
DEFAULTS = {"verify": "manifest", "subdirectories": "recurse", "special_files": "skip", "ignore_failures": "none",
            "daily_indicator": "complete"}


@dataclasses.dataclass(frozen=True)
class File:
    sha256: str
    size: int
    mtime: int
    mode: int = 0o644


@dataclasses.dataclass
class Tree:
    """What stands in a peer's day: paths are relative to it."""
    files: dict = field(default_factory=dict)
    directories: set = field(default_factory=set)

    def content(self):
        return {path: file.sha256 for path, file in self.files.items()}, self.directories


@dataclasses.dataclass
class Day:
    trees: dict = field(default_factory=dict)
    is_marked: bool = False
    others: set = field(default_factory=set)   # markers of other tools

    def content(self):
        return {name: tree.content() for name, tree in self.trees.items()}, self.is_marked, self.others


@dataclasses.dataclass
class Peer:
    name: str
    kind: str
    read_bit: int = 0          # of a file's mode: without it, who serves the peer cannot read it; 0: he reads all
    runs_commands: bool = True
    files: dict = field(default_factory=dict)      # all regular files but cback.stage and the manifest
    directories: set = field(default_factory=set)
    specials: dict = field(default_factory=dict)   # {path: kind} of what is neither
    sums: dict = None                              # {path: sha256}: its manifest
    changed_at: dict = field(default_factory=dict)  # {path: when a file was changed in any way}
    collected_at: int = None                       # when its cback.collect was written
    told_at: int = None                            # when its cback.stage was written
    settings: dict = field(default_factory=dict)
    is_there: bool = True
    access: str = "write"                          # or "read", or "nothing": to its collect directory

    def source(self, setting):
        """(files, directories, specials) that a run looks at."""
        if setting("subdirectories") == "recurse":
            return self.files, self.directories, self.specials
        top = [{path: what for path, what in group.items() if "/" not in path} for group in (self.files, self.specials)]
        return top[0], {path for path in self.directories if "/" not in path}, top[1]

    def may_be_purged(self, path):
        """Only what a master has staged: the collect was finished, and nothing is newer than his marker."""
        return (COLLECT in self.files and self.told_at is not None
                and self.told_at > max(self.collected_at, self.changed_at[path]))


@dataclasses.dataclass
class Outcome:
    status: str
    tree: Tree = None      # None: the peer is not in the day
    is_told: bool = False

    def content(self):
        return self.tree and self.tree.content()


def is_hostile(path):
    return any(ord(letter) < 32 for letter in path)


class Model:
    def __init__(self, peers):
        self.peers = {peer.name: peer for peer in peers}
        self.days = {}
        self.settings = {}
        self.today = None
        self.is_online = self.is_key_known = True
        self.has_tags = True   # can the file system of the staging directory note what a file was fetched from?
        self.oldest = datetime.timedelta(days=31)   # days before today from which files are taken

    def setting(self, peer):
        return lambda name: peer.settings.get(name, self.settings.get(name, DEFAULTS[name]))

    def before(self, peer):
        day = self.days.get(self.today)
        return Outcome("", day and day.trees.get(peer.name), peer.told_at is not None)

    # --- a run that nothing disturbs

    def outcome(self, peer, is_starting_day):
        before = self.before(peer)
        if self.cannot_be_reached(peer):
            return replace(before, status="failed")
        if not peer.is_there or COLLECT not in peer.files:
            ignored_on = {"none": (), "all": (True, False), "daily": (False,), "weekly": (True,)}
            is_ignored = is_starting_day in ignored_on[self.setting(peer)("ignore_failures")]
            return replace(before, status="ignored" if is_ignored else "not_ready")
        held = before.tree or Tree()
        if self.cannot_be_staged(peer, held):
            return replace(before, status="failed")
        files, directories, _ = self.visible(peer)
        fetched = self.fetched(files, held)
        is_new = before.tree is None or directories - held.directories or any(
            path not in held.files or held.files[path].sha256 != file.sha256 for path, file in fetched.items())
        tree = Tree({**held.files, **fetched}, held.directories | directories) if is_new else held
        if (is_new or not before.is_told) and not (before.is_told or peer.access == "write"):
            return Outcome("failed", tree, False)   # it could not be told
        return Outcome("staged" if is_new else "unchanged", tree, True)

    def cannot_be_reached(self, peer):
        is_away = peer.kind == "remote" and not (self.is_online and self.is_key_known)
        return is_away or peer.is_there and peer.access == "nothing"

    def visible(self, peer):
        """What may be staged of it."""
        files, directories, specials = peer.source(self.setting(peer))
        return files, directories if self.setting(peer)("subdirectories") == "recurse" else set(), specials

    def fetched(self, files, held):
        return {path: file for path, file in files.items() if not self.is_known(held, path, file)}

    def is_known(self, held, path, file):
        there = held.files.get(path)
        return self.has_tags and there and (there.mtime, there.size) == (file.mtime, file.size)

    def earlier(self, peer):
        """What its newest earlier day holds, from which unchanged files are taken."""
        days = [date for date, day in self.days.items()
                if self.today - self.oldest <= date < self.today and peer.name in day.trees]
        return self.days[max(days)].trees[peer.name] if days else Tree()

    def cannot_be_staged(self, peer, held):
        setting = self.setting(peer)
        files, directories, specials = peer.source(setting)
        read = self.fetched(self.fetched(files, held), self.earlier(peer))
        unreadable = [path for path, file in read.items() if peer.read_bit and not file.mode & peer.read_bit]
        is_wrong = setting("verify") != "none" and any(
            path not in files or files[path].sha256 != digest for path, digest in (peer.sums or {}).items())
        return (any(map(is_hostile, [*files, *directories, *specials]))
                or directories and setting("subdirectories") == "fail"
                or specials and setting("special_files") == "fail"
                or self.visible(peer)[1] & held.files.keys() or files.keys() & held.directories
                or unreadable or is_wrong
                or setting("verify") == "checksum" and not peer.runs_commands)

    # --- the day, and the verdict

    def is_day_marked(self, outcomes, is_starting_day):
        """After a run that came to its end."""
        day = self.days.get(self.today, Day())
        held = {name for name in self.peers
                if (outcomes[name].tree if name in outcomes else day.trees.get(name)) is not None}
        ignored = {name for name, outcome in outcomes.items() if outcome.status == "ignored"}
        policy = self.settings.get("daily_indicator", DEFAULTS["daily_indicator"])
        if policy == "always" or policy == "any" and held:
            return True
        if policy == "complete":
            if all(outcomes[name].status in (*DONE, "ignored") if name in outcomes else name in held
                   for name in self.peers):
                return True
            if self.peers.keys() - held - ignored:
                return False
        return day.is_marked

    @staticmethod
    def exit_code(outcomes):
        statuses = {outcome.status for outcome in outcomes.values()}
        return 7 if "failed" in statuses else 8 if "not_ready" in statuses else 0


def illegal(before, undisturbed, found, statuses=()):
    """What is wrong with what was found of one peer after a run that something disturbed, or "". `statuses` are those
    that are right in addition. Without any the run was not disturbed."""
    if found.status not in (undisturbed.status, *statuses):
        return f"is {found.status} instead of {undisturbed.status}"
    if found.status in DONE or not statuses:
        return "" if (found.content(), found.is_told) == (undisturbed.content(), undisturbed.is_told) else (
            f"is {found.status}: {different(found, undisturbed)}")
    if found.content() not in (before.content(), undisturbed.content()):
        return f"is neither as it was nor as it should be: {different(found, undisturbed)}"
    if found.is_told and not before.is_told and (found.content(), True) != (undisturbed.content(), undisturbed.is_told):
        return "was told that it is staged, and is not"
    return ""


def different(found, wanted):
    there, expected = (outcome.content() or ({}, None) for outcome in (found, wanted))
    names = sorted(path for path in there[0].keys() | expected[0].keys() if there[0].get(path) != expected[0].get(path))
    told = f", told: {found.is_told} instead of {wanted.is_told}" if found.is_told != wanted.is_told else ""
    return f"the files {names}, the directories {there[1]} instead of {expected[1]}{told}"
