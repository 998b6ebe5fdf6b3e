#include "daemon/confine.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <stdexcept>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/in_child.h"
#include "tests/support/temporary_directory.h"

namespace peerstage::daemon {
namespace {

using test::in_child;

std::set<int> open_descriptors() {
  std::set<int> open;
  for (int number = 0; number < 1000; ++number) {
    if (::fcntl(number, F_GETFD) >= 0) open.insert(number);
  }
  return open;
}

TEST(KeepOnly, ClosesWhatIsNotNamed) {
  EXPECT_TRUE(in_child([] {
    for (const int number : {100, 101, 102, 200}) {
      if (::dup2(STDERR_FILENO, number) != number) return false;
    }
    keep_only({200, -1, 101, 101});
    return open_descriptors() == std::set<int>{0, 1, 2, 101, 200};
  }));
}

TEST(KeepOnly, TakesTheTerminalAndTheStandardOutput) {
  EXPECT_TRUE(in_child([] {
    const int terminal = ::open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (terminal < 0) return true;  // there are none here
    ::dup2(terminal, STDOUT_FILENO);
    ::dup2(terminal, STDERR_FILENO);
    keep_only({});
    return ::isatty(STDOUT_FILENO) == 0 && ::isatty(STDERR_FILENO) == 0 && ::getsid(0) == ::getpid();
  }));
}

TEST(KeepOnly, UnmapsMemoryThroughWhichOthersCouldBeChanged) {
  EXPECT_TRUE(in_child([] {
    const auto map = [](int protection, int flags) {
      return ::mmap(nullptr, 8192, protection, flags | MAP_ANONYMOUS, -1, 0);
    };
    void* const shared = map(PROT_READ | PROT_WRITE, MAP_SHARED);
    void* const own = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
    const auto is_mapped = [](void* memory) { return ::msync(memory, 8192, MS_ASYNC) == 0; };
    if (!is_mapped(shared) || !is_mapped(own)) return false;
    keep_only({});
    return !is_mapped(shared) && is_mapped(own);
  }));
}

TEST(Confine, LetsNothingBeWrittenOrCutElsewhere) {
  if (landlock_version() < first_landlock_version_with_truncating)
    GTEST_SKIP() << "this kernel's Landlock is too old";
  test::TemporaryDirectory temporary;
  const std::string own = temporary / "own";
  const std::string other = temporary / "other";
  for (const std::string& directory : {own, other}) {
    std::filesystem::create_directory(directory);
    std::ofstream(directory + "/file") << "content";
  }
  const pid_t parent = ::getpid();
  EXPECT_TRUE(in_child([&] {
    Confinement confinement;
    confinement.supervisor = parent;
    confinement.needs = [&] {
      Needs needs;
      needs.directories.emplace_back(::open(own.c_str(), O_PATH | O_DIRECTORY), FileAccess::change);
      return needs;
    };
    confine(confinement);
    return ::open((own + "/file").c_str(), O_WRONLY | O_TRUNC) >= 0 &&
           ::open((other + "/file").c_str(), O_WRONLY | O_TRUNC) < 0 &&
           ::open((other + "/file").c_str(), O_RDONLY) < 0 &&
           ::open((other + "/file").c_str(), O_WRONLY) < 0 && ::unlink((other + "/file").c_str()) != 0 &&
           ::mkdir((other + "/new").c_str(), 0700) != 0;
  }));
  EXPECT_EQ(std::filesystem::file_size(other + "/file"), 7U);
}

/// As a service that is not root's and has its capabilities from its unit. Its worker may open a file of
/// root's.
bool worker_of_service_reads(Reach reach, const std::string& file_of_root) {
  const pid_t parent = ::getpid();
  return in_child([&] {
    ::prctl(PR_SET_KEEPCAPS, 1);
    if (::setresuid(65534, 65534, 65534) != 0) return false;
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    data[0].effective = data[0].permitted = data[0].inheritable =
        (1U << CAP_DAC_READ_SEARCH) | (1U << CAP_DAC_OVERRIDE) | (1U << CAP_FOWNER);
    if (::syscall(SYS_capset, &header, data.data()) != 0) return false;
    if (::open(file_of_root.c_str(), O_RDONLY) < 0) return false;
    Confinement confinement;
    confinement.supervisor = parent;
    confinement.reach = reach;
    confinement.needs = reading_everything;
    confine(confinement);
    return ::open(file_of_root.c_str(), O_RDONLY) >= 0;
  });
}

TEST(Confine, LeavesTheCapabilitiesOfAServiceToWorkersOfLocalPeersOnly) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const test::TemporaryDirectory directory;
  const std::string secret = directory.write("secret", "content");
  ASSERT_EQ(::chmod(secret.c_str(), 0600), 0);
  EXPECT_TRUE(worker_of_service_reads(Reach::local_files, secret));
  EXPECT_FALSE(worker_of_service_reads(Reach::own_files, secret));
}

/// What a worker does that root has started.
bool worker_of_root_may(Reach reach, const std::function<bool()>& what) {
  const pid_t parent = ::getpid();
  return in_child([&] {
    Confinement confinement;
    confinement.supervisor = parent;
    confinement.user = User{"nobody", "/nonexistent", 65534, 65534};
    confinement.reach = reach;
    confinement.needs = reading_everything;
    confine(confinement);
    return what();
  });
}

TEST(Confine, LeavesTheModesOfOthersFilesToThem) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const test::TemporaryDirectory directory;
  const std::string secret = directory.write("secret", "content");
  ASSERT_EQ(::chmod(secret.c_str(), 0600), 0);
  const Reach reach = Reach::local_files;
  EXPECT_TRUE(worker_of_root_may(reach, [&] { return ::open(secret.c_str(), O_RDONLY) >= 0; }));
  EXPECT_FALSE(
      worker_of_root_may(reach, [&] { return ::fchmod(::open(secret.c_str(), O_RDONLY), 0600) == 0; }));
}

std::uint32_t permitted_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0)
    throw std::runtime_error("cannot read the capabilities");
  return data[0].permitted;
}

TEST(Confine, LeavesToWhoOnlyReadsTheRightToRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_TRUE(worker_of_root_may(Reach::every_file,
                                 [] { return permitted_capabilities() == 1U << CAP_DAC_READ_SEARCH; }));
  EXPECT_TRUE(worker_of_root_may(Reach::own_files, [] { return permitted_capabilities() == 0; }));
}

}  // namespace
}  // namespace peerstage::daemon
