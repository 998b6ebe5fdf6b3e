#include "tests/support/sshd.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <spawn.h>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peers/descriptor.h"

namespace peerstage::test {
namespace {

namespace fs = std::filesystem;
using peers::Descriptor;

constexpr const char* server = "/usr/sbin/sshd";
constexpr auto patience = std::chrono::seconds(10);

/// Starts a program in a process group of its own, its output in /dev/null.
pid_t start_program(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::system_error(error, std::generic_category(), words[0]);
  return pid;
}

void run_program(const std::vector<std::string>& words) {
  int status = 0;
  const pid_t pid = start_program(words);
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) throw std::runtime_error(words.front() + " failed");
}

sockaddr_in socket_address(const std::string& address, std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &result.sin_addr);
  return result;
}

std::uint16_t free_port(const std::string& address) {
  const Descriptor probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in any = socket_address(address, 0);
  socklen_t length = sizeof any;
  if (::bind(probe.get(), reinterpret_cast<sockaddr*>(&any), length) != 0 ||
      ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&any), &length) != 0) {
    throw std::system_error(errno, std::generic_category(), "no free port on " + address);
  }
  return ntohs(any.sin_port);
}

bool listens(const std::string& address, std::uint16_t port) {
  const Descriptor probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in target = socket_address(address, port);
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0;
}

/// The processes below `parent`, the nearest first.
std::vector<pid_t> descendants(pid_t parent) {
  std::vector<pid_t> found;
  const std::string id = std::to_string(parent);
  std::ifstream children("/proc/" + id + "/task/" + id + "/children");
  for (pid_t child = 0; children >> child;) {
    found.push_back(child);
    const std::vector<pid_t> below = descendants(child);
    found.insert(found.end(), below.begin(), below.end());
  }
  return found;
}

}  // namespace

void make_key(const fs::path& file, const std::string& type, const std::string& passphrase) {
  run_program({"ssh-keygen", "-q", "-t", type, "-N", passphrase, "-C", "test", "-f", file.string()});
}

bool Sshd::available() {
  return ::access(server, X_OK) == 0;
}

Sshd::Sshd() : Sshd(Options()) {}

Sshd::Sshd(const Options& options) : options_(options) {
  const passwd* self = ::getpwuid(::geteuid());
  user_ = self != nullptr ? self->pw_name : "root";
  if (::geteuid() == 0) ::mkdir("/run/sshd", 0755);  // where sshd confines its unprivileged part
  make_key(client_key(), "ed25519");
  fs::copy_file(client_key().string() + ".pub", authorized_keys());
  for (const std::string& type : options_.host_key_types) make_key(host_key(type), type);
  start();
  std::string lines;
  for (const std::string& type : options_.host_key_types) lines += known_hosts_line(type);
  write_file(known_hosts(), lines);
}

Sshd::~Sshd() {
  kill();
}

void Sshd::write_configuration() const {
  std::string text;
  for (const std::string& line : options_.extra) text += line + "\n";
  for (const std::string& type : options_.host_key_types) text += "HostKey " + host_key(type).string() + "\n";
  text += "ListenAddress " + options_.address + "\nPort " + std::to_string(port_) + "\nAuthorizedKeysFile " +
          authorized_keys().string() + "\nPidFile none\nStrictModes no\nUsePAM no\n" +
          "PermitRootLogin yes\nMaxStartups 200\nMaxSessions 100\nLogLevel DEBUG1\nUseDNS no\nPrintMotd no\n"
          // So that bash does not read the user's own ~/.bashrc for commands, see tests/support/sshd.py.
          "SetEnv SHLVL=1\n";
  if (!options_.sftp.empty()) text += "Subsystem sftp " + options_.sftp + "\n";
  write_file(directory() / "sshd_config", text);
}

void Sshd::start() {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    port_ = free_port(options_.address);
    write_configuration();
    pid_ = start_program(
        {server, "-D", "-f", (directory() / "sshd_config").string(), "-E", (directory() / "log").string()});
    while (std::chrono::steady_clock::now() < deadline) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {  // somebody else took the port: once more
        pid_ = -1;
        break;
      }
      if (listens(options_.address, port_)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  throw std::runtime_error("sshd does not listen: " + log());
}

std::string Sshd::log() const {
  return read_text(directory() / "log");
}

bool Sshd::log_shows(const std::string& text) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (log().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string Sshd::known_hosts_line(const std::string& type) const {
  const std::string key = read_text(host_key(type).string() + ".pub");
  return "[" + options_.address + "]:" + std::to_string(port_) + " " + key.substr(0, key.find('\n')) + "\n";
}

void Sshd::signal_children(int signal) const {
  for (const pid_t pid : descendants(pid_)) ::kill(pid, signal);
}

void Sshd::kill() {
  if (pid_ < 0) return;
  const std::vector<pid_t> children = descendants(pid_);
  ::kill(pid_, SIGKILL);
  for (const pid_t child : children) ::kill(child, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

namespace {

bool accepts_connections(const fs::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.string().copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  const peers::Descriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Agent::Agent(const fs::path& socket, const fs::path& key)
    : pid_(start_program({"ssh-agent", "-D", "-a", socket.string()})) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  // The name appears before the agent listens.
  while (!accepts_connections(socket) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  run_program({"env", "SSH_AUTH_SOCK=" + socket.string(), "ssh-add", "-q", key.string()});
}

Agent::~Agent() {
  ::kill(pid_, SIGTERM);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace peerstage::test
