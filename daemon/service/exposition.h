#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace peerstage::daemon {

/// Writes the text format of Prometheus, version 0.0.4: families of samples, each family once.
class Exposition {
 public:
  enum class Kind { counter, gauge };
  struct Label {
    std::string_view name, value;
  };
  using Labels = std::initializer_list<Label>;

  /// Begins a family: what follows are its samples. `help` is one sentence.
  void family(std::string_view name, Kind kind, std::string_view help);
  void sample(std::uint64_t value, Labels labels = {});
  /// In seconds, to the millisecond.
  void sample_milliseconds(std::int64_t value, Labels labels = {});
  /// A family of one sample without labels.
  void single(std::string_view name, Kind kind, std::string_view help, std::uint64_t value);

  std::string take() { return std::move(text_); }

 private:
  void begin_sample(Labels labels);

  std::string text_, name_;
};

}  // namespace peerstage::daemon
