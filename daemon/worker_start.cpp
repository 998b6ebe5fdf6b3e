#include "daemon/worker_start.h"

#include <csignal>
#include <utility>

#include <boost/filesystem/path.hpp>
#include <fcntl.h>

namespace peerstage::daemon {

void use_default_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) std::signal(signal, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

std::vector<std::string> places_of_new_host_keys(const config::SshSettings& ssh, const User& user) {
  if (ssh.host_key_policy == config::HostKeyPolicy::strict) return {};
  std::vector<std::string> paths{user.home + "/.ssh"};
  for (const std::string& file : ssh.known_hosts)
    paths.push_back(boost::filesystem::path(file).parent_path().string());
  return paths;
}

std::vector<peers::Descriptor> open_directories(const std::vector<std::string>& paths) {
  std::vector<peers::Descriptor> directories;
  for (const std::string& path : paths) {
    peers::Descriptor directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (directory) directories.push_back(std::move(directory));
  }
  return directories;
}

}  // namespace peerstage::daemon
