#include "peers/ssh/ssh_config.h"

#include <cerrno>
#include <cstring>
#include <glob.h>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

#include "peers/descriptor.h"
#include "peers/failure.h"
#include "peers/ssh/pattern.h"
#include "peers/ssh/small_file.h"
#include "peers/text.h"

namespace peerstage::peers::ssh {
namespace {

constexpr int include_depth_limit = 16;  // as OpenSSH has it

PeerError bad_line(const ConfigLine& line, const std::string& why) {
  return {FailureKind::permanent, line.place() + ": " + why};
}

/// The words of a line: separated by blanks, quoted by ' or ", `\` before a quote, a blank or itself. A word
/// that begins with # ends the line. Absent: a quote is not closed.
std::optional<std::vector<std::string>> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(" \t", at)) != std::string_view::npos && text[at] != '#') {
    std::string word;
    char quote = 0;
    for (; at < text.size(); ++at) {
      const char c = text[at];
      const char next = at + 1 < text.size() ? text[at + 1] : '\0';
      const bool escape = next == '\'' || next == '"' || next == '\\' || (quote == 0 && next == ' ');
      if (c == '\\' && escape) {
        word += next;
        ++at;
      } else if (quote == 0 && (c == ' ' || c == '\t')) {
        break;
      } else if (quote == 0 && (c == '\'' || c == '"')) {
        quote = c;
      } else if (quote != 0 && c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    }
    if (quote != 0) return std::nullopt;
    words.push_back(word);
  }
  return words;
}

/// Or what protects one.
bool has_wildcard(std::string_view pattern) {
  return pattern.find_first_of("*?[\\") != std::string_view::npos;
}

std::vector<std::string> matches_of(const std::string& pattern) {
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) != 0) return {};
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

class Reader {
 public:
  explicit Reader(const ConfigQuery& query) : query_(query) {}

  void read(const std::string& path, ConfigFile::Kind kind, int depth) {
    const std::optional<std::string> text = read_trusted_file(path);
    if (!text) return;
    config_.files.push_back(path);
    bool active = true;
    ConfigLine line{{}, path, 0};
    for (std::string_view rest = *text; !rest.empty();) {
      const std::size_t length = std::min(rest.find('\n'), rest.size());
      ++line.line;
      active = read_line(rest.substr(0, length), line, active, kind, depth);
      rest.remove_prefix(std::min(length + 1, rest.size()));
    }
  }

  SshConfig take() { return std::move(config_); }

 private:
  /// Returns whether the lines that follow count.
  bool read_line(std::string_view text, ConfigLine& line, bool active, ConfigFile::Kind kind, int depth) {
    while (!text.empty() && std::string_view(" \t\r\f").find(text.back()) != std::string_view::npos) {
      text.remove_suffix(1);
    }
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    if (text.empty() || text.front() == '#') return active;
    const std::size_t length = std::min(text.find_first_of(" \t="), text.size());
    const std::string keyword = lower_case(text.substr(0, length));
    text.remove_prefix(length);
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    if (text.starts_with('=')) text.remove_prefix(1);
    const auto words = split_words(text);
    if (!words) throw bad_line(line, "a quote is not closed");
    line.words = *words;

    if (keyword == "host") return matches_patterns(query_.host, line.words);
    if (keyword == "match") return matches(line);
    if (!active) return false;
    if (line.words.empty()) throw bad_line(line, printable(keyword, 100) + " has no value");
    if (keyword == "include") {
      include(line, kind, depth);
    } else if (keyword == "identityfile") {
      config_.identity_files.push_back(line);
    } else {
      config_.first.try_emplace(keyword, line);
    }
    return true;
  }

  bool matches(const ConfigLine& line) {
    bool all_match = !line.words.empty();
    for (std::size_t i = 0; i < line.words.size(); ++i) {
      std::string criterion = lower_case(line.words[i]);
      if (criterion == "all") continue;
      const bool negated = criterion.starts_with('!');
      if (negated) criterion.erase(0, 1);
      const std::optional<std::string> value = value_of(criterion);
      if (!value) {
        config_.notes.push_back(line.place() + ": the block is left out, because \"Match " +
                                printable(criterion, 100) + "\" is not evaluated here");
        return false;
      }
      if (++i == line.words.size())
        throw bad_line(line, "Match " + printable(criterion, 100) + " has no value");
      const bool is_host = criterion.ends_with("host");  // which is compared without regard to case
      const std::string patterns = is_host ? lower_case(line.words[i]) : line.words[i];
      if (matches_patterns(*value, split(patterns, ",")) == negated) all_match = false;
    }
    return all_match;
  }

  std::optional<std::string> value_of(const std::string& criterion) const {
    if (criterion == "originalhost") return lower_case(query_.host);
    if (criterion == "localuser") return query_.user.name;
    if (criterion == "host") {
      const ConfigLine* mapped = config_.find("hostname");
      return lower_case(mapped != nullptr ? mapped->words.front() : query_.host);
    }
    if (criterion == "user") {
      const ConfigLine* user = config_.find("user");
      if (!query_.remote_user.empty()) return query_.remote_user;
      return user != nullptr ? user->words.front() : query_.user.name;
    }
    return std::nullopt;
  }

  void include(const ConfigLine& line, ConfigFile::Kind kind, int depth) {
    if (depth >= include_depth_limit) throw bad_line(line, "too many files include each other");
    for (std::string pattern : line.words) {
      if (pattern.starts_with("~/")) {
        pattern = query_.user.home + pattern.substr(1);
      } else if (!pattern.starts_with('/')) {
        pattern = (kind == ConfigFile::Kind::user ? query_.user.home + "/.ssh/" : "/etc/ssh/") + pattern;
      }
      search(pattern, line);
      for (const std::string& path : matches_of(pattern)) read(path, kind, depth + 1);
    }
  }

  /// glob(3) takes a directory that it cannot read for one in which there is nothing: what somebody has set
  /// would not count, and nobody would know.
  void search(const std::string& pattern, const ConfigLine& line) {
    for (std::size_t slash = pattern.find('/'); slash != std::string::npos;
         slash = pattern.find('/', slash + 1)) {
      const std::string component = pattern.substr(slash + 1, pattern.find('/', slash + 1) - slash - 1);
      if (!has_wildcard(component)) continue;
      const std::string above = pattern.substr(0, slash + 1);
      for (const std::string& directory : has_wildcard(above) ? matches_of(above) : std::vector{above})
        search_directory(directory, line);
    }
  }

  void search_directory(const std::string& directory, const ConfigLine& line) {
    const Descriptor opened = open_at(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!opened && (errno == ENOENT || errno == ENOTDIR)) return;
    if (!opened) throw bad_line(line, "cannot search " + printable(directory) + ": " + std::strerror(errno));
    config_.directories.push_back(directory);
  }

  const ConfigQuery& query_;
  SshConfig config_;
};

}  // namespace

std::string ConfigLine::place() const {
  return printable(file) + ":" + std::to_string(line);
}

const ConfigLine* SshConfig::find(std::string_view keyword) const {
  const auto found = first.find(keyword);
  return found == first.end() ? nullptr : &found->second;
}

SshConfig read_ssh_config(const std::vector<ConfigFile>& files, const ConfigQuery& query) {
  Reader reader(query);
  for (const ConfigFile& file : files) reader.read(file.path, file.kind, 0);
  return reader.take();
}

}  // namespace peerstage::peers::ssh
