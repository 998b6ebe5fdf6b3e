#include "daemon/catalog/catalog_json.h"

#include "daemon/report_json.h"
#include "daemon/utc.h"

namespace peerstage::daemon {
namespace {

Json interruptions_of(const CatalogedRun& run) {
  Json all = Json::array();
  for (const RunInterruption& each : run.interruptions)
    all.push_back({{"when", utc(each.when)}, {"cause", to_string(each.cause)}});
  return all;
}

Json object_of(const CatalogedRun& run) {
  Json object = run_object(run.report);
  if (!run.over) object["finished"] = nullptr;
  object["job"] = run.origin.job.empty() ? Json(nullptr) : Json(run.origin.job);
  object["trigger"] = to_string(run.origin.trigger);
  object["slot"] = run.origin.slot ? Json(utc(*run.origin.slot)) : Json(nullptr);
  object["selected"] = run.origin.selected;
  object["full"] = run.origin.full;
  object["over"] = run.over;
  object["interruptions"] = interruptions_of(run);
  return object;
}

}  // namespace

std::string to_json(const std::vector<CatalogedRun>& runs) {
  Json all = Json::array();
  for (const CatalogedRun& run : runs) {
    all.push_back({{"run", object_of(run)}, {"peers", peer_objects(run.report)}});
  }
  return document_text({{"version", 1}, {"runs", std::move(all)}});
}

std::string to_json(const CatalogedRun& run) {
  return document_text({{"version", 1}, {"run", object_of(run)}, {"peers", peer_objects(run.report)}});
}

}  // namespace peerstage::daemon
