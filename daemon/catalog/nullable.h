#pragma once

#include <utility>

#include <soci/soci.h>

namespace peerstage::daemon {

/// A value of a column that may be null, in the form that SOCI exchanges.
template <typename Value>
class Nullable {
 public:
  Nullable& operator=(Value value) {
    value_ = std::move(value);
    indicator_ = soci::i_ok;
    return *this;
  }
  bool has_value() const { return indicator_ == soci::i_ok; }
  const Value& value() const { return value_; }

  friend auto into_nullable(Nullable& nullable) {
    return soci::into(nullable.value_, nullable.indicator_);
  }
  friend auto use_nullable(Nullable& nullable) { return soci::use(nullable.value_, nullable.indicator_); }

 private:
  Value value_{};
  soci::indicator indicator_ = soci::i_null;
};

}  // namespace peerstage::daemon
