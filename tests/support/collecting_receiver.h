#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "peers/connection.h"

namespace peerstage::test {

/// Keeps what is fetched, and takes exception to anything that the contract of FileReceiver does not allow.
class CollectingReceiver final : public peers::FileReceiver {
 public:
  struct File {
    peers::FetchRequest request;
    std::string content;
    bool complete = false;
    std::optional<peers::Failure> failure;
  };

  void want(std::string path, std::uint64_t size, std::uint64_t offset = 0) {
    File& file = files.emplace_back();
    file.request = {.id = files.size() - 1, .path = std::move(path), .offset = offset, .size = size};
  }

  std::optional<peers::FetchRequest> next() override {
    if (asked_ == files.size()) {
      if (std::exchange(told_the_end_, true)) throw std::logic_error("next() was called after the end");
      return std::nullopt;
    }
    return files[asked_++].request;
  }
  void data(std::size_t id, std::span<const std::byte> bytes) override {
    if (at_first_data) std::exchange(at_first_data, nullptr)();
    File& file = undone(id);
    if (bytes.empty()) throw std::logic_error("data() was called without data");
    file.content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (file.content.size() > file.request.size - file.request.offset)
      throw std::logic_error("more data than was asked for");
  }
  void complete(std::size_t id) override {
    File& file = undone(id);
    if (file.content.size() != file.request.size - file.request.offset)
      throw std::logic_error("complete() was called too early");
    file.complete = true;
  }
  void failed(std::size_t id, const peers::Failure& failure) override { undone(id).failure = failure; }

  std::size_t completed() const {
    std::size_t count = 0;
    for (const File& file : files) count += file.complete ? 1 : 0;
    return count;
  }

  std::vector<File> files;
  std::function<void()> at_first_data;  ///< called once

 private:
  File& undone(std::size_t id) {
    File& file = files.at(id);
    if (file.complete || file.failure) throw std::logic_error("a file that is done was touched again");
    return file;
  }

  std::size_t asked_ = 0;
  bool told_the_end_ = false;
};

}  // namespace peerstage::test
