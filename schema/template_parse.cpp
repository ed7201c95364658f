// Templates as published: which parts are taken as they are, which are pointers, and whether each pointer names
// something that exists by then (definition_parse_scope.cpp). A part without pointers in it stays one literal with the
// bytes it was written with.
#include <fmt/format.h>

#include <algorithm>

#include "schema/definition_parse.h"

namespace dta::schema {
namespace {

class TemplateParser {
 public:
  TemplateParser(const Scope& scope, FaultList& faults) : scope_(scope), faults_(faults) {}

  Template parse(JsonValue value, const std::string& pointer) {
    switch (value.kind()) {
      case JsonKind::string:
        return parse_string(value, pointer);
      case JsonKind::array:
        return parse_array(value, pointer);
      case JsonKind::object:
        return parse_object(value, pointer);
      case JsonKind::null:
      case JsonKind::boolean:
      case JsonKind::number:
        break;
    }
    return literal(value);
  }

 private:
  static Template literal(JsonValue value) { return {Template::Kind::literal, std::string(value.raw), {}, {}}; }

  static bool is_literal(const Template& t) { return t.kind == Template::Kind::literal; }

  Template parse_string(JsonValue value, const std::string& pointer) {
    std::string text = *value.string();
    if (!text.starts_with('/')) return literal(value);
    check_pointer(text, pointer, scope_, faults_);
    return {Template::Kind::pointer, std::move(text), {}, {}};
  }

  Template parse_array(JsonValue value, const std::string& pointer) {
    Template t{Template::Kind::array, {}, {}, {}};
    const auto all = elements(value);
    for (std::size_t i = 0; i < all.size(); ++i) t.children.push_back(parse(all[i], child_pointer(pointer, i)));
    return std::ranges::all_of(t.children, is_literal) ? literal(value) : t;
  }

  Template parse_object(JsonValue value, const std::string& pointer) {
    const auto all = members(value);
    for (const JsonMember& member : all)
      if (member.name.starts_with('$')) return parse_operator(all, pointer);
    Template t{Template::Kind::object, {}, {}, {}};
    std::unordered_set<std::string_view> seen;
    for (const JsonMember& member : all) {
      const std::string at = child_pointer(pointer, member.name);
      if (!seen.insert(member.name).second)
        faults_.add(at, fmt::format("{} stands here twice; keep one", shown(member.name)));
      t.names.push_back(member.name);
      t.children.push_back(parse(member.value, at));
    }
    return std::ranges::all_of(t.children, is_literal) ? literal(value) : t;
  }

  Template parse_operator(const std::vector<JsonMember>& all, const std::string& pointer) {
    const auto is_dollar = [](const JsonMember& m) { return m.name.starts_with('$'); };
    const JsonMember& op = *std::ranges::find_if(all, is_dollar);
    const std::string at = child_pointer(pointer, op.name);
    if (op.name != "$literal" && op.name != "$merge" && op.name != "$first") {
      faults_.add(at,
                  fmt::format("{} is none of `$literal`, `$merge` and `$first`; write a member whose name begins with "
                              "$ inside `$literal`",
                              shown(op.name)));
      return {};
    }
    if (all.size() != 1) {
      faults_.add(pointer, fmt::format("{} must be the only member of its object", shown(op.name)));
      return {};
    }
    if (op.name == "$literal") return literal(op.value);
    const bool merge = op.name == "$merge";
    if (op.value.kind() != JsonKind::array || elements(op.value).empty()) {
      faults_.add(at, fmt::format("{} is an array of at least one template", shown(op.name)));
      return {};
    }
    Template t{merge ? Template::Kind::merge : Template::Kind::first, {}, {}, {}};
    const auto parts = elements(op.value);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::string part_at = child_pointer(at, i);
      t.children.push_back(parse(parts[i], part_at));
      if (merge && !may_be_object(t.children.back()))
        faults_.add(part_at, "each part of `$merge` must be an object, or a pointer to one");
    }
    return t;
  }

  static bool may_be_object(const Template& t) {
    return t.kind == Template::Kind::literal ? t.text.empty() || t.text.front() == '{'
                                             : t.kind != Template::Kind::array;
  }

  const Scope& scope_;
  FaultList& faults_;
};

}  // namespace

Template parse_template(JsonValue value, const std::string& at, const Scope& scope, FaultList& faults) {
  return TemplateParser(scope, faults).parse(value, at);
}

}  // namespace dta::schema
