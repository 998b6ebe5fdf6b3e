// Goes into the program by LD_PRELOAD and stands where somebody would who took over a worker: in its process,
// after it confined itself, when it turns to its peer. There it tries what such a one would, and tells each
// attempt on the standard error output, `probe WORKER NAME ERRNO` (0: it was let). Then the worker goes on
// with its work.
//
// The first worker of a run only sits and waits until the second was reaped: it is somebody to be attacked.
//
//   PROBE_COLLECT  how the collect directories of local peers begin
//   PROBE_PLACES   NAME=DIRECTORY:... to write into, and where there is a file `file`, at that
//   PROBE_FILES    NAME=FILE:... to read
//   PROBE_PORT     where somebody listens
//   PROBE_SOCKET   the Unix socket of somebody
//   PROBE_LANDLOCK the version of Landlock that the program is told, where the kernel's is not older

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <sched.h>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace {

/// What the supervisor knows of its workers; each has a copy of what was known when it was forked.
struct Workers {
  std::array<pid_t, 8> pids{};
  std::size_t count = 0;
};
Workers workers;
std::uint32_t* reaped = nullptr;  // how many; the supervisor's
const volatile std::uint32_t* seen =
    nullptr;  // the same page, which a worker may keep because it cannot write it
bool is_supervisor = false;
bool has_tried = false;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

__attribute__((constructor)) void begin() {
  is_supervisor = true;
  const int page = ::memfd_create("probe", MFD_CLOEXEC);
  if (page < 0 || ::ftruncate(page, 4096) != 0) return;
  reaped = static_cast<std::uint32_t*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0));
  const int read_only = ::open(("/proc/self/fd/" + std::to_string(page)).c_str(), O_RDONLY | O_CLOEXEC);
  seen = static_cast<std::uint32_t*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, read_only, 0));
  ::close(read_only);
  ::close(page);
}

/// `NAME=PATH:NAME=PATH`
std::vector<std::pair<std::string, std::string>> pairs(const char* name) {
  std::vector<std::pair<std::string, std::string>> found;
  std::istringstream list(variable(name));
  for (std::string each; std::getline(list, each, ':');) {
    const std::size_t at = each.find('=');
    if (at != std::string::npos) found.emplace_back(each.substr(0, at), each.substr(at + 1));
  }
  return found;
}

/// -1 and errno, or success.
using Attempt = std::function<long()>;

void attempt(const std::string& name, const Attempt& what) {
  errno = 0;
  const int result = what() < 0 ? (errno != 0 ? errno : EPERM) : 0;
  ::dprintf(STDERR_FILENO, "probe %s %d\n", name.c_str(), result);
}

/// What it says in a child, where it can do no harm; where there can be no child, here.
long in_child(const std::function<void()>& what) {
  const pid_t child = ::fork();
  if (child <= 0) {
    what();
    const int error = errno;
    if (child == 0) ::_exit(error);
    errno = error;
    return -1;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  return errno == 0 ? 0 : -1;
}

long opens(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0) return -1;
  ::close(file);
  return 0;
}

/// The access mode 3 of open(2): neither to read nor to write, but for ioctl(2), and whatever else takes a
/// descriptor.
void try_without_access(const std::string& name, const std::string& file) {
  const auto at = [&](const char* what) { return "write." + name + "." + what; };
  attempt(at("cut_without_access"), [&] { return opens(file, O_ACCMODE | O_TRUNC); });
  attempt(at("fchmod_without_access"), [&] {
    const int opened = ::open(file.c_str(), O_ACCMODE | O_CLOEXEC);
    return opened < 0 ? -1 : ::fchmod(opened, 0644);
  });
}

void try_place(const std::string& name, const std::string& place) {
  const std::string file = place + "/file", fresh = place + "/probe";
  const auto at = [&](const char* what) { return "write." + name + "." + what; };
  attempt(at("create"), [&] { return opens(fresh, O_WRONLY | O_CREAT | O_EXCL); });
  attempt(at("tmpfile"), [&] { return opens(place, O_WRONLY | O_TMPFILE); });
  attempt(at("create_setuid"), [&] {
    const int file_of_its_own = ::open((place + "/setuid").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 04755);
    return file_of_its_own < 0 ? -1 : ::close(file_of_its_own);
  });
  attempt(at("symlink"), [&] { return ::symlink("file", (place + "/symlink").c_str()); });
  attempt(at("mkdir"), [&] { return ::mkdir((place + "/directory").c_str(), 0700); });
  attempt(at("mkfifo"), [&] { return ::mkfifo((place + "/fifo").c_str(), 0600); });
  if (::access(file.c_str(), F_OK) != 0) return;
  attempt(at("open"), [&] { return opens(file, O_WRONLY); });
  attempt(at("append"), [&] { return opens(file, O_WRONLY | O_APPEND); });
  attempt(at("cut"), [&] { return ::truncate(file.c_str(), 0); });
  attempt(at("cut_while_reading"), [&] { return opens(file, O_RDONLY | O_TRUNC); });
  attempt(at("rename"), [&] {
    const std::string renamed = place + "/renamed";
    const int result = ::rename(file.c_str(), renamed.c_str());
    return result == 0 ? ::rename(renamed.c_str(), file.c_str()) : result;
  });
  attempt(at("link"), [&] { return ::link(file.c_str(), (place + "/link").c_str()); });
  attempt(at("chmod"), [&] { return ::chmod(file.c_str(), 0600); });
  attempt(at("chown"), [&] { return ::chown(file.c_str(), ::getuid(), ::getgid()); });
  attempt(at("utimes"), [&] { return ::utimes(file.c_str(), nullptr); });
  attempt(at("setxattr"), [&] { return ::setxattr(file.c_str(), "user.probe", "x", 1, 0); });
  attempt(at("fchmod"), [&] {
    const int opened = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    return opened < 0 ? -1 : ::fchmod(opened, 0644);
  });
  attempt(at("setuid"), [&] {
    const int opened = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    return opened < 0 ? -1 : ::fchmod(opened, 04755);
  });
  try_without_access(name, file);
  attempt(at("unlink"), [&] { return ::unlink(file.c_str()); });
}

void try_reading() {
  for (const auto& [name, path] : pairs("PROBE_FILES"))
    attempt("read." + name, [&] { return opens(path, O_RDONLY); });
  attempt("read.proc", [] { return opens("/proc", O_RDONLY | O_DIRECTORY); });
}

/// What a worker may read and is somebody else's.
void try_a_library() {
  Dl_info library{};
  struct stat status {};
  attempt("write.libc.fchmod", [&] {
    if (::dladdr(reinterpret_cast<const void*>(&::getpid), &library) == 0) return -1;
    const int opened = ::open(library.dli_fname, O_RDONLY | O_CLOEXEC);
    return ::fstat(opened, &status) != 0 ? -1 : ::fchmod(opened, status.st_mode & 07777U);
  });
  attempt("write.libc.times", [&] {
    const int opened = ::open(library.dli_fname, O_RDONLY | O_CLOEXEC);
    return opened < 0 ? -1 : ::futimens(opened, nullptr);
  });
}

void try_looking_into(const std::string& name, pid_t whom) {
  const std::string proc = "/proc/" + std::to_string(whom) + "/";
  for (const char* file : {"mem", "environ", "maps", "fd", "cmdline", "auxv", "root/etc/passwd"})
    attempt("look." + name + "." + file, [&] { return opens(proc + file, O_RDONLY); });
  attempt("look." + name + ".exe", [&] {
    std::array<char, 16> text{};
    return ::readlink((proc + "exe").c_str(), text.data(), text.size());
  });
  attempt("look." + name + ".ptrace", [&] {
    const long result = ::ptrace(PTRACE_SEIZE, whom, nullptr, nullptr);
    if (result == 0) ::ptrace(PTRACE_DETACH, whom, nullptr, nullptr);
    return result;
  });
  std::array<char, 8> bytes{};
  iovec here{bytes.data(), bytes.size()}, there{&workers, bytes.size()};
  attempt("look." + name + ".process_vm_readv",
          [&] { return ::process_vm_readv(whom, &here, 1, &there, 1, 0); });
  attempt("look." + name + ".process_vm_writev",
          [&] { return ::process_vm_writev(whom, &here, 1, &there, 1, 0); });
  attempt("look." + name + ".kcmp", [&] { return ::syscall(SYS_kcmp, ::getpid(), whom, 0, 0, 0); });
  attempt("look." + name + ".pidfd_getfd", [&] {
    const long handle = ::syscall(SYS_pidfd_open, whom, 0);
    return handle < 0 ? -1 : ::syscall(SYS_pidfd_getfd, handle, 0, 0);
  });
}

void try_signals(const std::string& name, pid_t whom) {
  const auto of = [&](const char* what) { return "signal." + name + "." + what; };
  attempt(of("kill"), [&] { return ::kill(whom, SIGCONT); });
  attempt(of("killpg"), [&] { return ::kill(-::getpgid(whom), 0); });
  attempt(of("tkill"), [&] { return ::syscall(SYS_tkill, whom, SIGCONT); });
  attempt(of("tgkill"), [&] { return ::syscall(SYS_tgkill, whom, whom, SIGCONT); });
  attempt(of("sigqueue"), [&] { return ::sigqueue(whom, SIGCONT, {}); });
  attempt(of("pidfd"), [&] {
    const long handle = ::syscall(SYS_pidfd_open, whom, 0);
    return handle < 0 ? -1 : ::syscall(SYS_pidfd_send_signal, handle, SIGCONT, nullptr, 0);
  });
  attempt(of("setown"), [&] { return ::fcntl(STDERR_FILENO, F_SETOWN, whom); });
  attempt(of("setpgid"), [&] { return ::setpgid(0, ::getpgid(whom)); });
  attempt(of("prlimit"), [&] {
    rlimit limit{};
    return ::prlimit(whom, RLIMIT_NOFILE, nullptr, &limit);
  });
  attempt(of("setpriority"), [&] { return ::setpriority(PRIO_PROCESS, static_cast<id_t>(whom), 19); });
  attempt(of("affinity"), [&] {
    cpu_set_t set;
    ::sched_getaffinity(0, sizeof set, &set);
    return ::sched_setaffinity(whom, sizeof set, &set);
  });
}

void execute(const char* path) {
  const std::array<char*, 2> words{const_cast<char*>(path), nullptr};
  ::execve(path, words.data(), environ);
}

void try_executing() {
  attempt("process.fork", [] {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    if (child > 0) ::waitpid(child, nullptr, 0);
    return child;
  });
  attempt("process.execve", [] { return in_child([] { execute("/bin/true"); }); });
  attempt("process.shell", [] { return in_child([] { execute("/bin/sh"); }); });
  attempt("process.proc_self_exe", [] { return in_child([] { execute("/proc/self/exe"); }); });
  for (const auto& [name, path] : pairs("PROBE_FILES")) {
    if (name == "program")
      attempt("process.own_program", [&] { return in_child([&] { execute(path.c_str()); }); });
  }
  attempt("process.memfd", [] { return ::memfd_create("probe", 0); });
  attempt("process.fexecve", [] {
    const int program = ::open("/bin/true", O_PATH | O_CLOEXEC);
    return in_child([&] { ::syscall(SYS_execveat, program, "", nullptr, environ, AT_EMPTY_PATH); });
  });
  attempt("process.writable_code", [] {
    void* const page = ::mmap(nullptr, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -1 : 0;
  });
  attempt("process.code_written_before", [] {
    void* const page = ::mmap(nullptr, 4096, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return ::mprotect(page, 4096, PROT_READ | PROT_EXEC);
  });
}

long capset_all() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (auto& each : data) each = {~0U, ~0U, ~0U};
  return ::syscall(SYS_capset, &header, data.data());
}

long in_namespace(int flag) {
  const long child = ::syscall(SYS_clone, flag | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) ::_exit(0);
  if (child > 0) ::waitpid(static_cast<pid_t>(child), nullptr, 0);
  return child;
}

void try_privileges() {
  attempt("privilege.setresuid", [] { return ::setresuid(0, 0, 0); });
  attempt("privilege.setresgid", [] { return ::setresgid(0, 0, 0); });
  attempt("privilege.setgroups", [] { return ::setgroups(0, nullptr); });
  attempt("privilege.capset", [] { return capset_all(); });
  attempt("privilege.ambient",
          [] { return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0); });
  attempt("privilege.no_new_privs", [] { return ::prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0); });
  attempt("privilege.unshare", [] { return ::unshare(CLONE_NEWUSER); });
  attempt("privilege.clone_namespace", [] { return in_namespace(CLONE_NEWUSER | CLONE_NEWNS); });
  attempt("privilege.setns",
          [] { return ::setns(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)), CLONE_NEWNET); });
  attempt("privilege.chroot", [] { return ::chroot("/"); });
  attempt("privilege.mount", [] { return ::syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr); });
  attempt("privilege.fsopen", [] { return ::syscall(SYS_fsopen, "tmpfs", 0); });
  attempt("privilege.keyctl",
          [] { return ::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1); });
  attempt("privilege.add_key",
          [] { return ::syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_PROCESS_KEYRING); });
  attempt("privilege.bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); });
  attempt("privilege.perf", [] { return ::syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0); });
  attempt("privilege.userfaultfd", [] { return ::syscall(SYS_userfaultfd, 1); });
  attempt("privilege.io_uring", [] {
    std::array<char, 120> parameters{};
    return ::syscall(SYS_io_uring_setup, 4, parameters.data());
  });
  attempt("privilege.open_by_handle", [] { return ::syscall(SYS_open_by_handle_at, -1, nullptr, 0); });
  attempt("privilege.newer_than_all", [] { return ::syscall(452, AT_FDCWD, "/", 0, 0); });  // fchmodat2
  attempt("privilege.personality", [] { return ::syscall(SYS_personality, 0x0040000); });
  attempt("privilege.hostname", [] { return ::sethostname("probe", 5); });
  attempt("privilege.core_pattern", [] { return opens("/proc/sys/kernel/core_pattern", O_WRONLY); });
  attempt("privilege.kmsg", [] { return opens("/dev/kmsg", O_WRONLY); });
  attempt("privilege.mem", [] { return opens("/dev/mem", O_RDONLY); });
  attempt("privilege.tty", [] { return opens("/dev/tty", O_RDWR); });
  attempt("privilege.ptmx", [] { return opens("/dev/ptmx", O_RDWR | O_NOCTTY); });
#ifdef __x86_64__
  attempt("privilege.other_architecture", [] {
    long result = 20;  // getpid(2) of i386
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    errno = static_cast<int>(-result);
    return result < 0 ? -1L : 0L;
  });
#endif
}

/// Whether one of the descriptors that the supervisor shares with its worker is let.
long with_a_descriptor(const std::function<long(int)>& what) {
  int error = ENOENT;
  for (int each = STDERR_FILENO + 1; each < 256; ++each) {
    if (::fcntl(each, F_GETFD) < 0) continue;
    if (what(each) == 0) return 0;
    error = errno;
  }
  errno = error;
  return -1;
}

/// The locks of a run belong to descriptors, and who has one of these can let go of them.
void try_locks() {
  struct flock whole {};
  whole.l_whence = SEEK_SET;
  whole.l_type = F_UNLCK;
  attempt("lasting.share_lock",
          [] { return with_a_descriptor([](int each) { return ::flock(each, LOCK_SH | LOCK_NB); }); });
  attempt("lasting.unlock",
          [] { return with_a_descriptor([](int each) { return ::flock(each, LOCK_UN); }); });
  attempt("lasting.unlock_range",
          [&] { return with_a_descriptor([&](int each) { return ::fcntl(each, F_OFD_SETLK, &whole); }); });
  attempt("lasting.unlock_range_patiently",
          [&] { return with_a_descriptor([&](int each) { return ::fcntl(each, F_OFD_SETLKW, &whole); }); });
}

void try_lasting_things() {
  attempt("lasting.shm", [] { return ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600); });
  attempt("lasting.msg", [] { return ::msgget(IPC_PRIVATE, IPC_CREAT | 0600); });
  attempt("lasting.mq", [] { return ::syscall(SYS_mq_open, "probe", O_RDWR | O_CREAT, 0600, nullptr); });
  attempt("lasting.outlive", [] { return ::prctl(PR_SET_PDEATHSIG, 0); });
  attempt("lasting.inotify", [] { return ::syscall(SYS_inotify_init1, 0); });
}

long raises(__rlimit_resource resource) {
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  return ::setrlimit(resource, &all);
}

void try_limits() {
  attempt("limit.core", [] { return raises(RLIMIT_CORE); });
  attempt("limit.address_space", [] { return raises(RLIMIT_AS); });
  attempt("limit.descriptors", [] { return raises(RLIMIT_NOFILE); });
  attempt("limit.memory", [] {
    void* const much =
        ::mmap(nullptr, 3UL << 30U, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return much == MAP_FAILED ? -1 : 0;
  });
}

sockaddr_in listener() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(variable("PROBE_PORT").c_str())));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

template <typename Address>
const sockaddr* generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// A socket, and what is done with it.
long with_socket(int family, int type, const std::function<long(int)>& what, int protocol = 0) {
  const int socket = ::socket(family, type | SOCK_CLOEXEC, protocol);
  if (socket < 0) return -1;
  const long result = what(socket);
  const int error = errno;
  ::close(socket);
  errno = error;
  return result;
}

/// To connect by sending: Landlock asks about connect(2) alone.
void try_connecting_by_sending(sockaddr_in address) {
  const auto sends = [](const std::function<long(int)>& what) {
    return with_socket(AF_INET, SOCK_STREAM, what);
  };
  char byte = 'x';
  iovec bytes{&byte, 1};
  mmsghdr message{};
  message.msg_hdr.msg_name = &address;
  message.msg_hdr.msg_namelen = sizeof address;
  message.msg_hdr.msg_iov = &bytes;
  message.msg_hdr.msg_iovlen = 1;
  attempt("network.fastopen", [&] {
    return sends(
        [&](int s) { return ::sendto(s, &byte, 1, MSG_FASTOPEN, generic(address), sizeof address); });
  });
  attempt("network.fastopen_sendmsg",
          [&] { return sends([&](int s) { return ::sendmsg(s, &message.msg_hdr, MSG_FASTOPEN); }); });
  attempt("network.fastopen_sendmmsg",
          [&] { return sends([&](int s) { return ::sendmmsg(s, &message, 1, MSG_FASTOPEN); }); });
  attempt("network.multipath", [&] {
    return with_socket(
        AF_INET, SOCK_STREAM, [&](int s) { return ::connect(s, generic(address), sizeof address); },
        IPPROTO_MPTCP);
  });
}

void try_network() {
  const sockaddr_in address = listener();
  try_connecting_by_sending(address);
  attempt("network.connect", [&] {
    return with_socket(AF_INET, SOCK_STREAM,
                       [&](int s) { return ::connect(s, generic(address), sizeof address); });
  });
  sockaddr_in any = address;
  any.sin_port = 0;
  attempt("network.bind", [&] {
    return with_socket(AF_INET, SOCK_STREAM, [&](int s) { return ::bind(s, generic(any), sizeof any); });
  });
  attempt("network.listen",
          [&] { return with_socket(AF_INET, SOCK_STREAM, [&](int s) { return ::listen(s, 1); }); });
  attempt("network.datagram", [&] {
    return with_socket(AF_INET, SOCK_DGRAM,
                       [&](int s) { return ::sendto(s, "x", 1, 0, generic(address), sizeof address); });
  });
  for (const auto& [name, family] : {std::pair{"packet", AF_PACKET},
                                     {"vsock", AF_VSOCK},
                                     {"alg", AF_ALG},
                                     {"bluetooth", AF_BLUETOOTH},
                                     {"can", AF_CAN},
                                     {"key", AF_KEY}}) {
    attempt(std::string("network.") + name,
            [&, which = family] { return with_socket(which, SOCK_RAW, [](int) { return 0; }); });
  }
  attempt("network.raw", [] {
    return with_socket(
        AF_INET, SOCK_RAW, [](int) { return 0; }, IPPROTO_ICMP);
  });
  attempt("network.netlink", [] {
    return with_socket(
        AF_NETLINK, SOCK_RAW, [](int) { return 0; }, NETLINK_KOBJECT_UEVENT);
  });
  const std::string path = variable("PROBE_SOCKET");
  sockaddr_un unix_address{};
  unix_address.sun_family = AF_UNIX;
  std::strncpy(unix_address.sun_path, path.c_str(), sizeof unix_address.sun_path - 1);
  attempt("network.unix", [&] {
    return with_socket(AF_UNIX, SOCK_STREAM,
                       [&](int s) { return ::connect(s, generic(unix_address), sizeof unix_address); });
  });
  sockaddr_un abstract{};
  abstract.sun_family = AF_UNIX;
  const std::string name = "probe-" + variable("PROBE_PORT");
  std::memcpy(abstract.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  attempt("network.abstract", [&] {
    return with_socket(AF_UNIX, SOCK_STREAM, [&](int s) { return ::connect(s, generic(abstract), length); });
  });
}

void try_everything() {
  for (const auto& [name, place] : pairs("PROBE_PLACES")) try_place(name, place);
  try_reading();
  try_a_library();
  const pid_t supervisor = ::getppid(), other = workers.pids[0];
  try_looking_into("supervisor", supervisor);
  try_looking_into("worker", other);
  try_signals("supervisor", supervisor);
  try_signals("worker", other);
  attempt("signal.everybody", [] { return ::kill(-1, 0); });
  try_executing();
  try_privileges();
  try_lasting_things();
  try_locks();
  try_limits();
  try_network();
  ::dprintf(STDERR_FILENO, "probe end 0\n");
}

void at_work() {
  if (is_supervisor || has_tried) return;
  has_tried = true;
  if (workers.count > 0) {
    try_everything();
    return;
  }
  while (*seen == 0) ::poll(nullptr, 0, 10);
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

int openat_as(const char* name, int directory, const char* path, int flags, mode_t mode) {
  constexpr int as_connection = O_PATH | O_DIRECTORY;
  // Before, it is Landlock that is told of the place.
  const bool is_confined = ::prctl(PR_GET_SECCOMP) == 2;
  const bool is_connection = !is_supervisor && is_confined && (flags & as_connection) == as_connection;
  if (is_connection && std::string_view(path).starts_with(variable("PROBE_COLLECT"))) at_work();
  return next<int (*)(int, const char*, int, mode_t)>(name)(directory, path, flags, mode);
}

}  // namespace

extern "C" {

pid_t fork() {
  static const auto real = next<pid_t (*)()>("fork");
  const pid_t child = real();
  if (child == 0) is_supervisor = false;
  if (child > 0 && is_supervisor && workers.count < workers.pids.size())
    workers.pids[workers.count++] = child;
  return child;
}

pid_t waitpid(pid_t pid, int* status, int options) {
  const pid_t ended = next<pid_t (*)(pid_t, int*, int)>("waitpid")(pid, status, options);
  if (is_supervisor && ended > 0) ++*reaped;
  return ended;
}

/// An older Landlock is one that says so: what its version does not know, the program does not ask for.
long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  std::array<long, 6> values{};
  for (long& value : values) value = va_arg(rest, long);
  va_end(rest);
  static const auto real = next<long (*)(long, ...)>("syscall");
  const long result = real(number, values[0], values[1], values[2], values[3], values[4], values[5]);
  const bool asks = number == SYS_landlock_create_ruleset && values[2] == LANDLOCK_CREATE_RULESET_VERSION;
  const std::string told = variable("PROBE_LANDLOCK");
  return asks && !told.empty() ? std::min(result, std::atol(told.c_str())) : result;
}

/// The first call into libssh for a connection.
void* ssh_new() {
  at_work();
  return next<void* (*)()>("ssh_new")();
}

int openat(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat_as("openat", directory, path, flags, mode);
}

int openat64(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat_as("openat64", directory, path, flags, mode);
}
}
