#include "daemon/text_table.h"

#include <gtest/gtest.h>

namespace peerstage::daemon {
namespace {

TEST(TextTable, is_as_wide_as_its_longest_cells_on_a_terminal) {
  TextTable table({{"job", Align::left}, {"files", Align::right}, {"why", Align::left}});
  table.add({"nächtlich", "7", ""});
  table.add({"日本", "12345678", "it is so"});
  EXPECT_EQ(table.text(),
            "job           files  why\n"
            "nächtlich         7\n"
            "日本       12345678  it is so\n");
}

}  // namespace
}  // namespace peerstage::daemon
