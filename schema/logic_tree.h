// A JsonLogic rule as a tree: made by logic_parse.cpp, walked by logic.cpp, seen by nobody else. It points into the
// text of its rule and is no deeper than limits::kJsonDepthMax.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/definition_reader.h"
#include "schema/json.h"
#include "schema/logic.h"

namespace dta::schema::logic {

// clang-format off
enum class Op : std::uint8_t {
  literal, list,  // what is no operation: itself, or an array with operations in it
  var, missing, missing_some, choose, equal, same, unequal, differ, negate, truth, either, both,
  greater, greater_equal, less, less_equal, max, min, add, subtract, multiply, divide, modulo,
  map, filter, reduce, all, none, some, merge, in, cat, substr,
};
// clang-format on

struct Node {
  Op op = Op::literal;
  JsonValue raw;  // of a literal
  std::vector<Node> children;
};

// Reads a rule, and notes what it reads of its data.
Node read_rule(JsonValue value, FaultList& faults, Logic::Variables& variables);

}  // namespace dta::schema::logic
