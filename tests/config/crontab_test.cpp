#include "config/crontab.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "config/values.h"

namespace peerstage::config {
namespace {

using Numbers = std::set<unsigned>;

template <std::size_t Size>
Numbers numbers(const std::bitset<Size>& bits) {
  Numbers result;
  for (std::size_t n = 0; n < Size; ++n)
    if (bits[n]) result.insert(static_cast<unsigned>(n));
  return result;
}

Numbers every(unsigned first, unsigned last, unsigned step = 1) {
  Numbers result;
  for (unsigned n = first; n <= last; n += step) result.insert(n);
  return result;
}

std::string refusal(const std::string& text) {
  try {
    as_crontab_rule(text);
    return "";
  } catch (const BadValue& bad) {
    return bad.what();
  }
}

TEST(Crontab, ReadsWhatAFieldMayHold) {
  struct Row {
    std::string field;
    Numbers minutes;
  };
  for (const auto& row :
       {Row{"*", every(0, 59)}, Row{"0", {0}}, Row{"59", {59}}, Row{"007", {7}}, Row{"1,2,1", {1, 2}},
        Row{"10-13", every(10, 13)}, Row{"5-5", {5}}, Row{"*/15", {0, 15, 30, 45}},
        Row{"*/7", every(0, 59, 7)}, Row{"*/60", {0}}, Row{"1-31/2", every(1, 31, 2)},
        Row{"0-10/5,50-59/4,33", {0, 5, 10, 33, 50, 54, 58}}}) {
    const CrontabRule rule = as_crontab_rule(row.field + " * * * *");
    EXPECT_EQ(numbers(rule.minutes), row.minutes) << row.field;
    EXPECT_EQ(numbers(rule.hours), every(0, 23));
    EXPECT_EQ(numbers(rule.days), every(1, 31));
    EXPECT_EQ(numbers(rule.months), every(1, 12));
    EXPECT_EQ(numbers(rule.weekdays), every(0, 6));
  }
}

TEST(Crontab, KnowsMonthsAndWeekdaysByNameInAnyCase) {
  EXPECT_EQ(numbers(as_crontab_rule("0 0 1 jan,FEB,Oct-dec *").months), (Numbers{1, 2, 10, 11, 12}));
  struct Row {
    std::string field;
    Numbers weekdays;
  };
  for (const auto& row :
       {Row{"sun", {0}}, Row{"0", {0}}, Row{"7", {0}}, Row{"Mon-FRI", every(1, 5)}, Row{"5-7", {0, 5, 6}},
        Row{"sat-sun", {0, 6}}, Row{"sun-tue", {0, 1, 2}}, Row{"sun-sun", {0}}, Row{"0-7", every(0, 6)},
        Row{"1-7/2", {0, 1, 3, 5}}, Row{"*/2", {0, 2, 4, 6}}}) {
    EXPECT_EQ(numbers(as_crontab_rule("0 0 * * " + row.field).weekdays), row.weekdays) << row.field;
  }
}

TEST(Crontab, LetsOneDayFieldBeEnoughWhereBothAreRestricted) {
  struct Row {
    std::string days;
    bool any;
  };
  for (const auto& row :
       {Row{"1 * 1", true}, Row{"1-31 * 0-7", true}, Row{"* * 1", false}, Row{"1 * *", false},
        Row{"*/2 * 1", false}, Row{"1 * */2", false}, Row{"* * *", false}}) {
    EXPECT_EQ(as_crontab_rule("0 0 " + row.days).any_day_matches, row.any) << row.days;
  }
}

TEST(Crontab, KnowsTheWords) {
  struct Row {
    std::string word, fields;
  };
  for (const auto& row :
       {Row{"@hourly", "0 * * * *"}, Row{"@daily", "0 0 * * *"}, Row{"@midnight", "0 0 * * *"},
        Row{"@weekly", "0 0 * * 0"}, Row{"@monthly", "0 0 1 * *"}, Row{"@yearly", "0 0 1 1 *"},
        Row{"@annually", "0 0 1 1 *"}}) {
    CrontabRule expected = as_crontab_rule(row.fields);
    expected.text = row.word;
    EXPECT_EQ(as_crontab_rule(row.word), expected) << row.word;
  }
}

TEST(Crontab, TakesAnyBlanksBetweenTheFieldsAndAround) {
  const CrontabRule rule = as_crontab_rule("\n  30\t2  * *\n*  ");
  EXPECT_EQ(numbers(rule.minutes), Numbers{30});
  EXPECT_EQ(numbers(rule.hours), Numbers{2});
  EXPECT_EQ(rule.text, "30 2 * * *");
}

TEST(Crontab, RefusesWithTheFieldAndWhatIsWrongThere) {
  struct Row {
    std::string text, why;
  };
  const std::string minute = "is wrong in its field \"minute\": ";
  const std::string weekday = "is wrong in its field \"day of the week\": ";
  for (const auto& row :
       {Row{"60 * * * *", minute + "\"60\" is no number from 0 to 59"},
        Row{"-1 * * * *", minute + "\"\" is no number from 0 to 59"},
        Row{"1- * * * *", minute + "\"\" is no number from 0 to 59"},
        Row{"1,,2 * * * *", minute + "\"\" is no number from 0 to 59"},
        Row{"1, * * * *", minute + "\"\" is no number from 0 to 59"},
        Row{"+1 * * * *", minute + "\"+1\" is no number from 0 to 59"},
        Row{"1.5 * * * *", minute + "\"1.5\" is no number from 0 to 59"},
        Row{"99999999999 * * * *", minute + "\"99999999999\" is no number from 0 to 59"},
        Row{"jan * * * *", minute + "\"jan\" is no number from 0 to 59"},
        Row{"0~9 * * * *", minute + "\"0~9\" is no number from 0 to 59"},
        Row{"*-5 * * * *", minute + "\"*\" is no number from 0 to 59"},
        Row{"1-2-3 * * * *", minute + "\"2-3\" is no number from 0 to 59"},
        Row{"*/0 * * * *", minute + "the step \"0\" is not from 1 to 60"},
        Row{"*/90 * * * *", minute + "the step \"90\" is not from 1 to 60"},
        Row{"*/ * * * *", minute + "\"\" is no number from 0 to 59"},
        Row{"*/2/2 * * * *", minute + "\"2/2\" is no number from 0 to 59"},
        Row{"5/15 * * * *", minute + "a step needs a range before it, such as 5-59/15"},
        Row{"30-10 * * * *", minute + "the range \"30-10\" ends before it begins"},
        Row{"0 24 * * *", "is wrong in its field \"hour\": \"24\" is no number from 0 to 23"},
        Row{"0 0 0 * *", "is wrong in its field \"day of the month\": \"0\" is no number from 1 to 31"},
        Row{"0 0 * 13 *",
            "is wrong in its field \"month\": \"13\" is no number from 1 to 12 and no name of three letters"},
        Row{"0 0 * anf *",
            "is wrong in its field \"month\": \"anf\" is no number from 1 to 12 and no name of three "
            "letters"},
        Row{"0 0 * * 8", weekday + "\"8\" is no number from 0 to 7 and no name of three letters"},
        Row{"0 0 * * monday", weekday + "\"monday\" is no number from 0 to 7 and no name of three letters"},
        Row{"0 0 * * fri-mon", weekday + "the range \"fri-mon\" ends before it begins"},
        Row{"0 0 * *",
            "has 4 fields, but must have five: minute, hour, day of the month, month, day of the week"},
        Row{"0 0 * * * root",
            "has 6 fields, but must have five: minute, hour, day of the month, month, day of the week"},
        Row{" ", "has 0 fields, but must have five: minute, hour, day of the month, month, day of the week"},
        Row{"@reboot", "is not possible: a job runs at times of the clock, not at a start"},
        Row{"@Daily",
            "must be one of @annually, @daily, @hourly, @midnight, @monthly, @weekly, @yearly, or five "
            "fields as in crontab(5)"}}) {
    EXPECT_EQ(refusal(row.text), row.why) << quoted(row.text);
  }
}

TEST(Crontab, RefusesWhatNeverComes) {
  const std::string never = "never comes: none of its months has one of its days";
  for (const char* text : {"30 2 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30-31 feb */2"})
    EXPECT_EQ(refusal(text), never) << text;
  for (const char* text : {"0 0 29 2 *", "0 0 30 2 mon", "0 0 31 4,5 *", "0 0 */29 2 1"})
    EXPECT_EQ(refusal(text), "") << text;
}

}  // namespace
}  // namespace peerstage::config
