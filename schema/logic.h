// Conditions: JsonLogic rules (jsonlogic.com), checked when a definition is published and applied to JSON text. A rule
// is total: it has a value for every input, as in JavaScript, and whatever is missing is null. Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"

namespace dta::schema {

class Logic {
 public:
  // What a rule may read, as paths with dots ("steps.reserve.error.code"). everything: it computes a path, or asks for
  // the whole.
  struct Variables {
    bool everything = false;
    std::vector<std::string> paths;  // without repetition
  };

  const std::string& text() const;  // the rule as published
  const Variables& variables() const;
  // The rule's value over `data`, which is checked JSON text, as JSON text; and whether that value counts as true.
  std::string apply(std::string_view data) const;
  bool holds(std::string_view data) const;
  bool operator==(const Logic& other) const { return text() == other.text(); }

  class Rule;

 private:
  friend Result<Logic> parse_logic(std::string_view json);
  explicit Logic(std::shared_ptr<const Rule> rule) : rule_(std::move(rule)) {}
  std::shared_ptr<const Rule> rule_;
};

// Error invalid_argument: an operator that does not exist, or one with the wrong number of values.
Result<Logic> parse_logic(std::string_view json);

}  // namespace dta::schema
