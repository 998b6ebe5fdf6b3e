#include "daemon/service/catalog_rebuilder.h"

#include <sstream>
#include <utility>

#include <boost/filesystem/operations.hpp>

namespace peerstage::daemon {
namespace {

using peers::EventLevel;

// Years of days on a slow disk; the catalog can be used meanwhile.
constexpr auto deadline = std::chrono::hours(12);

}  // namespace

CatalogRebuilder::CatalogRebuilder(boost::asio::io_context& loop, Timeline& timeline, Tell tell)
    : loop_(loop), timeline_(timeline), tell_(std::move(tell)) {}

void CatalogRebuilder::rebuild(const std::string& config_file, std::function<void()> done) {
  if (child_) return;
  ChildOrder order;
  // A program of its own: in a child that was only forked, SQLite would believe that it holds our locks.
  const std::string path = boost::filesystem::absolute(config_file).string();  // a child runs in "/"
  order.body = run_program({"/proc/self/exe", "rebuild", "-c", path}, {"LC_ALL=C.UTF-8"});
  order.deadline = deadline;
  child_ = std::make_unique<ChildCommand>(loop_, timeline_, std::move(order),
                                          [this, done = std::move(done)](const ChildResult& result) {
                                            log_output(result);
                                            const auto finished = done;  // goes with the child
                                            child_.reset();
                                            finished();
                                          });
}

void CatalogRebuilder::log_output(const ChildResult& result) {
  std::istringstream lines(result.output);
  const EventLevel level = result.succeeded() ? EventLevel::info : EventLevel::warning;
  for (std::string line; std::getline(lines, line);) tell_(level, line);
  if (!result.succeeded()) tell_(level, "rebuilding the catalog " + to_string(result));
}

}  // namespace peerstage::daemon
