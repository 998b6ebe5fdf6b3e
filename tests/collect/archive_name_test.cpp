#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "peers/collect/archive.h"
#include "peers/collect/tree.h"

namespace peerstage::peers::collect {
namespace {

TEST(ArchiveName, IsThatOfCedarBackup) {
  const std::pair<const char*, const char*> names[] = {{"/", "_"},
                                                       {"/etc", "etc"},
                                                       {"/etc/x", "etc-x"},
                                                       {"/tmp/", "tmp-"},
                                                       {"//x", "-x"},
                                                       {"/.x", "_x"},
                                                       {"/.x/.y", "_x-.y"},
                                                       {"/a.b", "a.b"},
                                                       {"/a b\tc", "a_b_c"},
                                                       {"/a:b", "a_b"},
                                                       {"/a\\b", "a-b"},
                                                       {"/q\xc2\xa0r\xe2\x80\x83s", "q_r_s"},
                                                       {"/\xc3\xbc\xff", "\xc3\xbc\xff"}};
  for (const auto& [path, name] : names) EXPECT_EQ(archive_name(path), name) << path;
}

TEST(ArchiveName, EndsAsItIsCompressed) {
  EXPECT_STREQ(archive_ending(config::ArchiveMode::tar), ".tar");
  EXPECT_STREQ(archive_ending(config::ArchiveMode::targz), ".tar.gz");
  EXPECT_STREQ(archive_ending(config::ArchiveMode::tarbz2), ".tar.bz2");
  EXPECT_STREQ(archive_ending(config::ArchiveMode::tarzst), ".tar.zst");
}

}  // namespace
}  // namespace peerstage::peers::collect
