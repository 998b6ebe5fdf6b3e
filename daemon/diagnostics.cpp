#include "daemon/diagnostics.h"

#include <array>
#include <cstdlib>
#include <ctime>

#include <boost/version.hpp>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/landlock.h"
#include "daemon/system_call_filter.h"
#include "peers/text.h"

namespace peerstage::daemon {
namespace {

std::string platform() {
  utsname machine{};
  if (::uname(&machine) != 0) return "unknown";
  return std::string(machine.sysname) + " " + machine.release + " " + machine.machine;
}

std::string confinement() {
  const long landlock = landlock_version();
  return (landlock > 0 ? "Landlock version " + std::to_string(landlock) : std::string("no Landlock")) +
         (has_system_call_filters() ? ", system call filters" : ", no system call filters");
}

std::string locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return peers::printable(value);
  }
  return "C";
}

std::string time_zone() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Z (%z)", &local)};
}

}  // namespace

std::vector<std::string> diagnostics() {
  return {
      std::string("Program: peerstage ") + PEERSTAGE_VERSION,
      std::string("Compiler: ") + __VERSION__,
      "Boost: " + std::to_string(BOOST_VERSION / 100'000) + "." + std::to_string(BOOST_VERSION / 100 % 1000),
      "Platform: " + platform(),
      "User: uid " + std::to_string(::geteuid()) + ", gid " + std::to_string(::getegid()),
      "Confinement of workers: " + confinement(),
      "Locale: " + locale(),
      "Time zone: " + time_zone(),
  };
}

}  // namespace peerstage::daemon
