// What transactions, tasks and signals carry: the fields that random definitions read, most often as they are asked
// for.
#include "tests/model/random_definition.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace dta::model {
namespace {

std::string number_or(Chance& chance, const char* other) {
  return chance.one_in(8) ? other : std::to_string(chance.below(5));
}
std::string length_or(Chance& chance, const char* other) {
  if (chance.one_in(12)) return other;
  return chance.one_in(3) ? "1500" : fmt::format("\"{}\"", chance.of(kLengths));
}

std::string list(Chance& chance) {
  std::vector<std::string> elements;
  for (std::size_t n = chance.below(6); n > 0; --n)
    elements.push_back(
        chance.one_in(3) ? std::to_string(chance.below(9))
                         : fmt::format("{{\"n\":{},\"len\":{}}}", number_or(chance, "\"\""), length_or(chance, "-1")));
  return fmt::format("[{}]", fmt::join(elements, ","));
}

}  // namespace

std::string random_input(Chance& chance, schema::Time now) {
  if (chance.one_in(10)) return chance.one_in(2) ? "" : "{\"n\":1}";
  const schema::Time at{now.ms + (static_cast<std::int64_t>(chance.below(9)) - 2) * 1000};
  std::vector<std::string> members;
  if (!chance.one_in(8)) members.push_back("\"n\":" + number_or(chance, "\"2\""));
  if (!chance.one_in(8)) members.push_back(fmt::format("\"flag\":{}", chance.one_in(2)));
  if (!chance.one_in(8)) members.push_back("\"text\":\"met\"");
  if (!chance.one_in(16)) members.push_back("\"list\":" + (chance.one_in(16) ? "{\"0\":1}" : list(chance)));
  if (!chance.one_in(16)) members.push_back("\"len\":" + length_or(chance, "\"soon\""));
  if (!chance.one_in(16))
    members.push_back(fmt::format("\"at\":\"{}\"", chance.one_in(16) ? "tomorrow" : schema::format_time(at)));
  return fmt::format("{{{}}}", fmt::join(members, ","));
}

std::string random_output(Chance& chance) {
  switch (chance.below(8)) {
    case 0:
      return "";
    case 1:
      return std::to_string(chance.below(3));
    case 2:
      return list(chance);
    default:
      return fmt::format("{{\"n\":{},\"flag\":{},\"list\":{}}}", number_or(chance, "null"), chance.one_in(2),
                         list(chance));
  }
}

}  // namespace dta::model
