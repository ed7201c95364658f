// The public JSON view and writers (include/dta/json.h) over the scanner. A Json always holds checked text: parse() is
// the only way to make one from bytes. Pure; any thread.
#include "dta/json.h"

#include <charconv>

#include "client/json_scan.h"

namespace dta {
namespace {

// Calls each(name with quotes, value) for the members of a checked object (name is empty for an array) until it returns
// false.
template <class Each>
void walk(std::string_view raw, Each&& each) {
  const bool named = raw.front() == '{';
  std::size_t at = client::skip_space(raw, 1);
  while (raw[at] != '}' && raw[at] != ']') {
    std::string_view name;
    if (named) {
      const std::size_t end = client::skip_value(raw, at);
      name = raw.substr(at, end - at);
      at = client::skip_space(raw, client::skip_space(raw, end) + 1);  // over the colon
    }
    const std::size_t end = client::skip_value(raw, at);
    if (!each(name, raw.substr(at, end - at))) return;
    at = client::skip_space(raw, end);
    if (raw[at] == ',') at = client::skip_space(raw, at + 1);
  }
}

bool same_name(std::string_view quoted, std::string_view name) {
  if (quoted.find('\\') == std::string_view::npos) return quoted.substr(1, quoted.size() - 2) == name;
  return client::decode_string(quoted) == name;
}

template <class Number>
Number read_number(std::string_view raw, Number fallback) {
  Number value{};
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  return error == std::errc() && end == raw.data() + raw.size() ? value : fallback;
}

}  // namespace

std::optional<Json> Json::parse(std::string_view text) {
  const std::size_t begin = client::skip_space(text, 0);
  const std::size_t end = client::check_value(text, begin, 0);
  if (end == std::string_view::npos || client::skip_space(text, end) != text.size()) return std::nullopt;
  return Json(text.substr(begin, end - begin));
}

Json::Kind Json::kind() const {
  if (raw_.empty()) return Kind::missing;
  switch (raw_.front()) {
    case '{':
      return Kind::object;
    case '[':
      return Kind::array;
    case '"':
      return Kind::string;
    case 't':
    case 'f':
      return Kind::boolean;
    case 'n':
      return Kind::null;
    default:
      return Kind::number;
  }
}

Json Json::operator[](std::string_view name) const {
  Json found;
  if (kind() != Kind::object) return found;
  walk(raw_, [&](std::string_view member, std::string_view value) {
    if (!same_name(member, name)) return true;
    found = Json(value);
    return false;
  });
  return found;
}

Json Json::operator[](std::size_t index) const {
  Json found;
  if (kind() != Kind::array) return found;
  walk(raw_, [&](std::string_view, std::string_view value) {
    if (index-- > 0) return true;
    found = Json(value);
    return false;
  });
  return found;
}

Json Json::at(std::string_view pointer) const {
  Json here = *this;
  while (!pointer.empty() && here.exists()) {
    if (pointer.front() != '/') return {};
    const std::size_t end = std::min(pointer.find('/', 1), pointer.size());
    std::string token;
    for (std::size_t i = 1; i < end; ++i) {
      const bool escaped = pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1');
      token.push_back(escaped ? (pointer[++i] == '0' ? '~' : '/') : pointer[i]);
    }
    if (here.kind() == Kind::array) {
      const bool canonical = token == "0" || (!token.empty() && token.front() != '0');
      const auto index = read_number<std::size_t>(token, std::string_view::npos);
      here = canonical && index != std::string_view::npos ? here[index] : Json();
    } else {
      here = here[std::string_view(token)];
    }
    pointer.remove_prefix(end);
  }
  return here;
}

std::string Json::string(std::string_view fallback) const {
  return kind() == Kind::string ? client::decode_string(raw_) : std::string(fallback);
}

bool Json::boolean(bool fallback) const {
  return kind() == Kind::boolean ? raw_.front() == 't' : fallback;
}

double Json::number(double fallback) const {
  return kind() == Kind::number ? read_number<double>(raw_, fallback) : fallback;
}

std::int64_t Json::integer(std::int64_t fallback) const {
  return kind() == Kind::number ? read_number<std::int64_t>(raw_, fallback) : fallback;
}

std::uint64_t Json::natural(std::uint64_t fallback) const {
  return kind() == Kind::number ? read_number<std::uint64_t>(raw_, fallback) : fallback;
}

std::vector<Json> Json::items() const {
  std::vector<Json> all;
  if (kind() == Kind::array)
    walk(raw_, [&](std::string_view, std::string_view value) {
      all.push_back(Json(value));
      return true;
    });
  return all;
}

std::vector<std::pair<std::string, Json>> Json::members() const {
  std::vector<std::pair<std::string, Json>> all;
  if (kind() == Kind::object)
    walk(raw_, [&](std::string_view name, std::string_view value) {
      all.emplace_back(client::decode_string(name), Json(value));
      return true;
    });
  return all;
}

std::string json_string(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size() + 2);
  out.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    const std::size_t length = client::utf8_length(text, at);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      ++at;
    } else if (length > 1) {
      out += text.substr(at, length);
      at += length;
    } else {
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(text[at]);
      } else if (c == '\n') {
        out += "\\n";
      } else if (c < 0x20) {
        out += "\\u00";
        out.push_back(kHex[c >> 4]);
        out.push_back(kHex[c & 15]);
      } else {
        out.push_back(text[at]);
      }
      ++at;
    }
  }
  out.push_back('"');
  return out;
}

JsonObject& JsonObject::raw(std::string_view name, std::string_view json) {
  if (!empty()) text_.push_back(',');
  text_ += json_string(name);
  text_.push_back(':');
  text_ += json;
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, std::string_view value) {
  return raw(name, json_string(value));
}
JsonObject& JsonObject::add(std::string_view name, bool value) {
  return raw(name, value ? "true" : "false");
}
JsonObject& JsonObject::add(std::string_view name, std::int64_t value) {
  return raw(name, std::to_string(value));
}
JsonObject& JsonObject::add(std::string_view name, std::uint64_t value) {
  return raw(name, std::to_string(value));
}

JsonArray& JsonArray::raw(std::string_view json) {
  if (!empty()) text_.push_back(',');
  text_ += json;
  return *this;
}

}  // namespace dta
