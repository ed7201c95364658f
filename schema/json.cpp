// Reading checked JSON text as raw spans, and writing strings. Nothing here keeps state; any thread.
#include "schema/json.h"

#include <charconv>

#include "schema/assert.h"
#include "schema/json_scan.h"

namespace dta::schema {
namespace {

unsigned hex4(const char* p) {
  unsigned value = 0;
  std::from_chars(p, p + 4, value, 16);
  return value;
}

void append_utf8(std::string& out, unsigned code) {
  const auto put = [&](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

char unescaped(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;  // " \ and / stand for themselves
  }
}

// `inner` is what stands between the quotes of a checked string.
std::string decode(std::string_view inner) {
  std::string out;
  out.reserve(inner.size());
  const char* p = inner.data();
  const char* const end = p + inner.size();
  while (p != end) {
    if (*p != '\\') {
      out.push_back(*p++);
      continue;
    }
    ++p;
    if (*p != 'u') {
      out.push_back(unescaped(*p++));
      continue;
    }
    unsigned code = hex4(p + 1);
    p += 5;
    if (code >= 0xd800 && code <= 0xdbff) {  // the check made sure that its pair follows
      code = 0x10000 + ((code - 0xd800) << 10) + (hex4(p + 2) - 0xdc00);
      p += 6;
    }
    append_utf8(out, code);
  }
  return out;
}

std::string_view inside_quotes(std::string_view raw) {
  return raw.substr(1, raw.size() - 2);
}

// Whether the checked string `raw` (with quotes) decodes to `name`; most names hold no escape and cost no copy.
bool string_equals(std::string_view raw, std::string_view name) {
  const std::string_view inner = inside_quotes(raw);
  if (inner.find('\\') == std::string_view::npos) return inner == name;
  return decode(inner) == name;
}

template <class Visitor>
void each_member(std::string_view raw, Visitor&& visit) {
  const char* const end = raw.data() + raw.size();
  const char* p = scan::space(raw.data() + 1, end);
  if (*p == '}') return;
  for (;;) {
    const char* const name = p;
    p = scan::string(p);
    const std::string_view name_raw = scan::span(name, p);
    p = scan::space(p, end) + 1;  // the colon
    const char* const value = scan::space(p, end);
    p = scan::value(value, end);
    visit(name_raw, JsonValue{scan::span(value, p)});
    p = scan::space(p, end);
    if (*p == '}') return;
    p = scan::space(p + 1, end);
  }
}

template <class Visitor>
void each_element(std::string_view raw, Visitor&& visit) {
  const char* const end = raw.data() + raw.size();
  const char* p = scan::space(raw.data() + 1, end);
  if (*p == ']') return;
  for (;;) {
    const char* const value = p;
    p = scan::value(p, end);
    if (!visit(JsonValue{scan::span(value, p)})) return;
    p = scan::space(p, end);
    if (*p == ']') return;
    p = scan::space(p + 1, end);
  }
}

std::string unescape_token(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      out.push_back(token[i]);
    } else {
      ++i;
      out.push_back(token[i] == '1' ? '/' : '~');
    }
  }
  return out;
}

// An array index of a pointer: digits without a leading zero ("-" names the element after the last, which never
// exists).
std::optional<std::size_t> index_of(std::string_view token) {
  if (token.empty() || token.size() > 10 || (token.size() > 1 && token[0] == '0')) return std::nullopt;
  std::size_t index = 0;
  for (char c : token) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<std::size_t>(c - '0');
  }
  return index;
}

std::optional<JsonValue> child(JsonValue value, std::string_view token) {
  std::optional<JsonValue> found;
  if (value.kind() == JsonKind::object) {
    const bool escaped = token.find('~') != std::string_view::npos;
    const std::string decoded = escaped ? unescape_token(token) : std::string();
    const std::string_view name = escaped ? std::string_view(decoded) : token;
    each_member(value.raw, [&](std::string_view raw_name, JsonValue member) {
      if (string_equals(raw_name, name)) found = member;
    });
  } else if (value.kind() == JsonKind::array) {
    const auto index = index_of(token);
    if (!index) return std::nullopt;
    std::size_t at = 0;
    each_element(value.raw, [&](JsonValue element) {
      if (at++ != *index) return true;
      found = element;
      return false;
    });
  }
  return found;
}

}  // namespace

JsonKind JsonValue::kind() const {
  DTA_ASSERT(!raw.empty());
  switch (raw.front()) {
    case '{':
      return JsonKind::object;
    case '[':
      return JsonKind::array;
    case '"':
      return JsonKind::string;
    case 't':
    case 'f':
      return JsonKind::boolean;
    case 'n':
      return JsonKind::null;
    default:
      return JsonKind::number;
  }
}

std::optional<std::string> JsonValue::string() const {
  if (kind() != JsonKind::string) return std::nullopt;
  const std::string_view inner = inside_quotes(raw);
  if (inner.find('\\') == std::string_view::npos) return std::string(inner);
  return decode(inner);
}

std::optional<bool> JsonValue::boolean() const {
  if (kind() != JsonKind::boolean) return std::nullopt;
  return raw.front() == 't';
}

std::optional<std::int64_t> JsonValue::integer() const {
  if (kind() != JsonKind::number) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (status != std::errc{} || end != raw.data() + raw.size()) return std::nullopt;
  return value;
}

std::optional<double> JsonValue::number() const {
  if (kind() != JsonKind::number) return std::nullopt;
  double value = 0;
  const auto [end, status] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (status != std::errc{} || end != raw.data() + raw.size()) return std::nullopt;
  return value;
}

std::vector<JsonMember> members(JsonValue object) {
  DTA_ASSERT(object.kind() == JsonKind::object);
  std::vector<JsonMember> all;
  each_member(object.raw,
              [&](std::string_view name, JsonValue value) { all.push_back({*JsonValue{name}.string(), value}); });
  return all;
}

std::vector<JsonValue> elements(JsonValue array) {
  DTA_ASSERT(array.kind() == JsonKind::array);
  std::vector<JsonValue> all;
  each_element(array.raw, [&](JsonValue value) {
    all.push_back(value);
    return true;
  });
  return all;
}

bool is_pointer(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() != '/') return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '~' && (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1'))) return false;
  return true;
}

std::optional<JsonValue> find(JsonValue root, std::string_view pointer) {
  if (!is_pointer(pointer)) return std::nullopt;
  std::optional<JsonValue> at = root;
  while (at && !pointer.empty()) {
    pointer.remove_prefix(1);
    const std::string_view token = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(token.size());
    at = child(*at, token);
  }
  return at;
}

void append_quoted(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte >= 0x20) {
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else {
      out += "\\u00";
      out.push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    }
  }
  out.push_back('"');
}

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

}  // namespace dta::schema
