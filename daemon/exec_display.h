#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/exec_run.h"

namespace peerstage::daemon {

enum class ExecStyle {
  as_it_comes,  ///< each line behind the name of its peer
  gathered,     ///< what a peer said in one piece, when it is done
  silent        ///< only what is wrong, for whoever gets the document
};

/// Shows the output of a command on many peers: what it printed on the standard output, what it complained
/// about and what went wrong on the standard error. Peers may print anything: lines are escaped (see
/// daemon/one_line.h; tabs stay) and cut into pieces, wherever they go.
class ExecDisplay final : public ExecObserver {
 public:
  explicit ExecDisplay(ExecStyle style) : style_(style) {}

  void begun(const ExecReport& report) override;
  void output(std::size_t peer, const WorkOutput& output) override;
  void event(std::size_t peer, const WorkEvent& event) override;
  void finished(std::size_t peer, const ExecPeerReport& report) override;
  void ended(const ExecReport& report) override;

  /// Nothing of what was shown on the standard output was lost.
  bool is_whole() const { return !lost_; }

 private:
  using Line = std::pair<peers::CommandStream, std::string>;
  struct Peer {
    std::string name;
    std::array<std::string, 2> unfinished;  ///< lines, of each stream
    std::vector<Line> gathered;
    std::size_t gathered_memory = 0;  ///< bytes
    std::uint64_t left_out = 0;       ///< bytes beyond what is gathered
  };

  void take_line(Peer& peer, peers::CommandStream stream, std::string_view line);
  void show_gathered(Peer& peer, const ExecPeerReport& report);
  void print(peers::CommandStream stream, const std::string& line);
  void complain(const std::string& text);

  ExecStyle style_;
  std::vector<Peer> peers_;
  bool lost_ = false;
};

}  // namespace peerstage::daemon
