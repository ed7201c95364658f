// Numbers and their texts as JavaScript has them.
#include "schema/logic_number.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace dta::schema::logic {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

struct Read {
  double value = kNaN;
  std::size_t bytes = 0;  // 0: no number stands there
};

// The decimal number that the text begins with. One out of range is infinite, or zero, as strtod has it.
Read read_decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view rest = text.substr(negative || text.starts_with('+') ? 1 : 0);
  const std::size_t sign = text.size() - rest.size();
  const auto signed_value = [&](double v) { return negative ? -v : v; };
  if (rest.starts_with("Infinity")) return {signed_value(kInfinity), sign + 8};
  const bool digit = !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
  const bool point = rest.size() > 1 && rest[0] == '.' && rest[1] >= '0' && rest[1] <= '9';
  if (!digit && !point) return {};
  double value = 0;
  const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  const auto bytes = static_cast<std::size_t>(end - rest.data());
  if (status == std::errc::result_out_of_range)
    value = std::strtod(std::string(rest.substr(0, bytes)).c_str(), nullptr);
  return {signed_value(value), sign + bytes};
}

}  // namespace

double text_to_number(std::string_view whole) {
  const std::string_view text = trimmed(whole);
  if (text.empty()) return 0;
  if (text.size() > 2 && text[0] == '0') {
    const char c = text[1];
    const int base = c == 'x' || c == 'X' ? 16 : c == 'o' || c == 'O' ? 8 : c == 'b' || c == 'B' ? 2 : 0;
    if (base != 0) {
      double value = 0;
      for (const char d : text.substr(2)) {
        const int digit = d >= '0' && d <= '9'   ? d - '0'
                          : d >= 'a' && d <= 'f' ? d - 'a' + 10
                          : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                                 : base;
        if (digit >= base) return kNaN;
        value = value * base + digit;
      }
      return value;
    }
  }
  const Read read = read_decimal(text);
  return read.bytes == text.size() ? read.value : kNaN;
}

double number_at(std::string_view text) {
  return read_decimal(trimmed(text)).value;
}

std::string number_to_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (value == 0) return "0";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value), std::chars_format::scientific).ptr;
  const std::string_view shortest(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = shortest.find('e');
  std::string digits(1, shortest[0]);
  if (e > 2) digits += shortest.substr(2, e - 2);
  const int exponent = std::atoi(std::string(shortest.substr(e + 1)).c_str());
  const int count = static_cast<int>(digits.size()), point = exponent + 1;  // digits before the point
  std::string out = value < 0 ? "-" : "";
  if (point >= count && point <= 21) return out + digits + std::string(static_cast<std::size_t>(point - count), '0');
  if (point > 0 && point <= 21) return out + digits.insert(static_cast<std::size_t>(point), ".");
  if (point > -6 && point <= 0) return out + "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
  if (count > 1) digits.insert(1, ".");
  return out + digits + (exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent));
}

}  // namespace dta::schema::logic
