// docs/definitions.md and docs/events.md against the code: every example parses, every kind and field is documented,
// and nothing is documented that does not exist.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>

#include "schema/event_json.h"
#include "schema/json.h"
#include "schema/limits.h"
#include "tests/schema/samples.h"

namespace dta::schema {
namespace {

std::string document(const std::string& name) {
  std::ifstream in(std::string(DTA_SOURCE_DIR) + "/docs/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

std::vector<std::string> json_blocks(const std::string& text) {
  std::vector<std::string> blocks;
  static constexpr std::string_view kFence = "```json\n";
  for (std::size_t at = text.find(kFence); at != std::string::npos; at = text.find(kFence, at)) {
    at += kFence.size();
    blocks.push_back(text.substr(at, text.find("```", at) - at));
  }
  return blocks;
}

TEST(DefinitionsDocument, EveryExampleParses) {
  const auto blocks = json_blocks(document("definitions.md"));
  EXPECT_GE(blocks.size(), 4u);
  for (const std::string& block : blocks) {
    const auto definition = parse_definition(block);
    EXPECT_TRUE(definition) << definition.error().message << "\n" << block;
  }
}

void collect_names(JsonValue v, std::set<std::string>& names) {
  if (v.kind() == JsonKind::array)
    for (const JsonValue& element : elements(v)) collect_names(element, names);
  if (v.kind() == JsonKind::object)
    for (const JsonMember& member : members(v)) {
      names.insert(member.name);
      collect_names(member.value, names);
    }
}

TEST(DefinitionsDocument, NamesEveryField) {
  const auto steps = parse_definition(R"({"name":"d","version":1,"steps":[
      {"name":"a","when":{"var":"input"},"for_each":"/input","at_once":1,"join":{"need":{"share":0.5}},"tasks":[
        {"name":"t","queue":"q","when":{"var":"input"},"input":1,"undo":{"queue":"u"},
         "retry":{"by_error":[{"errors":["e"]}]}},{"name":"u","external":true,"after":["t"]}],
       "next":[{"when":{"var":"input"},"go":"end","output":1},{"go":"b"}],
       "on_failure":[{"go":"compensate","error":{"code":"c","message":"m"}}]},
      {"name":"b","wait_for":{"signals":["s"],"deadline":"1s","on_deadline":"continue"},"pivot":true},
      {"name":"c","wait_for":{"until":"/input"}},{"name":"d","wait_for":{"duration":"1s"}}],"output":1})");
  const auto table = samples::table_definition();
  std::set<std::string> names;
  for (const Definition* d : {steps.value().get(), table.get()}) {
    const std::string text = full_text(*d);
    collect_names(check_json(text).value(), names);
  }
  for (const char* other : {"Sent", "var"}) names.erase(other);  // a state of the sample, and an operator
  const std::string page = document("definitions.md");
  for (const std::string& name : names)
    EXPECT_TRUE(page.find("`" + name + "`") != std::string::npos || page.find("\"" + name + "\"") != std::string::npos)
        << name;
}

TEST(DefinitionsDocument, NamesTheLimits) {
  const std::string page = document("definitions.md");
  EXPECT_NE(page.find("at most " + std::to_string(limits::kStepsMax) + " steps"), std::string::npos);
  EXPECT_NE(page.find("At most " + std::to_string(limits::kStatesMax) + " states"), std::string::npos);
}

// The section of each kind: its heading with the number on disk, and the field names in the first column of its table.
struct Section {
  int number = 0;
  std::set<std::string> fields;
};
std::map<std::string, Section> sections(const std::string& page) {
  std::map<std::string, Section> found;
  Section* at = nullptr;
  static const std::regex kHeading("### `([a-z_]+)` \\(([0-9]+)\\)"), kCode("`([a-z_]+)`");
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (line.starts_with("#")) at = nullptr;
    if (std::regex_match(line, match, kHeading)) {
      at = &found[match[1]];
      at->number = std::stoi(match[2]);
    } else if (at != nullptr && line.starts_with("| ")) {
      const std::string cell = line.substr(2, line.find(" | ") - 2);
      for (std::sregex_iterator it(cell.begin(), cell.end(), kCode), end; it != end; ++it) at->fields.insert((*it)[1]);
    }
  }
  return found;
}

TEST(EventsDocument, DocumentsEveryKindAndFieldAndNoOther) {
  const auto documented = sections(document("events.md"));
  const auto steps = samples::steps_definition(), table = samples::table_definition();
  std::set<std::string> kinds;
  std::map<std::string, std::set<std::string>> all_written;
  for (const Event& event : samples::every_kind_and_field()) {
    const std::string kind(to_string(kind_of(event)));
    SCOPED_TRACE(kind);
    kinds.insert(kind);
    const auto section = documented.find(kind);
    ASSERT_NE(section, documented.end()) << "docs/events.md has no section for this kind";
    EXPECT_EQ(section->second.number, static_cast<int>(kind_of(event)));
    EventJsonContext context;
    context.definition = std::holds_alternative<Transitioned>(event) ? table.get() : steps.get();
    context.token = [](Sequence) { return std::string("t"); };
    std::string line;
    append_event_json(line, {Sequence(1), Time{0}, event}, context);
    std::set<std::string>& written = all_written[kind];
    for (const JsonMember& member : members(check_json(line).value())) written.insert(member.name);
    // A task at instance 0 has no `instance`; the page lists it wherever there is a task.
    if (written.contains("task")) written.insert("instance");
    for (const char* common : {"sequence", "recorded_at", "kind"}) written.erase(common);
  }
  for (const auto& [kind, section] : documented) {
    EXPECT_TRUE(kinds.contains(kind)) << kind << " is documented but does not exist";
    EXPECT_EQ(all_written[kind], section.fields) << kind;
  }
}

TEST(EventsDocument, ItsExampleIsAnEventLine) {
  const auto blocks = json_blocks(document("events.md"));
  ASSERT_EQ(blocks.size(), 1u);
  const auto root = check_json(blocks[0]);
  ASSERT_TRUE(root);
  EXPECT_EQ(find(*root, "/kind")->string(), "task_completed");
}

}  // namespace
}  // namespace dta::schema
