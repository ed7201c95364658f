// How tests of definitions say what they expect: this text parses, or it has exactly one fault with this pointer.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/definition.h"

namespace dta::schema {

inline DefinitionPtr good(const std::string& text) {
  auto definition = parse_definition(text);
  EXPECT_TRUE(definition) << definition.error().message;
  return definition.value_or(nullptr);
}

inline std::vector<Fault> faults(const std::string& text) {
  const auto definition = parse_definition(text);
  EXPECT_FALSE(definition) << text;
  if (definition) return {};
  EXPECT_EQ(definition.error().code, ErrorCode::invalid_definition) << definition.error().message;
  return definition.error().faults;
}

// Exactly one fault, at this pointer, whose sentence holds these words.
inline void expect_fault(const std::string& text, const std::string& pointer, const std::string& words) {
  const auto all = faults(text);
  ASSERT_EQ(all.size(), 1u) << text << "\n"
                            << testing::PrintToString(all.size()) << (all.empty() ? "" : all[0].message);
  EXPECT_EQ(all[0].pointer, pointer) << text;
  EXPECT_THAT(all[0].message, testing::HasSubstr(words)) << text;
}

inline std::string with_steps(const std::string& steps) {
  return R"({"name":"d","version":1,"steps":)" + steps + "}";
}
// One step `a` with a task `t`, then a step `b` with these fields.
inline std::string with_step(const std::string& fields) {
  return with_steps(R"([{"name":"a","tasks":[{"name":"t","queue":"q"}]},{"name":"b",)" + fields + "}]");
}
inline std::string with_task(const std::string& fields) {
  return with_step(R"("tasks":[{"name":"u","queue":"q",)" + fields + "}]");
}

}  // namespace dta::schema
