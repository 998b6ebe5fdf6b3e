#pragma once

#include <vector>

#include "config/stage_plan.h"

namespace peerstage::daemon {

/// What a run knows of one configured peer when it decides about the day's marker.
struct PeerOfDay {
  bool staged = false;     ///< by this run, or it found everything there
  bool ignorable = false;  ///< it was not ready, and need not be today
  bool held = false;       ///< the day holds a published tree of it, from whichever run
  bool selected = true;    ///< this run was about it
};

enum class MarkerStep { set, leave, remove };

/// `complete`: set when every peer is staged or ignorable today (one that the run was not about counts by
/// what the day holds), removed when the day lacks a peer that is needed, so that the marker never says more
/// than is true. `any`: set when one peer is there. `always`: set, as Cedar Backup does. What is set already
/// is left as it is in every other case.
MarkerStep judge_day(config::DailyIndicator policy, const std::vector<PeerOfDay>& peers);

}  // namespace peerstage::daemon
