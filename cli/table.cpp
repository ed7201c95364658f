// See table.h.
#include "cli/table.h"

#include <algorithm>
#include <chrono>

#include "schema/time.h"

namespace dta::cli {
namespace {

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return out;
}

std::string rough_length(std::chrono::milliseconds length) {
  using namespace std::chrono;
  if (length < minutes(2)) return std::to_string(duration_cast<seconds>(length).count()) + "s";
  if (length < hours(2)) return std::to_string(duration_cast<minutes>(length).count()) + "m";
  if (length < days(2)) return std::to_string(duration_cast<hours>(length).count()) + "h";
  return std::to_string(duration_cast<days>(length).count()) + "d";
}

}  // namespace

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += printable(row[i]);
      line.append(widths[i] - width(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string relative(const std::optional<Time>& time, Time now) {
  if (!time) return "-";
  const auto ahead = *time - now;
  if (ahead >= std::chrono::seconds(1)) return "in " + rough_length(ahead);
  if (ahead > -std::chrono::seconds(1)) return "just now";
  return rough_length(-ahead) + " ago";
}

std::string absolute(const std::optional<Time>& time) {
  if (!time) return "-";
  std::string text = schema::format_time(schema::Time{time->time_since_epoch().count()});
  std::replace(text.begin(), text.end(), 'T', ' ');
  return text;
}

Time now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::string shortened(std::string_view text, std::size_t characters) {
  if (width(text) <= characters) return printable(text);
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end)
    if (begins_character(text[end]) && ++seen == characters) break;
  return printable(text.substr(0, end)) + "…";
}

}  // namespace dta::cli
