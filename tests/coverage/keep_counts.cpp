// Only in a build that counts lines. Counts are written at exit(3), into files below PEERSTAGE_COUNTS that
// exist already and that everybody may write to. Workers end without exit(3), confined and as somebody else:
// what is here has them keep their counts as well.

#include <cstdarg>
#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

extern "C" {
#include <gcov.h>  // made for C
}

namespace {

constexpr long first_landlock_with_truncating = 3;
constexpr auto landlock_truncating = 1ULL << 14U;  // LANDLOCK_ACCESS_FS_TRUNCATE, newer than some headers

/// What is overridden here, as the C library has it.
template <typename Function>
Function* of_the_library(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

long make_system_call(long number, long a, long b, long c, long d, long e, long f) {
  static auto* const call = of_the_library<long(long, ...)>("syscall");
  return call(number, a, b, c, d, e, f);
}

/// Whoever is traced may be killed at any of its system calls, and half a file of counts is none. Once
/// confined, a process can no longer see what it is, and it stays what it was before.
bool is_traced() {
  static bool is_known = false;
  if (is_known) return true;
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word && word != "TracerPid:") {
  }
  is_known = status >> word && word != "0";
  return is_known;
}

/// Where libgcov writes to. That it cannot, in a process in which a test has system calls fail, is nobody's
/// business.
void name_the_place() {
  ::setenv("GCOV_PREFIX", is_traced() ? "/dev/null" : PEERSTAGE_COUNTS, 1);
  ::setenv("GCOV_ERROR_FILE", "/dev/null", 1);
}

__attribute__((destructor)) void at_exit() {
  name_the_place();
}

void write_counts() {
  name_the_place();
  __gcov_dump();
  __gcov_reset();
}

/// New counts are added to those that are in the files already, so these are read first.
void allow_counts(int ruleset) {
  is_traced();
  const long version =
      make_system_call(SYS_landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION, 0, 0, 0);
  const int place = ::open(PEERSTAGE_COUNTS, O_PATH | O_CLOEXEC);
  if (place < 0) return;
  const landlock_path_beneath_attr rule{
      LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
          (version >= first_landlock_with_truncating ? landlock_truncating : 0),
      place};
  make_system_call(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, reinterpret_cast<long>(&rule),
                   0, 0, 0);
  ::close(place);
}

}  // namespace

extern "C" {

void _exit(int status) {
  write_counts();
  of_the_library<void(int)>("_exit")(status);
  __builtin_unreachable();
}

int execve(const char* program, char* const* arguments, char* const* environment) {
  write_counts();
  return of_the_library<int(const char*, char* const*, char* const*)>("execve")(program, arguments,
                                                                                environment);
}

int execvpe(const char* program, char* const* arguments, char* const* environment) {
  write_counts();
  return of_the_library<int(const char*, char* const*, char* const*)>("execvpe")(program, arguments,
                                                                                 environment);
}

long syscall(long number, ...) {
  std::va_list list;
  va_start(list, number);
  long argument[6];
  for (long& each : argument) each = va_arg(list, long);
  va_end(list);
  if (number == SYS_landlock_restrict_self) allow_counts(static_cast<int>(argument[0]));
  return make_system_call(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                          argument[5]);
}

}  // extern "C"
