#include "config/xml.h"

#include <string>

#include <gtest/gtest.h>

namespace peerstage::config {
namespace {

using namespace std::string_literals;

struct Refused {
  const char* name;
  std::string document;
  int line;
  const char* message;  ///< a part of it
};
void PrintTo(const Refused& row, std::ostream* out) {
  *out << row.name;
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string attributes(int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += " a" + std::to_string(i) + "=''";
  return all;
}

class RefusedXml : public testing::TestWithParam<Refused> {};

TEST_P(RefusedXml, NamesTheLineAndTheReason) {
  try {
    parse_xml(GetParam().document);
    FAIL() << "accepted";
  } catch (const XmlError& error) {
    EXPECT_EQ(error.line(), GetParam().line);
    EXPECT_NE(std::string(error.what()).find(GetParam().message), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Documents, RefusedXml,
    testing::Values(
        Refused{"nothing", "", 1, "no element"}, Refused{"only_a_comment", "<!-- x -->\n", 2, "no element"},
        Refused{"text_before_the_root", "\nx<a/>", 2, "outside of the root"},
        Refused{"text_behind_the_root", "<a/>\n\nx", 3, "outside of the root"},
        Refused{"two_roots", "<a/>\n<b/>", 2, "after the end"},
        Refused{"no_end", "<a>\n<b>\n", 3, "belongs to the <b> of line 2"},
        Refused{"crossed_tags", "<a>\n<b>\n</a></b>", 3, "does not close the <b> of line 2"},
        Refused{"nul_byte", "<a>\n\0</a>"s, 2, "control character"},
        Refused{"control_byte", "<a>\n\x1b</a>", 2, "control character"},
        Refused{"not_utf8", "<a>\r\n\xff</a>", 2, "not UTF-8"},
        Refused{"overlong_utf8", "<a>\xc0\x80</a>", 1, "not UTF-8"},
        Refused{"surrogate_in_utf8", "<a>\xed\xa0\x80</a>", 1, "not UTF-8"},
        Refused{"utf16", "\xff\xfe<\0a\0/\0>\0"s, 1, "not UTF-8"},
        Refused{"doctype", "<?xml version='1.0'?>\n<!DOCTYPE a>\n<a/>", 2, "DOCTYPE"},
        Refused{"unknown_entity", "<a>\n&foo;</a>", 2, "&foo; is not known"},
        Refused{"bare_ampersand", "<a>x & y</a>", 1, "&amp;"},
        Refused{"open_reference", "<a>&amp</a>", 1, "&amp;"},
        Refused{"reference_to_nul", "<a>&#0;</a>", 1, "character reference"},
        Refused{"reference_to_escape", "<a>&#27;</a>", 1, "character reference"},
        Refused{"reference_to_surrogate", "<a>&#xD800;</a>", 1, "character reference"},
        Refused{"reference_beyond_unicode", "<a>&#x110000;</a>", 1, "character reference"},
        Refused{"reference_beyond_an_integer", "<a>&#4294967361;</a>", 1, "character reference"},
        Refused{"end_of_cdata_in_text", "<a>]]></a>", 1, "]]&gt;"},
        Refused{"dashes_in_a_comment", "<a>\n<!-- a -- b --></a>", 2, "--"},
        Refused{"open_comment", "<a><!-- </a>", 1, "no end"},
        Refused{"open_cdata", "<a><![CDATA[</a>", 1, "no end"},
        Refused{"attribute_twice", "<a b='1' b='2'/>", 1, "twice"},
        Refused{"attribute_twice_by_namespace", "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>", 1, "twice"},
        Refused{"less_than_in_an_attribute", "<a b='<'/>", 1, "&lt;"},
        Refused{"unquoted_attribute", "<a b=1/>", 1, "not quoted"},
        Refused{"attribute_without_value", "<a b/>", 1, "no value"},
        Refused{"attributes_without_blank", "<a b='1'c='2'/>", 1, "blank is missing"},
        Refused{"bad_name", "<1a/>", 1, "name is expected"},
        Refused{"undeclared_prefix", "<p:a/>", 1, "not declared"},
        Refused{"late_declaration", "<!-- x -->\n<?xml version='1.0'?><a/>", 2, "very beginning"},
        Refused{"declaration_inside", "<a>\n<!ELEMENT a></a>", 2, "declaration"},
        Refused{"declaration_without_version", "<?xml encoding='UTF-8'?><a/>", 1, "<?xml version"},
        Refused{"declaration_without_value", "<?xml version?><a/>", 1, "<?xml version"},
        Refused{"declaration_without_quotes", "<?xml version=1.0?><a/>", 1, "<?xml version"},
        Refused{"declaration_with_a_blank", "<?xml version='1 0'?><a/>", 1, "<?xml version"},
        Refused{"declaration_of_half_a_document", "<?xml version='1.0' standalone='half'?><a/>", 1,
                "<?xml version"},
        Refused{"declaration_that_goes_on", "<?xml version='1.0' a='b'?><a/>", 1, "<?xml version"},
        Refused{"open_declaration", "<?xml version='1.0?><a/>", 1, "no end"},
        Refused{"instruction_with_a_bad_name", "<a>\n<?p!?></a>", 2, "<?name text?>"},
        Refused{"open_instruction", "<a><?p x</a>", 1, "no end"},
        Refused{"open_attribute", "<a>\n<b c='1/>", 2, "no end"},
        Refused{"reference_to_nothing_in_an_attribute", "<a b='&foo;'/>", 1, "&foo; is not known"},
        Refused{"open_tag", "<a>\n<b", 2, "not closed"},
        Refused{"slash_inside_of_a_tag", "<a / >", 1, "not closed"},
        Refused{"end_tag_with_an_attribute", "<a>\n</a b='1'>", 2, "not closed"},
        Refused{"reserved_prefix", "<a xmlns:xml='u'/>", 1, "declared anew"},
        Refused{"reserved_namespace", "<a xmlns='http://www.w3.org/2000/xmlns/'/>", 1, "declared anew"},
        Refused{"prefix_of_nothing", "<a xmlns:p=''/>", 1, "bound to no namespace"},
        Refused{"namespace_with_a_blank", "<a xmlns:p='u v'/>", 1, "no blanks"},
        Refused{"too_many_attributes", "<a" + attributes(65) + "/>", 1, "more than 64"},
        Refused{"too_deep", repeated("<a>\n", 33) + repeated("</a>", 33), 33, "nested deeper"}),
    [](const auto& row) { return std::string(row.param.name); });

struct Value {
  const char* name;
  std::string content;
  std::string text;
  bool ignored;
};
void PrintTo(const Value& row, std::ostream* out) {
  *out << row.name;
}

class TextOfAnElement : public testing::TestWithParam<Value> {};

TEST_P(TextOfAnElement, IsTheFirstTextNode) {
  const Element element = parse_xml("<a>" + GetParam().content + "</a>");
  EXPECT_EQ(element.text, GetParam().text);
  EXPECT_EQ(element.has_ignored_text, GetParam().ignored);
}

INSTANTIATE_TEST_SUITE_P(
    Values, TextOfAnElement,
    testing::Values(Value{"nothing", "", "", false}, Value{"blanks", " \n\t", " \n\t", false},
                    Value{"never_trimmed", " x\n", " x\n", false},
                    Value{"references_belong_to_it", "a&amp;b&#65;&#x42;&lt;", "a&bAB<", false},
                    Value{"a_comment_ends_it", "a<!-- -->b", "a", true},
                    Value{"blanks_before_a_comment_are_it", " <!-- -->b", " ", true},
                    Value{"a_comment_before_it_is_none", "<!-- -->b", "b", false},
                    Value{"a_comment_behind_it_is_fine", "a<!-- b --> ", "a", false},
                    Value{"an_instruction_ends_it", "a<?b c?>d", "a", true},
                    Value{"an_element_ends_it", "a<b/>c", "a", true},
                    Value{"cdata_is_no_text", "<![CDATA[a]]>", "", true},
                    Value{"cdata_ends_it", "a<![CDATA[b]]>c", "a", true},
                    Value{"empty_cdata_does_not", "a<![CDATA[]]>c", "ac", false},
                    Value{"line_ends_are_unix", "a\r\nb\rc", "a\nb\nc", false},
                    Value{"a_reference_to_cr_stays", "a&#13;\n", "a\r\n", false},
                    Value{"all_of_unicode", "\xf0\x9f\x98\x80&#x1F600;", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
                          false}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(ParseXml, KeepsTheLinesOfElementsBehindAnythingThatSpansLines) {
  const Element root = parse_xml(
      "\xEF\xBB\xBF<?xml "
      "version='1.0'\n?>\n<!--\n\n-->\n<a\nb='\n'>\r\n<b/><![CDATA[\n]]>&#10;<?p\n?>\r<c/>\n  <d\n/></a>");
  ASSERT_EQ(root.children.size(), 3U);
  EXPECT_EQ(root.line, 6);
  EXPECT_EQ(root.children[0].line, 9);
  EXPECT_EQ(root.children[1].line, 12);
  EXPECT_EQ(root.children[2].line, 13);
}

TEST(ParseXml, IgnoresTheDeclaredEncoding) {
  EXPECT_EQ(parse_xml("<?xml version='1.0' encoding='ISO-8859-1'?><a>ü</a>").text, "ü");
}

TEST(ParseXml, ListsAttributesWithoutNamespaceDeclarations) {
  const Element root = parse_xml("<a xmlns='u' xmlns:p='v' b='1' p:c='2'/>");
  EXPECT_EQ(root.attributes, (std::vector<std::string>{"b", "p:c"}));
}

TEST(ParseXml, TakesAsManyAttributesAndLevelsAsItSays) {
  EXPECT_EQ(parse_xml("<a" + attributes(64) + "/>").attributes.size(), 64U);
  EXPECT_NO_THROW(parse_xml(repeated("<a>", 32) + repeated("</a>", 32)));
}

}  // namespace
}  // namespace peerstage::config
