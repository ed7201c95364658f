// Objects, fields, names and sentences of the definition checker. No state beyond one reader; any thread.
#include "schema/definition_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "schema/limits.h"

namespace dta::schema {
namespace {

constexpr std::size_t kShownBytes = 80;
constexpr std::size_t kLettersOff = 2;

// Letters to insert, drop, change or swap with a neighbour (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

}  // namespace

void FaultList::add(std::string pointer, std::string message) {
  if (faults_.size() < limits::kFaultsMax) faults_.push_back({std::move(pointer), std::move(message)});
}

std::string unsupported(std::string_view what) {
  return fmt::format("{} is not supported by this release", shown(what));
}

std::string shown(std::string_view text) {
  if (text.size() <= kShownBytes) return fmt::format("`{}`", text);
  std::size_t cut = kShownBytes;  // never inside a UTF-8 sequence
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return fmt::format("`{}…`", text.substr(0, cut));
}

std::string child_pointer(const std::string& pointer, std::string_view token) {
  std::string out = pointer + "/";
  for (const char c : token) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string child_pointer(const std::string& pointer, std::size_t index) {
  return fmt::format("{}/{}", pointer, index);
}

std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > limits::kNameBytesMax) return {};
  std::string_view best;
  std::size_t best_distance = kLettersOff + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t d = distance(word, candidate);
    if (d < best_distance && d < candidate.size() / 2 + 1) {
      best = candidate;
      best_distance = d;
    }
  }
  return best;
}

ObjectReader::ObjectReader(JsonValue value, std::string pointer, const Fields& fields, FaultList& faults)
    : pointer_(std::move(pointer)), fields_(fields), faults_(faults) {
  if (value.kind() != JsonKind::object) {
    faults_.add(pointer_, fmt::format("{} is a JSON object; write it in braces", fields_.thing));
    return;
  }
  is_object_ = true;
  members_ = members(value);
  std::unordered_set<std::string_view> seen;
  for (const JsonMember& member : members_) {
    const auto is_name = [&](std::string_view known) { return known == member.name; };
    if (!seen.insert(member.name).second) {
      fault(member.name, fmt::format("{} stands here twice; keep one", shown(member.name)));
    } else if (std::ranges::any_of(fields_.later, is_name)) {
      fault(member.name, unsupported(member.name));
    } else if (std::ranges::none_of(fields_.known, is_name)) {
      const std::string_view near = closest(member.name, fields_.known);
      const std::string hint = near.empty() ? "remove it" : fmt::format("did you mean {}?", shown(near));
      fault(member.name, fmt::format("{} is no field of {}; {}", shown(member.name), fields_.thing, hint));
    }
  }
}

std::optional<JsonValue> ObjectReader::get(std::string_view name) const {
  for (const JsonMember& member : members_)
    if (member.name == name) return member.value;
  return std::nullopt;
}

std::optional<JsonValue> ObjectReader::require(std::string_view name) {
  auto value = get(name);
  if (!value && is_object_) fault(name, fmt::format("{} is missing; {} needs it", shown(name), fields_.thing));
  return value;
}

void ObjectReader::duration(std::string_view name, Duration& out, Duration least) {
  const auto value = get(name);
  if (!value) return;
  const auto text = value->string();
  if (!text)
    return fault(name, fmt::format("{} is a length of time; write it as a string such as \"30s\"", shown(name)));
  if (text->starts_with('/'))
    return fault(name, fmt::format("{} cannot be taken from data; write a length such as \"30s\"", shown(name)));
  const auto parsed = parse_duration(*text);
  if (!parsed)
    return fault(name, fmt::format("{} is no length of time; write a number and ms, s, m, h or d, such as \"1.5s\" (at "
                                   "most 100 years)",
                                   shown(*text)));
  if (*parsed < least)
    return fault(name, fmt::format("{} must be at least \"{}\"", shown(name), format_duration(least)));
  out = *parsed;
}

bool ObjectReader::length(std::string_view name, Duration& fixed, std::string& pointer, Duration least) {
  const auto value = get(name);
  auto text = value ? value->string() : std::nullopt;
  if (!text || !text->starts_with('/')) {
    duration(name, fixed, least);
    return false;
  }
  pointer = std::move(*text);
  return true;
}

void ObjectReader::number(std::string_view name, double& out, double least, double most, std::string_view range) {
  const auto value = get(name);
  if (!value) return;
  const auto number = value->number();
  if (!number || !(*number >= least && *number <= most))
    return fault(name, fmt::format("{} must be a number {}", shown(name), range));
  out = *number;
}

void ObjectReader::integer(std::string_view name, std::uint32_t& out, std::uint32_t least, std::uint32_t most) {
  const auto value = get(name);
  if (!value) return;
  const auto number = value->integer();
  if (!number || *number < least || *number > most)
    return fault(name, fmt::format("{} must be an integer from {} to {}", shown(name), least, most));
  out = static_cast<std::uint32_t>(*number);
}

void ObjectReader::boolean(std::string_view name, bool& out) {
  const auto value = get(name);
  if (!value) return;
  const auto flag = value->boolean();
  if (!flag) return fault(name, fmt::format("{} must be true or false", shown(name)));
  out = *flag;
}

std::optional<std::vector<JsonValue>> ObjectReader::array(std::string_view name, std::size_t most) {
  const auto value = get(name);
  if (!value) return std::nullopt;
  if (value->kind() != JsonKind::array) {
    fault(name, fmt::format("{} must be an array; write it in brackets", shown(name)));
    return std::nullopt;
  }
  auto all = elements(*value);
  if (all.size() > most) {
    fault(name, fmt::format("{} has {} entries; at most {} are allowed", shown(name), all.size(), most));
    return std::nullopt;
  }
  return all;
}

std::optional<std::size_t> ObjectReader::word(std::string_view name, std::span<const std::string_view> words) {
  const auto value = get(name);
  if (!value) return std::nullopt;
  if (const auto text = value->string())
    if (const auto it = std::ranges::find(words, *text); it != words.end())
      return static_cast<std::size_t>(it - words.begin());
  fault(name, fmt::format("{} must be \"{}\"", shown(name), fmt::join(words, "\" or \"")));
  return std::nullopt;
}

std::string ObjectReader::name(std::string_view field) {
  const auto value = require(field);
  if (!value) return {};
  auto text = value->string();
  if (!text || !is_name(*text)) {
    fault(field, fmt::format("{} must be 1 to {} letters, digits, _ or -", shown(field), limits::kNameBytesMax));
    return {};
  }
  return std::move(*text);
}

std::string ObjectReader::queue() {
  const auto value = require("queue");
  if (!value) return {};
  auto text = value->string();
  if (!text || text->empty() || text->size() > limits::kQueueBytesMax || text->starts_with('$') ||
      has_control_characters(*text)) {
    fault("queue",
          fmt::format("`queue` must be a string of 1 to {} bytes without control characters that does not begin with $",
                      limits::kQueueBytesMax));
    return {};
  }
  return std::move(*text);
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= limits::kNameBytesMax && std::ranges::all_of(text, name_character);
}

bool has_control_characters(std::string_view utf8) {
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    // U+0080 to U+009F are C2 80 to C2 9F.
    if (byte == 0xc2 && i + 1 < utf8.size() && static_cast<unsigned char>(utf8[i + 1]) < 0xa0) return true;
  }
  return false;
}

std::optional<std::string> label_fault(std::string_view text) {
  if (text.empty() || text.size() > limits::kNameBytesMax || has_control_characters(text))
    return fmt::format("a name of a state or event is 1 to {} bytes without control characters", limits::kNameBytesMax);
  if (text.starts_with('$') || text.starts_with("dta."))
    return fmt::format("{} is reserved: names that begin with $ or dta. are the engine's own", shown(text));
  return std::nullopt;
}

std::optional<std::string> label(JsonValue value, const std::string& pointer, FaultList& faults) {
  auto text = value.string();
  if (!text) {
    faults.add(pointer, "a name of a state or event is a string");
    return std::nullopt;
  }
  if (auto why = label_fault(*text)) {
    faults.add(pointer, std::move(*why));
    return std::nullopt;
  }
  return text;
}

}  // namespace dta::schema
