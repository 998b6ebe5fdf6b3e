#pragma once

#include <string_view>

/// The MESSAGE_ID= of what happens in the life of the pool, see sd_journal_send(3) and sd-id128(3). They
/// never change: people's queries and alerts hang on them. docs/operations.md lists them.
namespace peerstage::daemon::message_ids {

inline constexpr std::string_view run_begun = "746584d978cc434bb736ea21f18c6859";
inline constexpr std::string_view run_ended_well = "3cd63a30f30d4fdd9cf00a573adc91ad";
inline constexpr std::string_view run_failed = "d3bfbb037ed643cebd679a1100ae7ed5";
inline constexpr std::string_view peer_failed = "57bf19f1b5fc46078c369864f5229267";
inline constexpr std::string_view peer_stale = "1a73136acf3948929589ba11a64f5f39";
inline constexpr std::string_view configuration_refused = "33e901f50bd84eb99e4d8684a4ccfb39";

}  // namespace peerstage::daemon::message_ids
