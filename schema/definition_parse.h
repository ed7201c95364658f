// The parts of parse_definition, one file each; seen by schema/definition_*.cpp and template_parse.cpp only. Every part
// writes what it could read into the definition and what it could not into the faults; the definition is used only when
// there are none.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "schema/definition.h"
#include "schema/definition_reader.h"

namespace dta::schema {

void parse_steps(ObjectReader& root, Definition& definition, FaultList& faults);
void parse_table(ObjectReader& root, Definition& definition, FaultList& faults);

// Retry of a task, or of an undo, which alone may be retried without end.
enum class RetryOf { task, undo };
void parse_retry(JsonValue value, const std::string& pointer, RetryOf of, Retry& retry, FaultList& faults);
void parse_timeouts(JsonValue value, const std::string& pointer, RetryOf of, Timeouts& timeouts, FaultList& faults);

// What the pointers of a template may name: the tasks of the steps before the place where it stands.
struct TemplateScope {
  std::unordered_map<std::string, std::unordered_set<std::string>> steps;  // task names by step name
  std::string place;  // "step `reserve`" or "the definition's output"
};
Template parse_template(JsonValue value, const std::string& pointer, const TemplateScope& scope, FaultList& faults);

}  // namespace dta::schema
