// How the definition checker reads JSON objects: every fault is collected with its pointer and reading goes on with the
// default, so that one publish names all of them. Seen by schema/definition_*.cpp and template_parse.cpp only. One
// reader lives for one object of one parse; the JSON text outlives it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/json.h"
#include "schema/time.h"

namespace dta::schema {

class FaultList {
 public:
  void add(std::string pointer, std::string message);
  bool empty() const { return faults_.empty(); }
  std::vector<Fault> take() { return std::move(faults_); }

 private:
  std::vector<Fault> faults_;  // at most limits::kFaultsMax; what comes after is not kept
};

// What one sort of object may hold.
struct Fields {
  std::string_view thing;                   // "a task": for sentences
  std::span<const std::string_view> known;  // read by this release
  std::span<const std::string_view> later;  // of the language, but not run by this release
};

// "`transaction` is not supported by this release"
std::string unsupported(std::string_view what);
// `text` in backquotes, cut when it is long: for sentences.
std::string shown(std::string_view text);
// `pointer` + "/" + the escaped token.
std::string child_pointer(const std::string& pointer, std::string_view token);
std::string child_pointer(const std::string& pointer, std::size_t index);
// The candidate that differs from `word` by at most two letters; empty when none does.
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates);

class ObjectReader {
 public:
  ObjectReader(JsonValue value, std::string pointer, const Fields& fields, FaultList& faults);

  bool is_object() const { return is_object_; }
  std::optional<JsonValue> get(std::string_view name) const;
  std::string at(std::string_view name) const { return child_pointer(pointer_, name); }
  void fault(std::string_view name, std::string message) { faults_.add(at(name), std::move(message)); }
  // As get, and a fault when it is absent.
  std::optional<JsonValue> require(std::string_view name);

  // Each leaves `out` as it is when the field is absent or at fault.
  void duration(std::string_view name, Duration& out, Duration least = Duration{0});
  // A length, or a pointer to one: true when it is a pointer, which the caller checks.
  bool length(std::string_view name, Duration& fixed, std::string& pointer, Duration least = Duration{0});
  void number(std::string_view name, double& out, double least, double most, std::string_view range);
  void integer(std::string_view name, std::uint32_t& out, std::uint32_t least, std::uint32_t most);
  void boolean(std::string_view name, bool& out);
  // The elements of an array field; nothing when absent or at fault.
  std::optional<std::vector<JsonValue>> array(std::string_view name, std::size_t most);
  // A field that may only be one of these words: the index of the one it is.
  std::optional<std::size_t> word(std::string_view name, std::span<const std::string_view> words);
  // Required names: of definitions, steps and tasks ([A-Za-z0-9_-]), and of queues. Empty when at fault.
  std::string name(std::string_view field);
  std::string queue();

 private:
  std::string pointer_;
  const Fields& fields_;
  FaultList& faults_;
  bool is_object_ = false;
  std::vector<JsonMember> members_;
};

// Names of states and events in table form: 1 to 64 bytes without control characters, not beginning with "dta." or "$".
// Nothing and a fault when it is none.
std::optional<std::string> label(JsonValue value, const std::string& pointer, FaultList& faults);
std::optional<std::string> label_fault(std::string_view text);  // the sentence; nothing: the label is good
bool is_name(std::string_view text);                            // 1 to 64 of [A-Za-z0-9_-]
bool has_control_characters(std::string_view utf8);

}  // namespace dta::schema
