// JavaScript's conversions between the values of a rule (ECMA-262: ToNumber, ToString, IsLooselyEqual, IsLessThan).
// Pure; any thread.
#include "schema/logic_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "schema/logic_number.h"

namespace dta::schema::logic {
namespace {

bool is_primitive(const Value& v) {
  return v.kind != Value::Kind::array && v.kind != Value::Kind::object;
}

// Arrays and objects are equal only to themselves.
bool same(const Value& a, const Value& b) {
  if (a.built || b.built) return a.built == b.built;
  return a.raw.data() == b.raw.data() && a.raw.size() == b.raw.size();
}

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Where the code point with this number begins; the text's size when there is none.
std::size_t offset_of(std::string_view text, std::size_t point) {
  std::size_t at = 0;
  while (at < text.size()) {
    if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80 && point-- == 0) return at;
    ++at;
  }
  return at;
}

std::optional<std::size_t> index_of(std::string_view name) {
  std::size_t index = 0;
  const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (status != std::errc{} || end != name.data() + name.size() || (name.size() > 1 && name[0] == '0'))
    return std::nullopt;
  return index;
}

bool child_of_array(const Value& v, std::string_view name, Work& work, Value& out) {
  const std::vector<Value> all = items(v, work);
  if (name == "length") {
    out = Value::of(static_cast<double>(all.size()));
    return true;
  }
  const auto index = index_of(name);
  if (!index || *index >= all.size()) return false;
  out = all[*index];
  return true;
}

bool child_of_string(const Value& v, std::string_view name, Work& work, Value& out) {
  work.spend_bytes(v.text.size());
  const std::size_t count = code_points(v.text);
  if (name == "length") {
    out = Value::of(static_cast<double>(count));
    return true;
  }
  const auto index = index_of(name);
  if (!index || *index >= count) return false;
  const std::size_t from = offset_of(v.text, *index);
  out = Value::of(v.text.substr(from, offset_of(v.text, *index + 1) - from));
  return true;
}

std::size_t depth_of(const std::vector<Value>& values) {
  std::size_t depth = 1;
  for (const Value& v : values)
    if (v.built) depth = std::max(depth, v.built->depth + 1);
  return depth;
}

Value build(Value::Kind kind, std::vector<Value> values, Work& work) {
  work.spend(values.size() + 1);
  const std::size_t depth = depth_of(values);
  if (depth > kDepthMax) work.spend(std::numeric_limits<std::size_t>::max());
  if (work.used_up()) return {};
  Value v;
  v.kind = kind;
  v.built = std::make_shared<const Value::Built>(Value::Built{std::move(values), depth});
  return v;
}

}  // namespace

Value Value::of(bool flag) {
  Value v;
  v.kind = Kind::boolean;
  v.flag = flag;
  return v;
}

Value Value::of(double number) {
  Value v;
  v.kind = Kind::number;
  v.number = number;
  return v;
}

Value Value::of(std::string text) {
  Value v;
  v.kind = Kind::string;
  v.text = std::move(text);
  return v;
}

Value Value::of(std::vector<Value> values, Work& work) {
  return build(Kind::array, std::move(values), work);
}

Value Value::reducing(Value current, Value accumulator, Work& work) {
  return build(Kind::object, {std::move(current), std::move(accumulator)}, work);
}

Value Value::from(JsonValue json) {
  Value v;
  v.raw = json.raw;
  switch (json.kind()) {
    case JsonKind::null:
      break;
    case JsonKind::boolean:
      v.kind = Kind::boolean;
      v.flag = *json.boolean();
      break;
    case JsonKind::number:
      v.kind = Kind::number;
      v.number = number_at(json.raw);
      break;
    case JsonKind::string:
      v.kind = Kind::string;
      v.text = *json.string();
      break;
    case JsonKind::array:
      v.kind = Kind::array;
      break;
    case JsonKind::object:
      v.kind = Kind::object;
      break;
  }
  return v;
}

bool truthy(const Value& v) {
  switch (v.kind) {
    case Value::Kind::null:
      return false;
    case Value::Kind::boolean:
      return v.flag;
    case Value::Kind::number:
      return v.number != 0 && !std::isnan(v.number);
    case Value::Kind::string:
      return !v.text.empty();
    case Value::Kind::array:
      return v.built ? !v.built->values.empty() : !elements(JsonValue{v.raw}).empty();
    case Value::Kind::object:
      break;
  }
  return true;
}

double to_number(const Value& v, Work& work) {
  if (v.kind == Value::Kind::number) return v.number;
  if (v.kind == Value::Kind::boolean) return v.flag ? 1 : 0;
  if (v.kind == Value::Kind::null) return 0;
  return text_to_number(to_text(v, work));
}

double parse_float(const Value& v, Work& work) {
  return v.kind == Value::Kind::number ? v.number : number_at(to_text(v, work));
}

std::string to_text(const Value& v, Work& work) {
  work.spend_bytes(v.text.size());
  if (work.used_up()) return {};
  switch (v.kind) {
    case Value::Kind::null:
      return "null";
    case Value::Kind::boolean:
      return v.flag ? "true" : "false";
    case Value::Kind::number:
      return number_to_text(v.number);
    case Value::Kind::string:
      return v.text;
    case Value::Kind::object:
      return "[object Object]";
    case Value::Kind::array:
      break;
  }
  std::string out;
  bool first = true;
  for (const Value& element : items(v, work)) {
    if (!first) out.push_back(',');
    first = false;
    if (element.kind != Value::Kind::null) out += to_text(element, work);
  }
  return out;
}

bool strictly_equal(const Value& a, const Value& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Value::Kind::null:
      return true;
    case Value::Kind::boolean:
      return a.flag == b.flag;
    case Value::Kind::number:
      return a.number == b.number;
    case Value::Kind::string:
      return a.text == b.text;
    case Value::Kind::array:
    case Value::Kind::object:
      break;
  }
  return same(a, b);
}

bool loosely_equal(const Value& a, const Value& b, Work& work) {
  if (a.kind == b.kind || (!is_primitive(a) && !is_primitive(b))) return strictly_equal(a, b);
  if (a.kind == Value::Kind::null || b.kind == Value::Kind::null) return false;
  if (is_primitive(a) && is_primitive(b)) return to_number(a, work) == to_number(b, work);
  const Value& plain = is_primitive(a) ? a : b;
  const std::string text = to_text(is_primitive(a) ? b : a, work);
  return plain.kind == Value::Kind::string ? plain.text == text : to_number(plain, work) == text_to_number(text);
}

Order compare(const Value& a, const Value& b, Work& work) {
  const auto as_text = [](const Value& v) { return v.kind == Value::Kind::string || !is_primitive(v); };
  if (as_text(a) && as_text(b)) {
    const int order = to_text(a, work).compare(to_text(b, work));
    return order < 0 ? Order::less : order > 0 ? Order::greater : Order::equal;
  }
  const double x = to_number(a, work), y = to_number(b, work);
  return x < y ? Order::less : x > y ? Order::greater : x == y ? Order::equal : Order::none;
}

std::vector<Value> items(const Value& v, Work& work) {
  if (v.kind != Value::Kind::array) return {};
  if (v.built) {
    for (const Value& element : v.built->values) work.spend_bytes(element.text.size());
    if (work.used_up()) return {};
    return v.built->values;
  }
  work.spend_bytes(v.raw.size());
  std::vector<Value> all;
  for (const JsonValue element : elements(JsonValue{v.raw})) all.push_back(Value::from(element));
  work.spend(all.size());
  return all;
}

bool child(const Value& v, std::string_view name, Work& work, Value& out) {
  if (v.kind == Value::Kind::array) return child_of_array(v, name, work, out);
  if (v.kind == Value::Kind::string) return child_of_string(v, name, work, out);
  if (v.kind != Value::Kind::object) return false;
  if (v.built) {
    if (name != "current" && name != "accumulator") return false;
    out = v.built->values[name == "current" ? 0 : 1];
    return true;
  }
  work.spend_bytes(v.raw.size());
  std::string pointer = "/";
  for (const char c : name) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer.push_back(c);
    }
  }
  const auto found = find(JsonValue{v.raw}, pointer);
  if (!found) return false;
  out = Value::from(*found);
  return true;
}

std::string substring(std::string_view text, double start, const double* length) {
  const auto count = static_cast<double>(code_points(text));
  // Not a number counts as zero; fractions are cut off.
  const auto whole = [](double d) { return std::isnan(d) ? 0 : std::trunc(d); };
  const double from = whole(start) < 0 ? std::max(0.0, count + whole(start)) : std::min(whole(start), count);
  double to = count;
  if (length != nullptr) to = whole(*length) < 0 ? count + whole(*length) : std::min(count, from + whole(*length));
  if (to <= from) return {};
  const std::size_t begin = offset_of(text, static_cast<std::size_t>(from));
  return std::string(text.substr(begin, offset_of(text, static_cast<std::size_t>(to)) - begin));
}

void append_json(std::string& out, const Value& v, Work& work) {
  work.spend_bytes(v.raw.size() + v.text.size());
  if (work.used_up()) return;
  if (!v.raw.empty()) {
    out += v.raw;
    return;
  }
  switch (v.kind) {
    case Value::Kind::null:
      out += "null";
      return;
    case Value::Kind::boolean:
      out += v.flag ? "true" : "false";
      return;
    case Value::Kind::number:
      out += std::isfinite(v.number) ? number_to_text(v.number) : "null";
      return;
    case Value::Kind::string:
      return append_quoted(out, v.text);
    case Value::Kind::array:
      out.push_back('[');
      for (std::size_t i = 0; i < v.built->values.size(); ++i) {
        if (i != 0) out.push_back(',');
        append_json(out, v.built->values[i], work);
      }
      out.push_back(']');
      return;
    case Value::Kind::object:
      out += R"({"current":)";
      append_json(out, v.built->values[0], work);
      out += R"(,"accumulator":)";
      append_json(out, v.built->values[1], work);
      out.push_back('}');
      return;
  }
}

}  // namespace dta::schema::logic
