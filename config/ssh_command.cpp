#include "config/ssh_command.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "config/values.h"

namespace peerstage::config {
namespace {

/// The options of one program: those that take a value, and those that change nothing here.
struct Grammar {
  std::string_view name;
  std::string_view with_value;
  std::string_view without_effect;
};

// scp's -p keeps times and modes, which are set by other rules here, and its -s asks for SFTP, which is
// always spoken.
constexpr Grammar scp_grammar{"scp", "cDFiJloPSX", "BOpqsTv"};
constexpr Grammar ssh_grammar{"ssh", "BbcDEeFIiJLlmOopQRSWw", "aknqTvx"};

/// Keys of ssh_config(5), in lower case, that concern what is never done here (prompts, forwarding, other
/// ways to authenticate, shared connections), or what cannot make a difference to the result.
const std::set<std::string> keys_without_effect = {"addkeystoagent",
                                                   "batchmode",
                                                   "challengeresponseauthentication",
                                                   "checkhostip",
                                                   "clearallforwardings",
                                                   "connectionattempts",
                                                   "controlmaster",
                                                   "controlpath",
                                                   "controlpersist",
                                                   "escapechar",
                                                   "exitonforwardfailure",
                                                   "forwardagent",
                                                   "forwardx11",
                                                   "forwardx11timeout",
                                                   "forwardx11trusted",
                                                   "gssapiauthentication",
                                                   "gssapidelegatecredentials",
                                                   "hashknownhosts",
                                                   "hostbasedauthentication",
                                                   "ipqos",
                                                   "kbdinteractiveauthentication",
                                                   "loglevel",
                                                   "numberofpasswordprompts",
                                                   "passwordauthentication",
                                                   "permitlocalcommand",
                                                   "preferredauthentications",
                                                   "rekeylimit",
                                                   "requesttty",
                                                   "sendenv",
                                                   "serveralivecountmax",
                                                   "serveraliveinterval",
                                                   "tcpkeepalive",
                                                   "updatehostkeys",
                                                   "visualhostkey"};

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

bool as_yes_or_no(const std::string& value) {
  if (lower(value) == "yes" || lower(value) == "true") return true;
  if (lower(value) == "no" || lower(value) == "false") return false;
  throw BadValue("must be yes or no");
}

/// A path that means the same wherever the program was started; tokens and variables are left to the SSH
/// side.
std::string as_ssh_path(const std::string& value) {
  if (value == "none" || value.find_first_of("/~%$") == 0) return value;
  throw BadValue("must be an absolute path, or one that begins with \"~/\"");
}

std::vector<std::string> as_ssh_paths(const std::string& value) {
  std::vector<std::string> paths;
  for (std::size_t start = 0; start < value.size();) {
    const std::size_t end = std::min(value.find_first_of(" \t", start), value.size());
    if (end > start) paths.push_back(as_ssh_path(value.substr(start, end - start)));
    start = end + 1;
  }
  return paths;
}

std::string as_agent(const std::string& value) {
  return value == "SSH_AUTH_SOCK" ? value : as_ssh_path(value);
}

/// Times of sshd_config(5), such as 90, 90s or 1m30s.
std::chrono::milliseconds as_ssh_time(const std::string& value) {
  const std::map<char, std::int64_t> units = {
      {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 604'800}};
  constexpr std::int64_t longest = 86'400;
  std::int64_t seconds = 0;
  for (std::size_t start = 0; start < value.size();) {
    const std::size_t end = std::min(value.find_first_not_of("0123456789", start), value.size());
    const auto unit = end == value.size() ? units.find('s') : units.find(lower(value)[end]);
    if (end == start || end - start > 9 || unit == units.end())
      throw BadValue("must be a time such as 10 or 1m30s");
    seconds += std::stoll(value.substr(start, end - start)) * unit->second;
    start = end + 1;
  }
  if (seconds < 1 || seconds > longest) throw BadValue("must be from one second to one day");
  return std::chrono::seconds(seconds);
}

AddressFamily as_address_family(const std::string& value) {
  const std::string family = lower(value);
  if (family == "any") return AddressFamily::any;
  if (family == "inet") return AddressFamily::ipv4;
  if (family == "inet6") return AddressFamily::ipv6;
  throw BadValue("must be any, inet or inet6");
}

/// scp counts in kilobits of 1024.
ByteCount as_scp_limit(const std::string& value) {
  constexpr unsigned scp_maximum = 100 * 1024 * 1024;
  return {std::uint64_t{AsNumber{1, scp_maximum}(value)} * 1024 / 8};
}

class Reader {
 public:
  Reader(SshProgram program, std::vector<std::string> words)
      : program_(program),
        grammar_(program == SshProgram::scp ? scp_grammar : ssh_grammar),
        words_(std::move(words)) {}

  SshCommand run() {
    for (next_ = 1; next_ < words_.size();) {
      const std::string word = words_[next_++];
      if (word == "--") break;
      if (word.size() < 2 || word[0] != '-') {
        error(quoted(word) + " is no option; the command must end before the names of files and machines");
      } else {
        bundle(word);
      }
    }
    if (next_ < words_.size()) error(quoted(words_[next_]) + " is no option");
    finish();
    return std::move(result_);
  }

 private:
  void error(const std::string& message) { result_.notices.push_back({Severity::error, message}); }
  void warning(const std::string& message) { result_.notices.push_back({Severity::warning, message}); }

  /// One word of options, such as -Bq, -P22 or -P with the value in the next word.
  void bundle(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const char option = word[i];
      if (!is_letter_or_digit(option)) return error(quoted(word) + " is no option");
      if (grammar_.with_value.find(option) == std::string_view::npos) {
        flag(option);
        continue;
      }
      if (i + 1 < word.size()) return with_value(option, word.substr(i + 1));
      if (next_ == words_.size()) return error(std::string("the option -") + option + " lacks its value");
      return with_value(option, words_[next_++]);
    }
  }

  void flag(char option) {
    switch (option) {
      case '4':
        family_ = AddressFamily::ipv4;
        return;
      case '6':
        family_ = AddressFamily::ipv6;
        return;
      case 'C':
        compression_ = true;
        return;
      default:
        break;
    }
    if (option == 'r' && program_ == SshProgram::scp) {
      warning("the option -r has no effect; <subdirectories> decides about subdirectories");
    } else if (grammar_.without_effect.find(option) == std::string_view::npos) {
      refuse(option);
    }
  }

  void refuse(char option) {
    error(std::string("the option -") + option + " of " + std::string(grammar_.name) +
          " cannot be honoured; remove it, or say what it is for by the elements of <peerstage><ssh> or of "
          "the peer");
  }

  void with_value(char option, const std::string& value) {
    const std::string name = std::string("-") + option;
    SshSettings& settings = result_.settings;
    switch (option) {
      case 'o':
        return key_and_value(value);
      case 'i':
        return apply(name, value, [&](const auto& v) { settings.identity_files.push_back(as_ssh_path(v)); });
      case 'F':
        return apply(name, value, [&](const auto& v) { settings.config_file = as_ssh_path(v); });
      case 'c':
        return apply(name, value, [&](const auto& v) { ciphers_ = as_algorithms(v); });
      case 'J':
        return proxy("-J", value);
      default:
        break;
    }
    if (program_ == SshProgram::scp && option == 'P') {
      apply(name, value, [&](const auto& v) { scp_port_ = as_port(v); });
    } else if (program_ == SshProgram::scp && option == 'l') {
      apply(name, value, [&](const auto& v) { result_.bandwidth_limit = as_scp_limit(v); });
    } else if (program_ == SshProgram::ssh && option == 'p') {
      apply(name, value, [&](const auto& v) { first(settings.port, as_port(v)); });
    } else if (program_ == SshProgram::ssh && option == 'l') {
      first_user(value);
    } else {
      refuse(option);
    }
  }

  template <typename Apply>
  void apply(const std::string& name, const std::string& value, const Apply& apply_value) {
    try {
      if (value.empty()) throw BadValue("must not be empty");
      apply_value(value);
    } catch (const BadValue& bad) {
      error("the value " + quoted(value) + " of " + name + " " + bad.what());
    }
  }

  /// Of several values of a key, OpenSSH takes the first.
  template <typename Value>
  static void first(std::optional<Value>& setting, Value value) {
    if (!setting) setting = std::move(value);
  }
  static void first(std::vector<std::string>& setting, std::vector<std::string> value) {
    if (setting.empty()) setting = std::move(value);
  }
  void first_user(const std::string& user) {
    if (result_.settings.user.empty()) result_.settings.user = user;
  }

  /// `Key=Value`, `Key Value` or `Key = Value`.
  void key_and_value(const std::string& text) {
    const std::string blanks = " \t";
    const std::size_t start = std::min(text.find_first_not_of(blanks), text.size());
    const std::size_t end = std::min(text.find_first_of(" \t=", start), text.size());
    const std::string key = text.substr(start, end - start);
    std::size_t value = std::min(text.find_first_not_of(blanks, end), text.size());
    if (value < text.size() && text[value] == '=')
      value = std::min(text.find_first_not_of(blanks, value + 1), text.size());
    const std::size_t last = text.find_last_not_of(blanks);
    const bool has_value = value < text.size() && last != std::string::npos && last >= value;
    const bool is_key = !key.empty() && std::all_of(key.begin(), key.end(), is_letter_or_digit);
    if (!is_key || !has_value)
      return error("the option -o " + quoted(text) + " is not of the form Key=Value");
    setting(key, text.substr(value, last - value + 1));
  }

  void setting(const std::string& name, const std::string& value) {
    const std::string key = lower(name);
    if (keys_without_effect.contains(key)) return;
    if (key == "proxyjump" || key == "proxycommand") return proxy(name, value);
    const auto& known = settings_by_key();
    const auto found = known.find(key);
    if (found == known.end()) {
      return error("the option -o " + name +
                   " is not known here; remove it, or put it into the ssh configuration file " +
                   "of the backup user if it matters to ssh alone");
    }
    apply("-o " + name, value, found->second);
  }

  using Setter = std::function<void(const std::string&)>;

  std::map<std::string, Setter> settings_by_key() {
    SshSettings& s = result_.settings;
    const auto text = [](std::optional<std::string>& setting) {
      return [&setting](const std::string& v) { first(setting, v); };
    };
    return {
        {"port", [&s](const auto& v) { first(s.port, as_port(v)); }},
        {"user", [this](const auto& v) { first_user(v); }},
        {"hostname",
         [&s](const auto& v) {
           if (s.host.empty()) s.host = v;
         }},
        {"identityfile", [&s](const auto& v) { s.identity_files.push_back(as_ssh_path(v)); }},
        {"userknownhostsfile", [&s](const auto& v) { first(s.known_hosts, as_ssh_paths(v)); }},
        {"globalknownhostsfile", [&s](const auto& v) { first(s.global_known_hosts, as_ssh_paths(v)); }},
        {"stricthostkeychecking", [this](const auto& v) { host_key_checking(v); }},
        {"hostkeyalias", text(s.host_key_alias)},
        {"ciphers", text(s.ciphers)},
        {"kexalgorithms", text(s.key_exchanges)},
        {"macs", text(s.macs)},
        {"hostkeyalgorithms", text(s.host_key_algorithms)},
        {"compression", [&s](const auto& v) { first(s.compression, as_yes_or_no(v)); }},
        {"connecttimeout",
         [&s](const auto& v) {
           if (lower(v) != "none") first(s.connect_timeout, as_ssh_time(v));
         }},
        {"identityagent", [&s](const auto& v) { first(s.identity_agent, as_agent(v)); }},
        {"identitiesonly", [&s](const auto& v) { first(s.identities_only, as_yes_or_no(v)); }},
        {"addressfamily", [this](const auto& v) { first(configured_family_, as_address_family(v)); }},
        {"pubkeyauthentication",
         [](const auto& v) {
           if (lower(v) == "no") throw BadValue("leaves no way to log in; only public keys are used");
         }},
        {"protocol",
         [](const auto& v) {
           if (v != "2") throw BadValue("must be 2, the only version of SSH in use");
         }},
    };
  }

  void host_key_checking(const std::string& value) {
    const std::string word = lower(value);
    auto& policy = result_.settings.host_key_policy;
    if (word == "yes" || word == "true" || word == "ask") return first(policy, HostKeyPolicy::strict);
    if (word == "accept-new") return first(policy, HostKeyPolicy::accept_new);
    if (word != "no" && word != "false" && word != "off")
      throw BadValue("must be yes, ask, accept-new or no");
    if (!policy)
      warning("StrictHostKeyChecking=" + value +
              " is taken as accept-new: a changed host key is still refused");
    first(policy, HostKeyPolicy::accept_new);
  }

  void proxy(const std::string& option, const std::string& value) {
    if (lower(value) == "none") return;
    error(option + " " + quoted(value) + " cannot be honoured: peers are reached directly; " +
          "give the peer an <address> and <port> that lead to it, e.g. those of a forwarded port");
  }

  /// ssh lets -4, -6, -c and -C win over any -o, and scp hands -P on behind every -o.
  void finish() {
    SshSettings& settings = result_.settings;
    if (ciphers_) settings.ciphers = ciphers_;
    if (compression_) settings.compression = compression_;
    if (scp_port_ && !settings.port) settings.port = scp_port_;
    settings.address_family = family_.value_or(configured_family_.value_or(AddressFamily::any));
  }

  SshProgram program_;
  Grammar grammar_;
  std::vector<std::string> words_;
  std::size_t next_ = 0;
  SshCommand result_;
  std::optional<AddressFamily> family_, configured_family_;
  std::optional<std::string> ciphers_;
  std::optional<bool> compression_;
  std::optional<Port> scp_port_;
};

}  // namespace

std::vector<std::string> split_command(const std::string& command) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < command.size();) {
    const bool is_quote = command[i] == '"';
    const std::size_t start = is_quote ? i + 1 : i;
    const std::size_t end = command.find_first_of(is_quote ? "\"" : " \"", start);
    const bool unterminated = is_quote && end == std::string::npos;
    const std::size_t stop = unterminated ? start : std::min(end, command.size());
    if (stop > start) words.push_back(command.substr(start, stop - start));
    const bool skips_one = stop < command.size() && !unterminated && (is_quote || command[stop] == ' ');
    i = stop + (skips_one ? 1 : 0);
  }
  return words;
}

SshCommand read_ssh_command(const std::string& command, SshProgram program) {
  const std::string expected = program == SshProgram::scp ? "scp" : "ssh";
  std::vector<std::string> words = split_command(command);
  const std::string first = words.empty() ? "" : words.front();
  if (first.substr(first.rfind('/') + 1) == expected) return Reader(program, std::move(words)).run();
  SshCommand refused;
  refused.notices.push_back(
      {Severity::error,
       quoted(first) + " is not " + expected +
           ", and no other program is run: SSH is spoken directly; write " + expected +
           " with its options here, and say what the program did for you by the elements of " +
           "<peerstage><ssh> or of the peer (address, port, identity_file, known_hosts)"});
  return refused;
}

}  // namespace peerstage::config
