#include "peers/parallel_connection.h"

#include <deque>
#include <exception>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace peerstage::peers {
namespace {

/// One receiver for several threads.
class SharedReceiver final : public FileReceiver {
 public:
  explicit SharedReceiver(FileReceiver& receiver) : receiver_(receiver) {}

  /// Asks for up to `count` files before anything is fetched, and tells how many there are.
  std::size_t look_ahead(std::size_t count) {
    while (ahead_.size() < count) {
      auto request = receiver_.next();
      if (!request) break;
      ahead_.push_back(std::move(*request));
    }
    return ahead_.size();
  }

  std::optional<FetchRequest> next() override {
    const std::lock_guard lock(mutex_);
    if (error_) return std::nullopt;
    if (ahead_.empty()) return receiver_.next();
    auto request = std::move(ahead_.front());
    ahead_.pop_front();
    return request;
  }
  void data(std::size_t id, std::span<const std::byte> bytes) override {
    const std::lock_guard lock(mutex_);
    receiver_.data(id, bytes);
  }
  void complete(std::size_t id) override {
    const std::lock_guard lock(mutex_);
    receiver_.complete(id);
  }
  void failed(std::size_t id, const Failure& failure) override {
    const std::lock_guard lock(mutex_);
    receiver_.failed(id, failure);
  }

  /// From now on there is nothing more to fetch.
  void stop(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  FileReceiver& receiver_;
  std::mutex mutex_;
  std::deque<FetchRequest> ahead_;
  std::exception_ptr error_;
};

void fetch_over(Connection& connection, SharedReceiver& receiver) {
  try {
    connection.fetch(receiver);
  } catch (...) {
    receiver.stop(std::current_exception());
  }
}

}  // namespace

ParallelConnection::ParallelConnection(unsigned count, const Connect& connect) {
  for (unsigned i = 0; i < count; ++i) connections_.push_back(connect());
}

void ParallelConnection::fetch(FileReceiver& receiver) {
  SharedReceiver shared(receiver);
  const std::size_t useful = shared.look_ahead(connections_.size());  // no login for which there is no file
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < useful; ++i) {
    threads.emplace_back([&connection = *connections_[i], &shared] { fetch_over(connection, shared); });
  }
  fetch_over(first(), shared);
  threads.clear();  // joins
  shared.rethrow();
}

std::vector<std::string> ParallelConnection::take_notes() {
  std::vector<std::string> notes;
  std::set<std::string> known;  // each connection meets the same configuration
  for (const auto& connection : connections_) {
    for (std::string& note : connection->take_notes()) {
      if (known.insert(note).second) notes.push_back(std::move(note));
    }
  }
  return notes;
}

}  // namespace peerstage::peers
