// The digest of what a JSON value means. The value is written in a canonical form that no two different meanings share
// (every part carries its type and length), and that form is hashed:
//   null n, booleans t and f; string s<bytes>:<decoded>; array [<values>]; object {<strings and values, by name>};
//   number d<sign><coefficient without zeros at either end>e<exponent>, and d0 for zero of either sign.
// A name that occurs twice counts with its last value, as find() does. The digest is stored with requests, so this form
// must never change. Any thread.
#include <algorithm>
#include <charconv>

#include "schema/json.h"
#include "schema/json_scan.h"

namespace dta::schema {
namespace {

void append_count(std::string& out, std::size_t count) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, count).ptr;
  out.append(digits, end);
}

// Appends the decimal exponent `written` (sign and digits, any length) + `shift` without ever making it a number when
// it is large: a large one is changed digit by digit, and since |shift| is far smaller its sign stays.
void append_exponent(std::string& out, std::string_view written, std::int64_t shift) {
  bool negative = false;
  if (!written.empty() && (written[0] == '-' || written[0] == '+')) {
    negative = written[0] == '-';
    written.remove_prefix(1);
  }
  while (!written.empty() && written[0] == '0') written.remove_prefix(1);
  if (written.size() <= 17) {
    std::int64_t value = 0;
    for (char c : written) value = value * 10 + (c - '0');
    out += std::to_string((negative ? -value : value) + shift);
    return;
  }
  std::string digits(written);
  std::int64_t carry = negative ? -shift : shift;
  for (std::size_t i = digits.size(); i-- > 0 && carry != 0;) {
    const std::int64_t sum = (digits[i] - '0') + carry;
    const std::int64_t digit = ((sum % 10) + 10) % 10;
    digits[i] = static_cast<char>('0' + digit);
    carry = (sum - digit) / 10;
  }
  if (carry > 0) digits.insert(0, std::to_string(carry));
  if (negative) out.push_back('-');
  out.append(digits, digits.find_first_not_of('0'));
}

void append_number(std::string& out, std::string_view raw) {
  out.push_back('d');
  const bool negative = raw[0] == '-';
  if (negative) raw.remove_prefix(1);
  const std::size_t e = raw.find_first_of("eE");
  const std::string_view mantissa = raw.substr(0, e);
  const std::string_view exponent = e == std::string_view::npos ? std::string_view() : raw.substr(e + 1);
  const std::size_t point = mantissa.find('.');
  std::string digits(mantissa.substr(0, point));
  std::int64_t shift = 0;
  if (point != std::string_view::npos) {
    const std::string_view fraction = mantissa.substr(point + 1);
    digits += fraction;
    shift -= static_cast<std::int64_t>(fraction.size());
  }
  const std::size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) {
    out.push_back('0');
    return;
  }
  const std::size_t last = digits.find_last_not_of('0');
  shift += static_cast<std::int64_t>(digits.size() - 1 - last);
  if (negative) out.push_back('-');
  out.append(digits, first, last - first + 1);
  out.push_back('e');
  append_exponent(out, exponent, shift);
}

void append_string(std::string& out, std::string_view decoded) {
  out.push_back('s');
  append_count(out, decoded.size());
  out.push_back(':');
  out += decoded;
}

const char* append_value(std::string& out, const char* p, const char* end);

const char* append_array(std::string& out, const char* p, const char* end) {
  out.push_back('[');
  p = scan::space(p + 1, end);
  while (*p != ']') {
    p = scan::space(append_value(out, p, end), end);
    if (*p == ',') p = scan::space(p + 1, end);
  }
  out.push_back(']');
  return p + 1;
}

struct Member {
  std::string name;
  std::size_t begin, end;  // of its canonical value in `out`
};

// Members are written as they come and put in order afterwards, when they were not already: one pass over the text.
const char* append_object(std::string& out, const char* p, const char* end) {
  out.push_back('{');
  const std::size_t start = out.size();
  std::vector<Member> found;
  p = scan::space(p + 1, end);
  while (*p != '}') {
    const char* const name = p;
    p = scan::string(p);
    std::string decoded = *JsonValue{scan::span(name, p)}.string();
    p = scan::space(scan::space(p, end) + 1, end);
    append_string(out, decoded);
    const std::size_t begin = out.size();
    p = scan::space(append_value(out, p, end), end);
    found.push_back({std::move(decoded), begin, out.size()});
    if (*p == ',') p = scan::space(p + 1, end);
  }
  const auto not_rising = [](const Member& a, const Member& b) { return a.name >= b.name; };
  if (std::adjacent_find(found.begin(), found.end(), not_rising) != found.end()) {
    // Equal names stay in the order they came in, which their places tell.
    std::sort(found.begin(), found.end(),
              [](const Member& a, const Member& b) { return a.name != b.name ? a.name < b.name : a.begin < b.begin; });
    std::string ordered;
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (i + 1 < found.size() && found[i + 1].name == found[i].name) continue;
      append_string(ordered, found[i].name);
      ordered.append(out, found[i].begin, found[i].end - found[i].begin);
    }
    out.replace(start, std::string::npos, ordered);
  }
  out.push_back('}');
  return p + 1;
}

// Recursion is bounded by the depth that check_json allows.
const char* append_value(std::string& out, const char* p, const char* end) {
  switch (*p) {
    case '{':
      return append_object(out, p, end);
    case '[':
      return append_array(out, p, end);
    case '"': {
      const char* const stop = scan::string(p);
      append_string(out, *JsonValue{scan::span(p, stop)}.string());
      return stop;
    }
    case 't':
    case 'f':
    case 'n':
      out.push_back(*p);
      return scan::scalar(p, end);
    default: {
      const char* const stop = scan::scalar(p, end);
      append_number(out, scan::span(p, stop));
      return stop;
    }
  }
}

}  // namespace

Hash canonical_digest(JsonValue value) {
  std::string canonical;
  canonical.reserve(value.raw.size() + 16);
  append_value(canonical, value.raw.data(), value.raw.data() + value.raw.size());
  return sha256(canonical);
}

}  // namespace dta::schema
