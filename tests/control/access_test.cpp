#include "daemon/control/access.h"

#include <array>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace peerstage::daemon {
namespace {

constexpr gid_t backup = 34, adm = 4;

struct AccessCase {
  const char* name;
  Caller caller;
  AccessPolicy policy;
  Access expected;
};

class AccessOf : public testing::TestWithParam<AccessCase> {};

TEST_P(AccessOf, IsWhatTheTableSays) {
  EXPECT_EQ(access_of(GetParam().caller, GetParam().policy), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Callers, AccessOf,
    testing::Values(AccessCase{"root", {0, 0, {}}, {0, {}}, Access::full},
                    AccessCase{"root_of_a_service_that_is_not", {0, 0, {}}, {990, {}}, Access::full},
                    AccessCase{"the_service_user", {990, 990, {}}, {990, {}}, Access::full},
                    AccessCase{"somebody_without_a_group", {1000, 1000, {}}, {0, {}}, Access::none},
                    AccessCase{"somebody_of_another_group", {1000, 1000, {backup}}, {0, adm}, Access::none},
                    AccessCase{"primary_group", {1000, adm, {}}, {0, adm}, Access::read},
                    AccessCase{"supplementary_group", {1000, 1000, {backup, adm}}, {0, adm}, Access::read},
                    AccessCase{"the_service_user_in_the_group", {990, adm, {}}, {990, adm}, Access::full},
                    AccessCase{"group_of_root_without_a_policy", {1000, 0, {0}}, {0, {}}, Access::none},
                    AccessCase{"nobody_mapped", {65534, 65534, {}}, {0, adm}, Access::none}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(CallerOf, IsThisProcessAtTheOtherEndOfItsOwnSocket) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  const auto caller = caller_of(ends[0]);
  std::vector<gid_t> groups(static_cast<std::size_t>(::getgroups(0, nullptr)));
  ASSERT_GE(::getgroups(static_cast<int>(groups.size()), groups.data()), 0);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->uid, ::geteuid());
  EXPECT_EQ(caller->gid, ::getegid());
  EXPECT_EQ(caller->groups, groups);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(CallerOf, IsNobodyWhereTheKernelDoesNotTell) {
  EXPECT_FALSE(caller_of(-1));
}

}  // namespace
}  // namespace peerstage::daemon
