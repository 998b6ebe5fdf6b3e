#include "daemon/catalog/peer_row.h"

#include "daemon/catalog/stored_values.h"

namespace peerstage::daemon {

void exchange_columns(soci::statement& select, PeerRow& row) {
  select.exchange(soci::into(row.name));
  select.exchange(soci::into(row.type));
  select.exchange(soci::into(row.status));
  select.exchange(soci::into(row.files));
  select.exchange(soci::into(row.bytes));
  select.exchange(soci::into(row.reused_files));
  select.exchange(soci::into(row.attempts));
  select.exchange(soci::into(row.milliseconds));
  select.exchange(soci::into(row.skipped_unlisted));
  select.exchange(soci::into(row.failure_kind.value, row.failure_kind.state));
  select.exchange(soci::into(row.failure.value, row.failure.state));
}

PeerRow row_of(const PeerReport& report) {
  PeerRow row;
  row.name = report.name;
  row.type = to_string(report.type);
  row.status = to_string(report.status);
  row.files = stored_number(report.files);
  row.bytes = stored_number(report.bytes);
  row.reused_files = stored_number(report.reused_files);
  row.attempts = report.attempts;
  row.milliseconds = report.duration.count();
  row.skipped_unlisted = stored_number(report.skipped_unlisted);
  if (!report.failure) return row;
  row.failure_kind = std::string(peers::to_string(report.failure->kind));
  row.failure = report.failure->message;
  return row;
}

PeerReport report_of(const PeerRow& row) {
  PeerReport report;
  report.name = row.name;
  report.type = one_of(row.type, {PeerType::local, PeerType::remote});
  report.status = one_of(row.status, {PeerStatus::staged, PeerStatus::unchanged, PeerStatus::not_ready,
                                      PeerStatus::ignored, PeerStatus::failed, PeerStatus::cancelled});
  report.files = number_of(row.files);
  report.bytes = number_of(row.bytes);
  report.reused_files = number_of(row.reused_files);
  report.attempts = static_cast<unsigned>(row.attempts);
  report.duration = std::chrono::milliseconds(row.milliseconds);
  report.skipped_unlisted = number_of(row.skipped_unlisted);
  report.failure = failure_of(row.failure_kind, row.failure);
  return report;
}

}  // namespace peerstage::daemon
