// JSON as RFC 8259 writes it, read once over bytes. No allocation except for decoded strings.
#include "client/json_scan.h"

#include <cstdint>

namespace dta::client {
namespace {

constexpr std::size_t npos = std::string_view::npos;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::size_t check_digits(std::string_view text, std::size_t at) {
  if (at >= text.size() || !is_digit(text[at])) return npos;
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

std::size_t check_number(std::string_view text, std::size_t at) {
  if (text[at] == '-') ++at;
  if (at < text.size() && text[at] == '0')
    ++at;
  else if ((at = check_digits(text, at)) == npos)
    return npos;
  if (at < text.size() && text[at] == '.')
    if ((at = check_digits(text, at + 1)) == npos) return npos;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    at = check_digits(text, at);
  }
  return at;
}

std::size_t check_escape(std::string_view text, std::size_t at) {  // `at` is after the backslash
  if (at >= text.size()) return npos;
  if (text[at] != 'u') return std::string_view("\"\\/bfnrt").find(text[at]) == npos ? npos : at + 1;
  for (std::size_t i = at + 1; i <= at + 4; ++i)
    if (i >= text.size() || hex_digit(text[i]) < 0) return npos;
  return at + 5;
}

std::size_t check_string(std::string_view text, std::size_t at) {  // `at` is the opening quote
  ++at;
  while (at < text.size()) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '"') return at + 1;
    if (c < 0x20) return npos;
    if (c == '\\') {
      if ((at = check_escape(text, at + 1)) == npos) return npos;
    } else if (c < 0x80) {
      ++at;
    } else {
      const std::size_t length = utf8_length(text, at);
      if (length == 0) return npos;
      at += length;
    }
  }
  return npos;
}

std::size_t check_word(std::string_view text, std::size_t at, std::string_view word) {
  return text.substr(at, word.size()) == word ? at + word.size() : npos;
}

// Members of an object or elements of an array, from after the opening bracket.
std::size_t check_list(std::string_view text, std::size_t at, int depth, bool named, char close) {
  if (depth > kJsonDepthMax) return npos;
  at = skip_space(text, at);
  if (at < text.size() && text[at] == close) return at + 1;
  for (;;) {
    if (named) {
      at = skip_space(text, at);
      if (at >= text.size() || text[at] != '"') return npos;
      if ((at = check_string(text, at)) == npos) return npos;
      at = skip_space(text, at);
      if (at >= text.size() || text[at] != ':') return npos;
      ++at;
    }
    if ((at = check_value(text, skip_space(text, at), depth)) == npos) return npos;
    at = skip_space(text, at);
    if (at >= text.size()) return npos;
    if (text[at] == close) return at + 1;
    if (text[at] != ',') return npos;
    ++at;
  }
}

std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at + 1;
}

unsigned code_unit(std::string_view text, std::size_t at) {
  unsigned unit = 0;
  for (std::size_t i = at; i < at + 4; ++i) unit = unit * 16 + static_cast<unsigned>(hex_digit(text[i]));
  return unit;
}

void append_utf8(std::string& out, unsigned point) {
  const auto put = [&out](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xc0 | point >> 6), put(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12), put(0x80 | (point >> 6 & 0x3f)), put(0x80 | (point & 0x3f));
  } else {
    put(0xf0 | point >> 18), put(0x80 | (point >> 12 & 0x3f)), put(0x80 | (point >> 6 & 0x3f));
    put(0x80 | (point & 0x3f));
  }
}

// Appends what \uXXXX at `at` (the first hex digit) means and gives the index after it; halves without their partner
// become U+FFFD.
std::size_t decode_unicode_escape(std::string_view text, std::size_t at, std::string& out) {
  const unsigned unit = code_unit(text, at);
  at += 4;
  if (unit >= 0xd800 && unit < 0xdc00 && text.substr(at, 2) == "\\u") {
    const unsigned low = code_unit(text, at + 2);
    if (low >= 0xdc00 && low < 0xe000) {
      append_utf8(out, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
      return at + 6;
    }
  }
  append_utf8(out, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
  return at;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(at), second = byte(at + 1);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return follows(at + 1) ? 2 : 0;
  if (lead >= 0xe0 && lead < 0xf0) {
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    return follows(at + 1) && follows(at + 2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead < 0xf5) {
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    return follows(at + 1) && follows(at + 2) && follows(at + 3) ? 4 : 0;
  }
  return 0;
}

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  if (text[at] == '"') return skip_string(text, at);
  if (text[at] == '{' || text[at] == '[') {
    int open = 0;
    do {
      if (text[at] == '"') {
        at = skip_string(text, at);
        continue;
      }
      if (text[at] == '{' || text[at] == '[') ++open;
      if (text[at] == '}' || text[at] == ']') --open;
      ++at;
    } while (open > 0);
    return at;
  }
  while (at < text.size() && !is_space(text[at]) && text[at] != ',' && text[at] != '}' && text[at] != ']') ++at;
  return at;
}

std::size_t check_value(std::string_view text, std::size_t at, int depth) {
  if (at >= text.size()) return npos;
  switch (text[at]) {
    case '{':
      return check_list(text, at + 1, depth + 1, true, '}');
    case '[':
      return check_list(text, at + 1, depth + 1, false, ']');
    case '"':
      return check_string(text, at);
    case 't':
      return check_word(text, at, "true");
    case 'f':
      return check_word(text, at, "false");
    case 'n':
      return check_word(text, at, "null");
    default:
      return text[at] == '-' || is_digit(text[at]) ? check_number(text, at) : npos;
  }
}

std::string decode_string(std::string_view quoted) {
  std::string out;
  out.reserve(quoted.size());
  const std::string_view text = quoted.substr(1, quoted.size() - 2);
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '\\') {
      out.push_back(text[at++]);
      continue;
    }
    const char c = text[at + 1];
    at += 2;
    switch (c) {
      case 'b':
        out.push_back('\b');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 't':
        out.push_back('\t');
        break;
      case 'u':
        at = decode_unicode_escape(text, at, out);
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

}  // namespace dta::client
