#pragma once

#include <soci/soci.h>
#include <utility>

namespace peerstage::daemon {

/// A value of a column that may be null. SOCI exchanges the pair: use(column.value, column.state). (It has to
/// stand in the statement itself: what use() returns refers to a temporary.)
template <typename Value>
struct Nullable {
  Value value{};
  soci::indicator state = soci::i_null;

  Nullable& operator=(Value given) {
    value = std::move(given);
    state = soci::i_ok;
    return *this;
  }
  explicit operator bool() const { return state == soci::i_ok; }
};

}  // namespace peerstage::daemon
