// Reading of request objects (request_body.h). Pure.
#include "server/request_body.h"

#include <algorithm>

#include "schema/limits.h"

namespace dta::server {
namespace {

using enum schema::ErrorCode;
using schema::ErrorCode;
using schema::JsonKind;
using schema::JsonValue;
namespace limits = schema::limits;

int gravity(ErrorCode code) {
  switch (code) {
    case unknown_field:
      return 3;
    case missing_field:
      return 2;
    case too_large:
      return 1;
    default:
      return 0;
  }
}

std::string_view kind_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::null:
      return "null";
    case JsonKind::boolean:
      return "a boolean";
    case JsonKind::number:
      return "a number";
    case JsonKind::string:
      return "a string";
    case JsonKind::array:
      return "an array";
    case JsonKind::object:
      return "an object";
  }
  return "";
}

std::string not_a(JsonValue value, std::string_view wanted) {
  return "must be " + std::string(wanted) + ", not " + std::string(kind_name(value.kind()));
}

// Cuts at a whole character.
void cut(std::string& text, std::size_t most) {
  if (text.size() <= most) return;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
}

}  // namespace

void Faults::add(ErrorCode code, std::string pointer, std::string message) {
  if (faults_.empty() || gravity(code) > gravity(code_)) code_ = code;
  if (faults_.size() < kFaultsMax) faults_.push_back({std::move(pointer), std::move(message)});
}

schema::Error Faults::error() const {
  schema::Error error{code_, {}, faults_};
  const schema::Fault& first = faults_.front();
  error.message = first.pointer.empty() ? "the body " + first.message : first.pointer + " " + first.message;
  return error;
}

schema::Result<JsonValue> parse_object(std::string_view body) {
  if (body.empty()) return schema::refuse(malformed_json, "the body is empty; it must be a JSON object");
  auto root = schema::check_json(body);
  if (!root) return root;
  if (root->kind() != JsonKind::object) {
    Faults faults;
    faults.add(invalid_argument, "", not_a(*root, "an object"));
    return tl::unexpected(faults.error());
  }
  return root;
}

Fields::Fields(JsonValue value, std::string at, Faults& faults) : at_(std::move(at)), faults_(faults) {
  if (value.kind() != JsonKind::object) {
    faults_.add(invalid_argument, at_, not_a(value, "an object"));
    no_object_ = true;
    return;
  }
  members_ = schema::members(value);
  taken_.resize(members_.size(), false);
}

void Fields::finish() {
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (!taken_[i]) fault(members_[i].name, "is not a known field", unknown_field);
}

bool Fields::has(std::string_view name) const {
  return std::any_of(members_.begin(), members_.end(), [&](const auto& member) { return member.name == name; });
}

std::optional<JsonValue> Fields::take(std::string_view name) {
  std::optional<JsonValue> found;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].name != name) continue;
    taken_[i] = true;
    if (found) {
      fault(name, "is given twice");
    } else {
      found = members_[i].value;
    }
  }
  return found;
}

JsonValue* Fields::required(std::string_view name) {
  if (auto value = take(name)) {
    last_ = *value;
    return &last_;
  }
  if (!no_object_) fault(name, "is missing", missing_field);
  return nullptr;
}

std::string Fields::text(std::string_view name, std::size_t most, bool is_required) {
  JsonValue value;
  if (is_required) {
    const JsonValue* given = required(name);
    if (given == nullptr) return {};
    value = *given;
  } else if (auto given = take(name)) {
    value = *given;
  } else {
    return {};
  }
  std::optional<std::string> text = value.string();
  if (!text) {
    fault(name, not_a(value, "a string"));
  } else if (text->empty()) {
    fault(name, "is empty");
  } else if (text->size() > most) {
    fault(name, "is longer than " + std::to_string(most) + " bytes",
          most == limits::kReasonBytesMax ? too_large : invalid_argument);
  } else {
    return std::move(*text);
  }
  return {};
}

std::string Fields::payload(std::string_view name) {
  const auto value = take(name);
  if (!value) return {};
  if (value->raw.size() > limits::kPayloadBytesMax) {
    fault(name, "is larger than " + std::to_string(limits::kPayloadBytesMax) + " bytes", too_large);
    return {};
  }
  return std::string(value->raw);
}

std::optional<std::int64_t> Fields::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const auto value = take(name);
  if (!value) return std::nullopt;
  const auto number = value->integer();
  if (!number || *number < least || *number > most) {
    fault(name, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  return number;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const auto value = take(name);
  if (!value) return std::nullopt;
  const auto truth = value->boolean();
  if (!truth) fault(name, not_a(*value, "true or false"));
  return truth;
}

Duration Fields::wait() {
  const auto ms = integer("wait_ms", 0, INT64_MAX);
  return Duration{std::min(ms.value_or(0), limits::kWaitMsMax)};
}

std::vector<schema::Attribute> Fields::pairs(std::string_view name, std::size_t most) {
  const auto value = take(name);
  std::vector<schema::Attribute> pairs;
  if (!value) return pairs;
  if (value->kind() != JsonKind::object) {
    fault(name, not_a(*value, "an object of strings"));
    return pairs;
  }
  const auto given = schema::members(*value);
  if (given.size() > most) {
    fault(name, "has more than " + std::to_string(most) + " members");
    return pairs;
  }
  for (const schema::JsonMember& member : given) {
    const auto text = member.value.string();
    const auto wrong = [&, at = child_pointer(pointer(name), member.name)](std::string message) {
      faults_.add(invalid_argument, at, std::move(message));
    };
    if (!text) {
      wrong(not_a(member.value, "a string"));
    } else if (member.name.empty() || member.name.size() > limits::kAttributeBytesMax ||
               text->size() > limits::kAttributeBytesMax) {
      const std::string most_bytes = std::to_string(limits::kAttributeBytesMax) + " bytes";
      wrong("must have a name of 1 to " + most_bytes + " and a value of at most " + most_bytes);
    } else if (std::any_of(pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.key == member.name; })) {
      wrong("is given twice");
    } else {
      pairs.push_back({member.name, *text});
    }
  }
  return pairs;
}

std::vector<JsonValue> Fields::items(std::string_view name, std::size_t most) {
  const JsonValue* value = required(name);
  if (value == nullptr) return {};
  if (value->kind() != JsonKind::array) {
    fault(name, not_a(*value, "an array"));
    return {};
  }
  auto items = schema::elements(*value);
  if (items.size() <= most) return items;
  fault(name, "has more than " + std::to_string(most) + " elements", too_large);
  return {};
}

void Fields::fault(std::string_view name, std::string message, ErrorCode code) {
  faults_.add(code, pointer(name), std::move(message));
}

void Fields::fault_at(std::string_view name, std::size_t index, std::string message) {
  faults_.add(invalid_argument, child_pointer(pointer(name), std::to_string(index)), std::move(message));
}

std::string Fields::pointer(std::string_view name) const {
  return child_pointer(at_, name);
}

std::string child_pointer(std::string_view parent, std::string_view token) {
  std::string pointer(parent);
  pointer += '/';
  for (const char c : token) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

std::optional<std::string> id_fault(std::string_view id) {
  if (id.empty() || id.size() > limits::kIdBytesMax)
    return "must have 1 to " + std::to_string(limits::kIdBytesMax) + " bytes";
  if (id.front() == '$') return "must not begin with \"$\"";
  for (std::size_t i = 0; i < id.size(); ++i) {
    const auto byte = static_cast<unsigned char>(id[i]);
    if (id[i] == '/') return "must not contain \"/\"";
    const bool c1 =
        byte == 0xc2 && i + 1 < id.size() && static_cast<unsigned char>(id[i + 1]) < 0xa0;  // U+0080 to U+009F
    if (byte < 0x20 || byte == 0x7f || c1) return "must not contain control characters";
  }
  return std::nullopt;
}

Poll read_poll(Fields& fields) {
  Poll poll;
  const JsonValue* queues = fields.required("queues");
  if (queues != nullptr && queues->kind() != JsonKind::array) {
    fields.fault("queues", not_a(*queues, "an array of names"));
  } else if (queues != nullptr) {
    const auto names = schema::elements(*queues);
    if (names.empty() || names.size() > limits::kPollQueuesMax) {
      fields.fault("queues", "must name 1 to " + std::to_string(limits::kPollQueuesMax) + " queues");
    } else {
      for (std::size_t i = 0; i < names.size(); ++i) {
        auto name = names[i].string();
        if (!name || name->empty() || name->size() > limits::kQueueBytesMax) {
          fields.fault_at("queues", i, "must be a string of 1 to " + std::to_string(limits::kQueueBytesMax) + " bytes");
        } else {
          poll.queues.push_back(std::move(*name));
        }
      }
    }
  }
  const auto most = fields.integer("max", 1, INT64_MAX);
  poll.max = std::min(static_cast<std::size_t>(most.value_or(1)), limits::kLeaseMax);
  poll.wait = fields.wait();
  poll.worker = fields.text("worker", limits::kWorkerBytesMax, true);
  poll.poll_id = fields.text("poll_id", limits::kWorkerBytesMax, false);
  return poll;
}

FailedResult read_failure(Fields& fields, const std::string& at, Faults& faults) {
  FailedResult failed;
  if (const JsonValue* error = fields.required("error")) {
    Fields parts(*error, at + "/error", faults);
    failed.code = parts.text("code", limits::kErrorCodeBytesMax, true);
    if (failed.code.starts_with("dta.")) parts.fault("code", "must not begin with \"dta.\"");
    if (const auto message = parts.take("message")) {
      if (auto text = message->string()) {
        failed.message = std::move(*text);
        cut(failed.message, limits::kErrorMessageBytesMax);
      } else {
        parts.fault("message", "must be a string");
      }
    }
    failed.details = parts.payload("details");
    parts.finish();
  }
  const std::string effect = fields.text("effect", 16, false);
  if (effect == "unknown") {
    failed.effect = schema::Effect::unknown;
  } else if (!effect.empty() && effect != "none") {
    fields.fault("effect", "must be \"none\" or \"unknown\"");
  }
  return failed;
}

}  // namespace dta::server
