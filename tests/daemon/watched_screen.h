#pragma once

#include <array>
#include <pty.h>
#include <string>

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "daemon/screen.h"

namespace peerstage::daemon {

/// The two ends of something that a screen can write to, and a look at what came out.
class WatchedDescriptor {
 public:
  enum class Kind {
    pipe,
    terminal  ///< 60 columns, 10 rows, raw
  };

  explicit WatchedDescriptor(Kind kind) {
    if (kind == Kind::pipe) {
      std::array<int, 2> ends{};
      EXPECT_EQ(::pipe(ends.data()), 0);
      far_ = ends[0];
      near_ = ends[1];
    } else {
      winsize size{10, 60, 0, 0};
      termios raw{};
      ::cfmakeraw(&raw);
      EXPECT_EQ(::openpty(&far_, &near_, nullptr, &raw, &size), 0);
    }
  }
  ~WatchedDescriptor() {
    close_far_end();
    ::close(near_);
  }
  WatchedDescriptor(const WatchedDescriptor&) = delete;
  WatchedDescriptor& operator=(const WatchedDescriptor&) = delete;

  int descriptor() const { return near_; }

  void close_far_end() {
    if (far_ >= 0) ::close(far_);
    far_ = -1;
  }

  /// What was written since the last call.
  std::string shown() const {
    std::string text;
    std::array<char, 4096> buffer{};
    pollfd ready{far_, POLLIN, 0};
    while (::poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN) != 0) {
      const auto count = ::read(far_, buffer.data(), buffer.size());
      if (count <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
  }

 private:
  int far_ = -1, near_ = -1;
};

/// A screen whose output can be looked at.
class WatchedScreen : public WatchedDescriptor {
 public:
  explicit WatchedScreen(Kind kind) : WatchedDescriptor(kind), screen_(descriptor()) {}
  Screen& screen() { return screen_; }

 private:
  Screen screen_;
};

}  // namespace peerstage::daemon
