#pragma once

#include <string_view>

/// What is fuzzed: each NAME_fuzz.cpp defines one target, built once with libFuzzer (scripts/fuzz) and once,
/// in every build, into a program that runs what lies in corpus/NAME.
namespace peerstage::fuzz {

/// A door through which bytes come that others chose. There may be several in one program.
class Target {
 public:
  /// `run` takes any bytes at all. What must not happen is a crash, an exception that gets out of it, or a
  /// failed `expect`.
  using Run = void (*)(std::string_view input);
  Target(const char* name, Run run);

  /// Null: there is none of that name.
  static const Target* find(std::string_view name);
  /// Of a program that has one.
  static const Target& only();

  void operator()(std::string_view input) const { run_(input); }

 private:
  const char* name_;
  Run run_;
  const Target* before_;
};

/// Ends the program with the sentence unless it holds: no exception, since what is fuzzed may catch those.
void expect(bool holds, std::string_view sentence);

}  // namespace peerstage::fuzz
