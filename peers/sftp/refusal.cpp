#include "peers/sftp/refusal.h"

#include <algorithm>

#include "peers/text.h"

namespace peerstage::peers::sftp {
namespace {

constexpr std::size_t longest_server_text = 200;

std::string meaning(StatusCode code) {
  switch (code) {
    case StatusCode::ok:
      return "success";
    case StatusCode::eof:
      return "end of file";
    case StatusCode::no_such_file:
      return "no such file or directory";
    case StatusCode::permission_denied:
      return "permission denied";
    case StatusCode::failure:
      return "failure";
    case StatusCode::bad_message:
      return "bad message";
    case StatusCode::no_connection:
      return "no connection";
    case StatusCode::connection_lost:
      return "connection lost";
    case StatusCode::unsupported:
      return "operation unsupported";
  }
  return "unknown status " + std::to_string(static_cast<std::uint32_t>(code));
}

bool same_but_for_case(std::string_view left, std::string_view right) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

}  // namespace

std::string on_machine(std::string_view path, std::string_view machine) {
  return " '" + printable(path) + "' on " + std::string(machine);
}

PeerError refused(const std::string& tried, const Status& status) {
  const std::string reason = meaning(status.code);
  std::string message = tried + ": " + reason;
  // "no such file" is how OpenSSH puts it: a repetition, like every text that our own words begin with.
  if (!same_but_for_case(status.text, std::string_view(reason).substr(0, status.text.size())))
    message += " (the server says \"" + printable(status.text, longest_server_text) + "\")";
  const bool passes = status.code == StatusCode::no_connection || status.code == StatusCode::connection_lost;
  return {passes ? FailureKind::transient : FailureKind::permanent, message};
}

}  // namespace peerstage::peers::sftp
