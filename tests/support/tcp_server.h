#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "peers/descriptor.h"

namespace peerstage::test {

/// A server on 127.0.0.1 that does to its one caller what a script says. The caller has to hang up in the
/// end: the destructor waits for the script.
class TcpServer {
 public:
  /// The connection, as a script sees it.
  class Line {
   public:
    Line(int caller, int end) : caller_(caller), end_(end) {}
    /// False when the caller is gone.
    bool send(const std::string& bytes);
    /// Reads and forgets until the caller hangs up.
    void wait_for_end();
    /// The same, for so long; false when it is still there.
    bool ends_within(std::chrono::milliseconds time);

   private:
    int caller_, end_;
  };
  using Script = std::function<void(Line&)>;

  explicit TcpServer(Script script);
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;
  std::uint16_t port() const { return port_; }

 private:
  peers::Descriptor listener_, end_read_, end_write_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

/// A socket in the file system that takes connections and never answers.
class SilentSocket {
 public:
  explicit SilentSocket(const std::filesystem::path& path);

 private:
  peers::Descriptor listener_;
};

}  // namespace peerstage::test
