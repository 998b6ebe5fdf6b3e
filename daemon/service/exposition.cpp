#include "daemon/service/exposition.h"

#include <array>
#include <cstdio>

namespace peerstage::daemon {
namespace {

/// A backslash and a line feed are escaped everywhere, a quote in the values of labels.
void append_escaped(std::string& text, std::string_view value, bool in_quotes) {
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || (in_quotes && c == '"')) text += '\\';
    text += c;
  }
}

}  // namespace

void Exposition::family(std::string_view name, Kind kind, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ");
  append_escaped(text_, help, false);
  text_.append("\n# TYPE ").append(name).append(kind == Kind::counter ? " counter\n" : " gauge\n");
}

void Exposition::begin_sample(Labels labels) {
  text_ += name_;
  if (labels.size() == 0) {
    text_ += ' ';
    return;
  }
  char before = '{';
  for (const Label& label : labels) {
    text_ += before;
    text_.append(label.name).append("=\"");
    append_escaped(text_, label.value, true);
    text_ += '"';
    before = ',';
  }
  text_ += "} ";
}

void Exposition::sample(std::uint64_t value, Labels labels) {
  begin_sample(labels);
  text_.append(std::to_string(value)).append("\n");
}

void Exposition::sample_milliseconds(std::int64_t value, Labels labels) {
  std::array<char, 48> number{};
  std::snprintf(number.data(), number.size(), "%.3f\n", static_cast<double>(value) / 1000);
  begin_sample(labels);
  text_ += number.data();
}

void Exposition::single(std::string_view name, Kind kind, std::string_view help, std::uint64_t value) {
  family(name, kind, help);
  sample(value);
}

}  // namespace peerstage::daemon
