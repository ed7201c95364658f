// Templates and pointers over a context that is one JSON text (model_context.cpp). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "schema/definition.h"
#include "schema/json.h"

namespace dta::model {

class TextContext : public schema::TemplateContext {
 public:
  explicit TextContext(std::string_view json) : json_(json) {}
  std::optional<std::string_view> find(std::string_view pointer) const override {
    const auto value = schema::find(schema::JsonValue{json_}, pointer);
    return value ? std::optional(value->raw) : std::nullopt;
  }

 private:
  std::string_view json_;
};

// A length of time: "5m", or milliseconds as a whole number.
inline std::optional<schema::Duration> length_at(std::string_view json, std::string_view pointer) {
  const auto value = schema::find(schema::JsonValue{json}, pointer);
  if (!value) return std::nullopt;
  if (const auto text = value->string()) return schema::parse_duration(*text);
  const auto ms = value->integer();
  if (!ms || *ms < 0 || *ms > schema::kDurationMax.ms) return std::nullopt;
  return schema::Duration{*ms};
}

inline std::optional<schema::Time> time_at(std::string_view json, std::string_view pointer) {
  const auto value = schema::find(schema::JsonValue{json}, pointer);
  const auto text = value ? value->string() : std::nullopt;
  return text ? schema::parse_time(*text) : std::nullopt;
}

}  // namespace dta::model
