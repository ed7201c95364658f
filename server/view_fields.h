// The small writers that a transaction's document is made of (view_json.h): a member each, appended to an object that
// is open at the end of `out`. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/json.h"
#include "server/view_json.h"

namespace dta::server::view {

using schema::append_quoted;
using schema::Time;

inline void key(std::string& out, std::string_view name) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += name;
  out += "\":";
}

inline void text(std::string& out, std::string_view name, std::string_view value) {
  key(out, name);
  append_quoted(out, value);
}

inline void text_or_null(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) return text(out, name, value);
  key(out, name);
  out += "null";
}

inline void number(std::string& out, std::string_view name, std::uint64_t value) {
  key(out, name);
  out += std::to_string(value);
}

inline void truth(std::string& out, std::string_view name, bool value) {
  key(out, name);
  out += value ? "true" : "false";
}

// Null for never and for the zero time, which is what "not yet" looks like in a state.
inline void time(std::string& out, std::string_view name, Time value) {
  key(out, name);
  if (value == Time::never() || value == Time{}) {
    out += "null";
  } else {
    out += '"';
    out += schema::format_time(value);
    out += '"';
  }
}

inline void pairs(std::string& out, std::string_view name, const std::vector<schema::Attribute>& values) {
  key(out, name);
  out += '{';
  for (const schema::Attribute& pair : values) {
    if (out.back() != '{') out += ',';
    append_quoted(out, pair.key);
    out += ':';
    append_quoted(out, pair.value);
  }
  out += '}';
}

inline void payload(std::string& out, std::string_view name, const engine::PayloadAt& at, const ViewContext& context) {
  if (!at.present()) return;
  key(out, name);
  if (auto bytes = context.payload(at)) {
    out += *bytes;
  } else {
    out += "{\"erased\":true,\"size\":" + std::to_string(at.size) + "}";
  }
}

// Members "steps" and "signals" of a transaction in steps form (view_steps.cpp).
void steps(std::string& out, const engine::Machine& machine, const engine::State& state, const ViewContext& context);
void signals(std::string& out, const engine::Machine& machine, const engine::State& state, const ViewContext& context);

}  // namespace dta::server::view
