// Stages COUNT files of SIZE bytes from an SFTP server in memory into DIRECTORY: what the program itself does
// for a file and for its bytes, without a line, a cipher or a server of its own. For test_instructions.py,
// which counts.

#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "peers/observer.h"
#include "peers/sftp/client.h"
#include "peers/staging/stage.h"
#include "peers/staging/staging_area.h"
#include "tests/support/fake_sftp_server.h"

namespace peerstage::peers {
namespace {

constexpr staging::Date today{std::chrono::year(2031), std::chrono::month(5), std::chrono::day(4)};

class SftpConnection final : public Connection {
 public:
  explicit SftpConnection(test::FakeSftpServer& server) : client_(server, "web1", server) {}

  std::optional<FileInfo> lstat(const std::string& path) override { return client_.lstat(path); }
  std::vector<ListedEntry> list(const std::string& directory, const ListLimits& limits) override {
    return client_.list(directory, limits);
  }
  std::vector<std::vector<ListedEntry>> list_all(const std::vector<std::string>& directories,
                                                 ListLimits limits) override {
    return client_.list_all(directories, limits);
  }
  void fetch(FileReceiver& receiver) override { client_.fetch(receiver); }
  void write_marker(const std::string& path) override { client_.write_marker(path); }
  CommandResult run(const Command&) override { return {}; }

 private:
  sftp::Client client_;
};

class Silence final : public Observer {
 public:
  void planned(std::uint64_t, std::uint64_t) override {}
  void progress(std::uint64_t, std::uint64_t) override {}
  void skipped(const std::string&, const std::string&) override {}
  void event(EventLevel, const std::string&) override {}
};

void stage(std::size_t count, std::size_t size, const std::string& directory) {
  test::FakeSftpServer server;
  server.add_directory("/collect");
  for (std::size_t number = 0; number < count; ++number)
    server.add_file("/collect/file" + std::to_string(number), std::string(size, 'x'));

  staging::StagingArea area = staging::StagingArea::open(directory, std::nullopt, staging::RunMode::real);
  if (!area.try_lock()) throw std::runtime_error("the lock of " + directory + " is held");
  area.open_day(today);
  staging::PeerPlace place = area.place("web1");
  SftpConnection connection(server);
  Silence observer;
  staging::StageOptions options;
  options.minimum_free = config::ByteCount{0};
  static_cast<void>(staging::stage_tree(connection, "/collect", place, options, observer));
  area.close_day();
}

}  // namespace
}  // namespace peerstage::peers

int main(int count, char** words) {
  const std::span arguments(words, static_cast<std::size_t>(count));
  if (arguments.size() != 4) {
    std::cerr << "usage: transfer_cost COUNT SIZE DIRECTORY\n";
    return 1;
  }
  try {
    peerstage::peers::stage(std::stoul(arguments[1]), std::stoul(arguments[2]), arguments[3]);
  } catch (const std::exception& error) {
    std::cerr << "transfer_cost: " << error.what() << '\n';
    return 1;
  }
}
