#include "config/staging_values.h"

namespace peerstage::config {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds day{std::chrono::hours(24)};
constexpr milliseconds month = 30 * day;

const AsOneOf<Verify> as_verify{
    {{"none", Verify::none}, {"manifest", Verify::manifest}, {"checksum", Verify::checksum}}};
const AsOneOf<Subdirectories> as_subdirectories{
    {{"recurse", Subdirectories::recurse}, {"skip", Subdirectories::skip}, {"fail", Subdirectories::fail}}};
const AsOneOf<SpecialFiles> as_special_files{{{"skip", SpecialFiles::skip}, {"fail", SpecialFiles::fail}}};

}  // namespace

StagingValues read_staging_values(Fields& fields) {
  StagingValues values;
  values.connections_per_peer = fields.value("connections_per_peer", AsNumber{1, 16});
  values.wait_for_collect = fields.value("wait_for_collect", AsDuration{milliseconds(0), month});
  values.poll_interval = fields.value("poll_interval", AsDuration{milliseconds(10), day});
  values.retries = fields.value("retries", AsNumber{0, 1000});
  values.retry_delay = fields.value("retry_delay", AsDuration{milliseconds(0), day});
  values.bandwidth_limit = fields.value("bandwidth_limit", as_size);
  values.reuse_unchanged = fields.value("reuse_unchanged", as_boolean);
  values.verify = fields.value("verify", as_verify);
  values.subdirectories = fields.value("subdirectories", as_subdirectories);
  values.special_files = fields.value("special_files", as_special_files);
  values.permissions = fields.value("permissions", as_file_mode);
  values.minimum_free = fields.value("minimum_free", as_minimum_free);
  values.deadline = fields.value("deadline", AsDuration{milliseconds(0), month});
  return values;
}

}  // namespace peerstage::config
