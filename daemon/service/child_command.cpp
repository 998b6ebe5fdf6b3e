#include "daemon/service/child_command.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "daemon/worker_process.h"
#include "peers/descriptor.h"

namespace peerstage::daemon {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t largest_pipe = 1U << 20U;  // pipe(7), pipe-max-size

/// A file can be given whole and at once; a pipe would have to be fed while the child reads it, or does not.
peers::Descriptor file_in_memory(const std::string& content) {
  peers::Descriptor file(::memfd_create("input", MFD_CLOEXEC));
  if (!file || !peers::write_whole(file.get(), std::as_bytes(std::span(content))) ||
      ::lseek(file.get(), 0, SEEK_SET) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot hold the input of a program");
  return file;
}

void use_default_signals() {
  for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);  // fails for KILL and STOP
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void say(const std::string& sentence) {
  const std::string line = sentence + "\n";
  static_cast<void>(peers::write_whole(STDERR_FILENO, std::as_bytes(std::span(line))));
}

/// In the child, with its own process around it.
int set_up_and_run(const ChildBody& body, int input, int output) {
  use_default_signals();
  keep_only({input, output});
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::close(input);
  ::close(output);
  ::umask(022);
  if (::chdir("/") != 0) return 126;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  return body();
}

/// In the child. Nothing may be thrown into the program that it is a copy of.
int run_child(const ChildBody& body, int input, int output) {
  try {
    return set_up_and_run(body, input, output);
  } catch (const std::exception& error) {
    say(error.what());
    return 126;
  }
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  std::ranges::transform(strings, std::back_inserter(result), [](std::string& each) { return each.data(); });
  result.push_back(nullptr);
  return result;
}

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? name : std::to_string(number);
}

}  // namespace

std::string to_string(const ChildResult& result) {
  switch (result.end) {
    case ChildResult::End::exited:
      return "exit status " + std::to_string(result.number);
    case ChildResult::End::by_signal:
      return "it was ended by the signal " + signal_name(result.number);
    case ChildResult::End::deadline:
      return "it did not end in time and was killed";
    case ChildResult::End::flood:
      return "it wrote without end and was killed";
    case ChildResult::End::asked:
      return "it was ended before it was done";
    case ChildResult::End::not_started:
      break;
  }
  return "it could not be started: " + result.output;
}

ChildBody run_program(std::vector<std::string> words, std::vector<std::string> environment) {
  return [words = std::move(words), environment = std::move(environment)]() mutable {
    const std::vector<char*> arguments = pointers(words);
    const std::vector<char*> variables = pointers(environment);
    ::execve(arguments.front(), arguments.data(), variables.data());
    say(std::string("cannot run it: ") + std::strerror(errno));
    return 127;
  };
}

/// Shared with the handlers on the loop, which come late when it is over.
class ChildCommand::Running : public std::enable_shared_from_this<Running> {
 public:
  Running(asio::io_context& loop, Timeline& timeline, ChildOrder order, Done done)
      : timeline_(timeline), order_(std::move(order)), done_(std::move(done)), output_(loop), ended_(loop) {}

  void start() {
    const peers::Descriptor input = file_in_memory(order_.input);
    order_.input = {};
    process_.emplace([this, &input](int output) { ::_exit(run_child(order_.body, input.get(), output)); });
    output_.assign(process_->take_records().release());
    output_.non_blocking(true);  // Asio waits in read_some() otherwise
    ended_.assign(process_->take_handle().release());
    alarm_ = timeline_.after(order_.deadline, guarded([this] { end_it(ChildResult::End::deadline); }));
    read_on();
    ended_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](error_code error) {
                        if (!error) self->has_ended();
                      });
  }

  void could_not_start(const std::string& why) {
    result_.output = why;
    finish();
  }

  void end_it(ChildResult::End why) {
    if (being_ended_) return;
    being_ended_ = why;
    signal_group(SIGTERM);
    alarm_ = timeline_.after(order_.mercy, guarded([this] { signal_group(SIGKILL); }));
  }

  /// Nothing is told any more.
  void abandon() {
    done_ = nullptr;
    alarm_.reset();
    if (process_) {
      signal_group(SIGKILL);
      process_.reset();
    }
    error_code ignored;
    output_.close(ignored);
    ended_.close(ignored);
  }

 private:
  Timeline::Act guarded(std::function<void()> act) {
    return [weak = weak_from_this(), act = std::move(act)] {
      if (const auto self = weak.lock()) act();
    };
  }

  /// Waits first and reads then: what the loop had read into the buffer itself, read_rest() would overwrite.
  void read_on() {
    output_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](error_code error) {
                         if (error) return;
                         const error_code problem = self->read_piece();
                         if (!problem || problem == asio::error::would_block) self->read_on();
                       });
  }

  /// An error, the end of the stream among them: there is nothing to read, perhaps for now.
  error_code read_piece() {
    error_code error;
    const std::size_t count = output_.read_some(asio::buffer(buffer_), error);
    if (!error) take(count);
    return error;
  }

  void take(std::size_t count) {
    const std::size_t room = order_.output_limit - std::min(order_.output_limit, result_.output.size());
    result_.output.append(buffer_.data(), std::min(room, count));
    result_.output_bytes += count;
    if (order_.heard) order_.heard({buffer_.data(), count});
    if (result_.output_bytes > order_.flood) end_it(ChildResult::End::flood);
  }

  /// Before it is reaped the number of the group cannot be anybody else's. A child that has only just begun
  /// has none yet, and has started nothing.
  void signal_group(int signal) {
    if (!process_) return;
    if (::kill(-process_->pid(), signal) != 0 && errno == ESRCH) ::kill(process_->pid(), signal);
  }

  void has_ended() {
    if (!process_) return;
    if (being_ended_ || order_.leftovers == Leftovers::killed) signal_group(SIGKILL);
    read_rest();
    const int status = process_->reap();
    process_.reset();
    result_.end = WIFEXITED(status) ? ChildResult::End::exited : ChildResult::End::by_signal;
    result_.number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    if (being_ended_) result_.end = *being_ended_;
    finish();
  }

  /// What it wrote last is in the pipe; somebody who still has the other end must not keep us.
  void read_rest() {
    for (std::size_t pieces = largest_pipe / buffer_.size(); pieces > 0 && !read_piece(); --pieces) {
    }
  }

  void finish() {
    const Done done = std::exchange(done_, nullptr);
    const auto self = shared_from_this();  // `done` may destroy the ChildCommand
    abandon();
    if (done) done(result_);
  }

  Timeline& timeline_;
  ChildOrder order_;
  Done done_;
  std::optional<WorkerProcess> process_;
  asio::posix::stream_descriptor output_, ended_;
  std::unique_ptr<Alarm> alarm_;
  std::array<char, 16384> buffer_{};
  std::optional<ChildResult::End> being_ended_;
  ChildResult result_;
};

ChildCommand::ChildCommand(asio::io_context& loop, Timeline& timeline, ChildOrder order, Done done)
    : running_(std::make_shared<Running>(loop, timeline, std::move(order), std::move(done))) {
  try {
    running_->start();
  } catch (const std::system_error& error) {
    asio::post(loop,
               [running = running_, why = std::string(error.what())] { running->could_not_start(why); });
  }
}

void ChildCommand::end() {
  running_->end_it(ChildResult::End::asked);
}

ChildCommand::~ChildCommand() {
  running_->abandon();
}

}  // namespace peerstage::daemon
