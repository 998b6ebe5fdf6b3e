#include "daemon/system_call_filter.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sched.h>
#include <seccomp.h>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace peerstage::daemon {
namespace {

constexpr std::array of_other_processes = {
    SCMP_SYS(ptrace),      SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp),        SCMP_SYS(process_madvise),  SCMP_SYS(process_mrelease),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal)};

constexpr std::array signals = {SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo)};

/// Their own, too: nothing here has to run before others.
constexpr std::array priorities = {SCMP_SYS(setpriority),
                                   SCMP_SYS(ioprio_set),
                                   SCMP_SYS(sched_setscheduler),
                                   SCMP_SYS(sched_setparam),
                                   SCMP_SYS(sched_setattr),
                                   SCMP_SYS(sched_setaffinity),
                                   SCMP_SYS(migrate_pages),
                                   SCMP_SYS(move_pages),
                                   SCMP_SYS(mbind),
                                   SCMP_SYS(set_mempolicy),
                                   SCMP_SYS(set_mempolicy_home_node)};

constexpr std::array confinement = {SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(chroot),
                                    SCMP_SYS(pivot_root), SCMP_SYS(personality)};

constexpr std::array machine = {SCMP_SYS(mount),         SCMP_SYS(umount),        SCMP_SYS(umount2),
                                SCMP_SYS(open_tree),     SCMP_SYS(move_mount),    SCMP_SYS(fsopen),
                                SCMP_SYS(fsconfig),      SCMP_SYS(fsmount),       SCMP_SYS(fspick),
                                SCMP_SYS(mount_setattr), SCMP_SYS(swapon),        SCMP_SYS(swapoff),
                                SCMP_SYS(reboot),        SCMP_SYS(kexec_load),    SCMP_SYS(kexec_file_load),
                                SCMP_SYS(init_module),   SCMP_SYS(finit_module),  SCMP_SYS(delete_module),
                                SCMP_SYS(acct),          SCMP_SYS(quotactl),      SCMP_SYS(quotactl_fd),
                                SCMP_SYS(settimeofday),  SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime),
                                SCMP_SYS(adjtimex),      SCMP_SYS(sethostname),   SCMP_SYS(setdomainname),
                                SCMP_SYS(iopl),          SCMP_SYS(ioperm),        SCMP_SYS(modify_ldt),
                                SCMP_SYS(syslog),        SCMP_SYS(vhangup)};

/// Large pieces of the kernel that a worker has nothing to do with.
constexpr std::array large_surfaces = {SCMP_SYS(bpf),
                                       SCMP_SYS(perf_event_open),
                                       SCMP_SYS(userfaultfd),
                                       SCMP_SYS(io_uring_setup),
                                       SCMP_SYS(io_uring_enter),
                                       SCMP_SYS(io_uring_register),
                                       SCMP_SYS(add_key),
                                       SCMP_SYS(request_key),
                                       SCMP_SYS(keyctl),
                                       SCMP_SYS(fanotify_init),
                                       SCMP_SYS(inotify_init),
                                       SCMP_SYS(inotify_init1),
                                       SCMP_SYS(lookup_dcookie),
                                       SCMP_SYS(name_to_handle_at),
                                       SCMP_SYS(open_by_handle_at)};

/// What outlives a process without being a file, and memory that can be executed as if it were one.
constexpr std::array other_places = {
    SCMP_SYS(shmget),  SCMP_SYS(shmat),     SCMP_SYS(shmctl),       SCMP_SYS(semget),      SCMP_SYS(semop),
    SCMP_SYS(semctl),  SCMP_SYS(msgget),    SCMP_SYS(msgsnd),       SCMP_SYS(msgrcv),      SCMP_SYS(msgctl),
    SCMP_SYS(mq_open), SCMP_SYS(mq_unlink), SCMP_SYS(memfd_create), SCMP_SYS(memfd_secret)};

/// What Landlock does not rule: names given away, and what is no content. Nothing here sets times; all else
/// is done by descriptors.
constexpr std::array by_path = {
    SCMP_SYS(symlink),  SCMP_SYS(symlinkat), SCMP_SYS(mknod),       SCMP_SYS(mknodat),
    SCMP_SYS(chmod),    SCMP_SYS(fchmodat),  SCMP_SYS(chown),       SCMP_SYS(lchown),
    SCMP_SYS(fchownat), SCMP_SYS(utime),     SCMP_SYS(utimes),      SCMP_SYS(futimesat),
    SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(removexattr), SCMP_SYS(lremovexattr),
    SCMP_SYS(truncate), SCMP_SYS(utimensat), SCMP_SYS(fremovexattr)};

constexpr std::array serving = {SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4)};

constexpr std::array programs_and_processes = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
                                               SCMP_SYS(vfork),  SCMP_SYS(kill),     SCMP_SYS(pidfd_open)};

constexpr std::array namespaces = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                   CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

/// Of their own lives, and of who may look at them.
constexpr std::array own_settings = {PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_PTRACER, PR_SET_MM};

/// What would give a file to whoever runs it the rights of its owner.
constexpr std::array<std::uint64_t, 3> special_modes = {S_ISUID, S_ISGID, S_ISVTX};

/// Who is told of what happens to a descriptor: a signal to any process of the same user.
constexpr std::array signal_receivers = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
/// The locks of a run: who has one of their descriptors could let go of them. A worker's own lock goes with
/// its descriptor.
constexpr std::array locks_of_descriptors = {F_OFD_SETLK, F_OFD_SETLKW};
constexpr std::array<unsigned, 4> forbidden_ioctls = {TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP};

/// The last system call that this list was made with, of those that have the same number everywhere.
constexpr int last_known = 450;  // set_mempolicy_home_node
constexpr int last_possible = 1023;

constexpr std::uint64_t low = 0xffffffffU;  // the kernel takes an int, whatever stands above it

std::uint64_t as_int(long value) {
  return static_cast<std::uint64_t>(value) & low;
}

class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_ALLOW)) {
    if (!context_) throw std::system_error(ENOMEM, std::generic_category(), "cannot filter system calls");
    require(::seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, does_not_exist));
    require(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0));
    require(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
  }

  template <typename Calls>
  void forbid_all(const Calls& calls) {
    for (const int call : calls) forbid(call);
  }
  template <typename... Comparisons>
  void forbid(int call, Comparisons... comparisons) {
    add(refused, call, comparisons...);
  }
  void deny_existence(int call) { add(does_not_exist, call); }
  void load() { require(::seccomp_load(context_.get())); }

 private:
  static constexpr std::uint32_t refused = SCMP_ACT_ERRNO(EPERM);
  static constexpr std::uint32_t does_not_exist = SCMP_ACT_ERRNO(ENOSYS);

  struct Releaser {
    void operator()(void* context) const { ::seccomp_release(context); }
  };

  template <typename... Comparisons>
  void add(std::uint32_t action, int call, Comparisons... comparisons) {
    const std::array<scmp_arg_cmp, sizeof...(comparisons)> all{comparisons...};
    require(::seccomp_rule_add_array(context_.get(), action, call, sizeof...(comparisons), all.data()));
  }

  static void require(int result) {
    // EDOM: an architecture that has no such call.
    if (result != 0 && result != -EDOM)
      throw std::system_error(-result, std::generic_category(), "cannot filter system calls");
  }

  std::unique_ptr<void, Releaser> context_;
};

scmp_arg_cmp is_int(unsigned argument, long value) {
  return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, low, as_int(value));
}
scmp_arg_cmp has_bits(unsigned argument, std::uint64_t bits) {
  return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bits, bits);
}
scmp_arg_cmp lacks_bits(unsigned argument, std::uint64_t bits) {
  return SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bits, 0);
}
scmp_arg_cmp is_not(unsigned argument, std::uint64_t value) {
  return SCMP_CMP64(argument, SCMP_CMP_NE, value);
}

void forbid_processes(Filter& filter, const SystemCallRules& rules) {
  filter.forbid_all(of_other_processes);
  filter.forbid_all(signals);
  filter.forbid_all(priorities);
  filter.forbid(SCMP_SYS(tgkill), is_not(0, static_cast<std::uint64_t>(::getpid())));
  filter.forbid(SCMP_SYS(prlimit64), is_not(0, 0));
  for (const int receiver : signal_receivers) filter.forbid(SCMP_SYS(fcntl), is_int(1, receiver));
  // It keeps its flags in memory, where no filter can see them. Libraries go back to clone(2).
  filter.deny_existence(SCMP_SYS(clone3));
  for (const int flag : namespaces)
    filter.forbid(SCMP_SYS(clone), has_bits(0, static_cast<std::uint64_t>(flag)));
  if (rules.programs == Programs::forbidden) {
    filter.forbid_all(programs_and_processes);
    filter.forbid(SCMP_SYS(clone), lacks_bits(0, CLONE_THREAD));
    return;
  }
  // What it starts it may end. All that is not its own has another group, but for what these stand for.
  for (const long whom : {long{rules.supervisor}, -long{::getpgid(rules.supervisor)}, -1L})
    filter.forbid(SCMP_SYS(kill), is_int(0, whom));
}

/// Landlock's rules about ports are about connect(2) and bind(2), and about TCP.
void forbid_protocols(Filter& filter) {
  for (const int family : {AF_INET, AF_INET6}) {
    for (int protocol = 1; protocol < IPPROTO_UDP; ++protocol) {
      if (protocol != IPPROTO_TCP) filter.forbid(SCMP_SYS(socket), is_int(0, family), is_int(2, protocol));
    }
    filter.forbid(SCMP_SYS(socket), is_int(0, family), SCMP_CMP64(2, SCMP_CMP_GT, IPPROTO_UDP));
  }
  // The name service asks which addresses this machine has.
  filter.forbid(SCMP_SYS(socket), is_int(0, AF_NETLINK), is_not(2, NETLINK_ROUTE));
  filter.forbid(SCMP_SYS(sendto), has_bits(3, MSG_FASTOPEN));
  filter.forbid(SCMP_SYS(sendmsg), has_bits(2, MSG_FASTOPEN));
  filter.forbid(SCMP_SYS(sendmmsg), has_bits(3, MSG_FASTOPEN));
}

void forbid_sockets(Filter& filter, const SystemCallRules& rules) {
  filter.forbid_all(serving);
  if (rules.network == Network::forbidden) {
    filter.forbid(SCMP_SYS(socket));
    return;
  }
  forbid_protocols(filter);
  // A peer is on the Internet, and the name service may be asked over the others.
  for (int family = 0; family <= AF_NETLINK; ++family) {
    const bool is_needed =
        family == AF_INET || family == AF_INET6 || family == AF_UNIX || family == AF_NETLINK;
    if (!is_needed) filter.forbid(SCMP_SYS(socket), is_int(0, family));
  }
  filter.forbid(SCMP_SYS(socket), SCMP_CMP64(0, SCMP_CMP_GT, AF_NETLINK));
}

/// With the access mode 3 a file is opened neither to read nor to write, so that Landlock asks for no right.
/// What comes of it can change the mode of the file, and before Landlock knew of cutting, opening could cut
/// it.
void forbid_opening_without_access(Filter& filter) {
  filter.forbid(SCMP_SYS(open), has_bits(1, O_ACCMODE));
  filter.forbid(SCMP_SYS(openat), has_bits(2, O_ACCMODE));
  // It keeps its flags in memory, where no filter can see them. open_beneath() goes component by component
  // then.
  filter.deny_existence(SCMP_SYS(openat2));
}

void forbid_special_modes(Filter& filter) {
  // Only these make a file, and have a mode among their arguments at all.
  constexpr std::array<std::uint64_t, 2> making = {O_CREAT, O_TMPFILE & ~O_DIRECTORY};
  for (const std::uint64_t mode : special_modes) {
    for (const std::uint64_t flag : making) {
      filter.forbid(SCMP_SYS(open), has_bits(1, flag), has_bits(2, mode));
      filter.forbid(SCMP_SYS(openat), has_bits(2, flag), has_bits(3, mode));
    }
    filter.forbid(SCMP_SYS(creat), has_bits(1, mode));
    filter.forbid(SCMP_SYS(mkdir), has_bits(1, mode));
    filter.forbid(SCMP_SYS(mkdirat), has_bits(2, mode));
    filter.forbid(SCMP_SYS(fchmod), has_bits(1, mode));
  }
}

void forbid_locks(Filter& filter) {
  for (const int command : locks_of_descriptors) filter.forbid(SCMP_SYS(fcntl), is_int(1, command));
  // Nor may others share it. To lock is let: a worker does that with the known hosts.
  filter.forbid(SCMP_SYS(flock), lacks_bits(1, LOCK_EX));
}

void forbid_files(Filter& filter, const SystemCallRules& rules) {
  filter.forbid_all(by_path);
  for (const unsigned request : forbidden_ioctls) filter.forbid(SCMP_SYS(ioctl), is_int(1, request));
  forbid_opening_without_access(filter);
  forbid_special_modes(filter);
  forbid_locks(filter);
  if (rules.landlock_knows_truncating) return;
  // To open a file for reading and to cut it all the same.
  constexpr std::uint64_t how = O_ACCMODE | O_TRUNC;
  filter.forbid(SCMP_SYS(open), SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, how, O_TRUNC));
  filter.forbid(SCMP_SYS(openat), SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, how, O_TRUNC));
}

void forbid_new_code(Filter& filter) {
  filter.forbid(SCMP_SYS(mmap), has_bits(2, PROT_WRITE | PROT_EXEC));
  filter.forbid(SCMP_SYS(mprotect), has_bits(2, PROT_EXEC));
  filter.forbid(SCMP_SYS(pkey_mprotect), has_bits(2, PROT_EXEC));
}

/// A filter of its own, beside the other one: a rule for each of these calls takes libseccomp 10 ms, and it
/// has no rule for a range of them.
void deny_existence_of_newer_calls() {
  std::array program = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last_known, 0, 2),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last_possible, 1, 0),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog whole{program.size(), program.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot filter system calls");
}

}  // namespace

bool has_system_call_filters() {
  const std::uint32_t action = SECCOMP_RET_ERRNO;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

void filter_system_calls(const SystemCallRules& rules) {
  Filter filter;
  forbid_processes(filter, rules);
  forbid_sockets(filter, rules);
  forbid_files(filter, rules);
  forbid_new_code(filter);
  filter.forbid_all(confinement);
  filter.forbid_all(machine);
  filter.forbid_all(large_surfaces);
  filter.forbid_all(other_places);
  for (const int setting : own_settings) filter.forbid(SCMP_SYS(prctl), is_int(0, setting));
  filter.load();
  deny_existence_of_newer_calls();
}

}  // namespace peerstage::daemon
