#include "daemon/log.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <mutex>
#include <optional>
#include <utility>

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include "daemon/journal.h"
#include "daemon/one_line.h"

namespace peerstage::daemon {
namespace {

using peers::EventLevel;

const char* level_name(EventLevel level) {
  switch (level) {
    case EventLevel::debug:
      return "DEBUG  ";
    case EventLevel::info:
      return "INFO   ";
    case EventLevel::warning:
      return "WARNING";
    case EventLevel::error:
      return "ERROR  ";
  }
  return "ERROR  ";
}

spdlog::level::level_enum to_spdlog(EventLevel level) {
  switch (level) {
    case EventLevel::debug:
      return spdlog::level::debug;
    case EventLevel::info:
      return spdlog::level::info;
    case EventLevel::warning:
      return spdlog::level::warn;
    case EventLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

EventLevel from_spdlog(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return EventLevel::debug;
  if (level == spdlog::level::info) return EventLevel::info;
  return level == spdlog::level::warn ? EventLevel::warning : EventLevel::error;
}

std::string_view view(const spdlog::string_view_t& text) {
  return {text.data(), text.size()};
}

class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FileSink(peers::Descriptor file, Screen& screen) : file_(std::move(file)), screen_(screen) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    std::string line = log_line(message.time, from_spdlog(message.level), view(message.payload)) + "\n";
    if (torn_) line.insert(0, "\n");
    write(line);
  }
  void flush_() override {}

 private:
  void write(std::string_view line) {
    while (!line.empty()) {
      const auto written = ::write(file_.get(), line.data(), line.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return tell_loss(errno);
      line.remove_prefix(static_cast<std::size_t>(written));
      torn_ = !line.empty();
    }
  }

  void tell_loss(int error_number) {
    if (std::exchange(told_, true)) return;
    screen_.line(std::string("the log cannot be written, lines are lost: ") + std::strerror(error_number));
  }

  peers::Descriptor file_;
  Screen& screen_;
  bool torn_ = false;  ///< the file ends within a line
  bool told_ = false;
};

class ScreenSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ScreenSink(Screen& screen) : screen_(screen) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    screen_.line(one_line(view(message.payload)));
  }
  void flush_() override {}

 private:
  Screen& screen_;
};

}  // namespace

class Log::Sinks {
 public:
  Sinks(const LogFile& file, Screen& screen, std::optional<EventLevel> screen_threshold)
      : logger_("peerstage"), threshold_(file.threshold) {
    const bool journal = goes_to_journal(STDERR_FILENO);
    if (journal) journal_.emplace();
    if (journal && goes_to_journal(screen.descriptor())) screen_threshold.reset();
    auto log = std::make_shared<FileSink>(open_log_file(file), screen);
    log->set_level(to_spdlog(file.threshold));
    auto shown = std::make_shared<ScreenSink>(screen);
    shown->set_level(screen_threshold ? to_spdlog(*screen_threshold) : spdlog::level::off);
    logger_.sinks() = {std::move(log), std::move(shown)};
    logger_.set_level(spdlog::level::debug);
    logger_.set_error_handler([](const std::string&) {});  // spdlog's own would write to standard error
  }

  void write(EventLevel level, std::string_view text, const LogFields& fields) {
    logger_.log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
    if (journal_ && level >= threshold_) journal_->write(level, one_line(text), fields);
  }

 private:
  spdlog::logger logger_;
  EventLevel threshold_;
  std::optional<Journal> journal_;
};

Log::Log(const LogFile& file, Screen& screen, std::optional<EventLevel> screen_threshold)
    : sinks_(std::make_unique<Sinks>(file, screen, screen_threshold)) {}

Log::~Log() = default;

void Log::write(EventLevel level, std::string_view text, const LogFields& fields) noexcept try {
  sinks_->write(level, text, fields);
} catch (...) {  // out of memory: a line is not worth a run
}

std::optional<EventLevel> screen_threshold(Verbosity verbosity, EventLevel log_threshold) {
  switch (verbosity) {
    case Verbosity::errors:
      return EventLevel::error;
    case Verbosity::verbose:
      return log_threshold;
    case Verbosity::quiet:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string log_line(std::chrono::system_clock::time_point when, EventLevel level, std::string_view text) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 128> stamp{};
  const auto length = std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%S %Z", &local);
  return std::string(stamp.data(), length) + " --> [" + level_name(level) + "] " + one_line(text);
}

}  // namespace peerstage::daemon
