#include <algorithm>
#include <stdexcept>

#include "config/python_pattern.h"
#include "config/time_window.h"
#include "config/utf8.h"
#include "config/values.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/readable_text.h"
#include "tests/fuzz/target.h"

// The text of one element; a second line is a path for it to exclude, if it is a pattern.

namespace peerstage::fuzz {
namespace {

using namespace config;
using std::chrono::milliseconds;

/// What `read` makes of the text, given to `check`, unless it does not accept it.
template <typename Read, typename Check>
void when_accepted(const std::string& text, Read read, Check check) {
  try {
    check(read(text));
  } catch (const BadValue& bad) {
    expect(std::string_view(bad.what()).size() > 0 && is_utf8(bad.what()) && is_one_line(bad.what()),
           "a value that is refused has a reason");
  }
}

template <typename Read>
void read(const std::string& text, Read read) {
  when_accepted(text, read, [](const auto&) {});
}

void check_names(const std::string& text) {
  when_accepted(text, as_peer_name, [](const std::string& name) {
    expect(name.size() <= 255 && name.find('/') == std::string::npos && name.front() != '.' &&
               is_safe_line(name),
           "the name of a peer is that of a directory");
  });
  when_accepted(text, as_action_names, [](const std::vector<std::string>& names) {
    for (const std::string& name : names)
      expect(!name.empty() && name.find(',') == std::string::npos, "an action has a name");
  });
  when_accepted(text, as_absolute_path, [](const std::string& path) {
    expect(path.starts_with('/'), "an absolute path begins with a slash");
  });
  when_accepted(text, as_user_path, [](const std::string& path) {
    expect(path.starts_with('/') || path.starts_with('~'), "a path of the user's is found from everywhere");
  });
  for (const auto each : {as_text, as_action_name, as_python_module, as_python_identifier, as_scsi_id,
                          as_blanking_factor, as_group_name, as_address, as_config_file, as_algorithms})
    read(text, each);
}

void check_numbers(const std::string& text) {
  when_accepted(text, as_count, [](std::int64_t number) { expect(number >= 0, "a count is not negative"); });
  when_accepted(text, as_positive,
                [](std::int64_t number) { expect(number > 0, "a positive number is one"); });
  when_accepted(text, as_duration,
                [](milliseconds time) { expect(time.count() >= 0, "a duration is not negative"); });
  when_accepted(text, as_file_mode, [](FileMode mode) { expect(mode.bits <= 0777, "a mode has nine bits"); });
  when_accepted(text, as_port, [](Port port) { expect(port.number > 0, "a port is at least 1"); });
  when_accepted(text, AsNumber{3, 5},
                [](unsigned number) { expect(number >= 3 && number <= 5, "a number is in its range"); });
  when_accepted(text, AsDuration{milliseconds(3), milliseconds(5000)}, [](milliseconds time) {
    expect(time.count() >= 3 && time.count() <= 5000, "a duration is in its range");
  });
  when_accepted(text, as_minimum_free, [](const MinimumFree& free) {
    if (const double* percent = std::get_if<double>(&free))
      expect(*percent >= 0 && *percent < 100, "a percentage is below 100");
  });
  when_accepted(text, as_time_window, [](const TimeWindow& window) {
    expect(window.begin != window.end && window.begin.count() >= 0 && window.begin < std::chrono::hours(24) &&
               window.end.count() >= 0 && window.end < std::chrono::hours(24),
           "a window is a part of a day");
  });
  read(text, as_integer);
  read(text, as_boolean);
  read(text, as_size);
  read(text, as_sudo);
}

void check_pattern(const std::string& pattern, const std::string& path) {
  const auto fault = python_pattern_fault(pattern);
  expect(!fault || (!fault->empty() && is_utf8(*fault) && is_one_line(*fault)),
         "what is wrong with a pattern is said");
  try {
    const ExclusionPattern compiled(pattern);
    expect(!fault, "a pattern with a fault excludes nothing");
    const bool excluded = compiled.excludes(path);
    expect(compiled.excludes(path) == excluded, "a path is excluded or not");
  } catch (const std::invalid_argument&) {
  }
}

void run(std::string_view input) {
  Choices choices(input);
  const std::string text(choices.line());
  const std::string path(choices.rest());
  if (text.empty() || !is_utf8(text)) return;
  expect(is_utf8(quoted(text)), "a value in quotes is UTF-8");
  expect(strip(text).size() <= text.size(), "stripping takes away");
  check_names(text);
  check_numbers(text);
  check_pattern(text, path);
}

const Target target("values", run);

}  // namespace
}  // namespace peerstage::fuzz
