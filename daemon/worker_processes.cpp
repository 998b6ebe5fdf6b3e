#include "daemon/worker_processes.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/shared_rate.h"
#include "daemon/worker_process.h"

namespace peerstage::daemon {
namespace {

namespace asio = boost::asio;

std::string how_it_ended(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const char* name = ::sigabbrev_np(WTERMSIG(wait_status));
    return std::string("it was ended by the signal ") + (name != nullptr ? name : "of an unknown number");
  }
  return "it ended with status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace

/// Those whose process is not reaped yet.
class WorkerProcesses::Attempts {
 public:
  std::set<Attempt*> all;
};

/// One process, from its start until it is reaped. The handlers that wait for it keep it alive.
class WorkerProcesses::Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(asio::io_context& loop, std::shared_ptr<Attempts> attempts, config::ByteCount rate,
          WorkerListener& listener, const std::function<void(const WorkerLink&)>& body)
      : attempts_(std::move(attempts)),
        listener_(&listener),
        rate_(rate),
        process_([&](int descriptor) {
          close_what_is_ours();
          body({descriptor, rate_.reading_side()});
        }),
        records_(loop, process_.take_records().release()),
        handle_(loop, process_.take_handle().release()) {
    rate_.keep_to_this_worker();
    attempts_->all.insert(this);
  }
  ~Attempt() { attempts_->all.erase(this); }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  void listen() {
    read_records();
    handle_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](boost::system::error_code error) {
                         if (!error) self->reap();
                       });
  }

  /// Nobody listens any more.
  void let_go() {
    listener_ = nullptr;
    close(records_);
    if (!wait_status_) kill();
  }
  bool is_let_go() const { return listener_ == nullptr; }

  void kill() { process_.kill(); }

  /// As long as it is not dead it may go on telling.
  void hear_the_rest(std::chrono::milliseconds patience) {
    const auto self = shared_from_this();  // the listener may let go of it
    if (stream_ended_ || is_let_go()) return;
    if (!wait_status_) wait_for_end(handle_.native_handle(), patience);
    while (read_some() == Read::some) {
    }
  }
  void set_rate(config::ByteCount rate) { rate_.set(rate); }

  void reap_within(std::chrono::milliseconds patience) {
    if (!wait_status_ && wait_for_end(handle_.native_handle(), patience)) reap();
  }

  /// Once it has ended.
  void reap() {
    if (wait_status_) return;
    wait_status_ = process_.reap();
    attempts_->all.erase(this);
    close(handle_);
    end_if_over();
  }

 private:
  static void close(asio::posix::stream_descriptor& descriptor) {
    boost::system::error_code ignored;  // it is closed whatever that says
    descriptor.close(ignored);
  }

  /// In the child: another worker's stream must end when that worker ends, so nobody else may hold it.
  void close_what_is_ours() {
    for (Attempt* other : attempts_->all) {
      if (other->records_.is_open()) ::close(other->records_.native_handle());
      ::close(other->handle_.native_handle());
    }
  }

  /// Nothing is read but by us: what the loop has read already, and not passed on yet, would be lost to
  /// hear_the_rest().
  void read_records() {
    records_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](boost::system::error_code error) {
                          if (self->is_let_go()) return;
                          if (!error && self->read_some() != Read::end) {
                            self->read_records();
                            return;
                          }
                          self->stream_ended_ = true;
                          self->end_if_over();
                        });
  }

  enum class Read { some, nothing_yet, end };

  Read read_some() {
    const auto size = ::read(records_.native_handle(), buffer_.data(), buffer_.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return Read::nothing_yet;
    return size > 0 && take({buffer_.data(), static_cast<std::size_t>(size)}) ? Read::some : Read::end;
  }

  /// False: nothing more is read.
  bool take(std::span<const char> bytes) {
    try {
      reader_.append(bytes);
      while (const auto record = reader_.next()) {
        tell(*record);
        if (is_let_go()) return false;
      }
      return true;
    } catch (const WorkProtocolError& error) {
      kill();
      cut_off_ = true;
      result_ =
          failed_work(peers::FailureKind::hostile,
                      std::string("the worker was killed because it broke its protocol: ") + error.what());
      return false;
    }
  }

  void tell(const WorkRecord& record) {
    if (result_) throw WorkProtocolError("a record follows the result");
    if (const auto* result = std::get_if<WorkResult>(&record))
      result_ = *result;
    else
      listener_->told(record);
  }

  void end_if_over() {
    if (is_let_go() || !stream_ended_) return;
    if (!wait_status_ && !cut_off_) return;
    if (!result_) {
      result_ = failed_work(peers::FailureKind::permanent,
                            "the worker of this peer ended without a result: " + how_it_ended(*wait_status_));
    }
    listener_->ended(*result_);
  }

  std::shared_ptr<Attempts> attempts_;
  WorkerListener* listener_;
  SharedRate rate_;
  WorkerProcess process_;
  asio::posix::stream_descriptor records_, handle_;
  std::array<char, 65536> buffer_{};
  WorkRecordReader reader_;
  std::optional<WorkResult> result_;
  bool stream_ended_ = false, cut_off_ = false;
  std::optional<int> wait_status_;
};

class WorkerProcesses::Running final : public RunningWorker {
 public:
  explicit Running(std::shared_ptr<Attempt> attempt) : attempt_(std::move(attempt)) {}
  ~Running() override { attempt_->let_go(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  void set_rate(config::ByteCount rate) override { attempt_->set_rate(rate); }
  void kill() override { attempt_->kill(); }
  void hear_the_rest(std::chrono::milliseconds patience) override { attempt_->hear_the_rest(patience); }

 private:
  std::shared_ptr<Attempt> attempt_;
};

WorkerProcesses::WorkerProcesses(boost::asio::io_context& loop, Work work)
    : loop_(loop), work_(std::move(work)), attempts_(std::make_shared<Attempts>()) {}
WorkerProcesses::~WorkerProcesses() = default;

std::unique_ptr<RunningWorker> WorkerProcesses::start(std::size_t peer, config::ByteCount rate,
                                                      WorkerListener& listener) {
  const auto attempt = std::make_shared<Attempt>(loop_, attempts_, rate, listener,
                                                 [this, peer](const WorkerLink& link) { work_(peer, link); });
  attempt->listen();
  return std::make_unique<Running>(attempt);
}

void WorkerProcesses::settle(std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  std::vector<std::shared_ptr<Attempt>> dying;
  for (Attempt* attempt : attempts_->all)
    if (attempt->is_let_go()) dying.push_back(attempt->shared_from_this());
  for (const auto& attempt : dying) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    attempt->reap_within(std::max(left, std::chrono::milliseconds(0)));
  }
}

MakeWorkers worker_processes(boost::asio::io_context& loop) {
  return [&loop](Work work) { return std::make_unique<WorkerProcesses>(loop, std::move(work)); };
}

}  // namespace peerstage::daemon
