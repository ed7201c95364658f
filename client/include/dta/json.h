// JSON without a JSON library: reading values where they stand in received bytes, and writing the few that requests
// need. Payloads pass through DTA byte for byte (1.0 stays 1.0, long integers stay whole), so this library never turns
// a document into a tree and back. Use any JSON library you like on the raw bytes instead; nothing here is obligatory.
//
// A `Json` is a view: the text it was parsed from must outlive it. Reading is `const` and free of locks; looking up a
// member walks the object, so loop over members() when many are wanted.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dta {

class Json {
 public:
  enum class Kind : std::uint8_t { missing, null, boolean, number, string, array, object };

  Json() = default;  // missing

  // The whole text as one value: RFC 8259, valid UTF-8, at most 128 levels deep. Nothing when it is not that.
  static std::optional<Json> parse(std::string_view text);
  // A view of a string that is about to go would dangle.
  template <class Text>
    requires std::same_as<Text, std::string>
  static std::optional<Json> parse(Text&& text) = delete;

  Kind kind() const;
  bool exists() const { return !raw_.empty(); }
  bool is_object() const { return kind() == Kind::object; }
  bool is_null() const { return kind() == Kind::null; }
  std::string_view raw() const { return raw_; }  // exactly the bytes of this value; empty when missing

  // A member of an object or an element of an array; missing when there is none, never an error.
  Json operator[](std::string_view name) const;
  Json operator[](const char* name) const { return (*this)[std::string_view(name)]; }
  Json operator[](std::size_t index) const;
  // RFC 6901, for example "/items/0/sku"; missing when the way ends.
  Json at(std::string_view pointer) const;

  // What this value is, or the fallback when it is something else.
  std::string string(std::string_view fallback = {}) const;
  bool boolean(bool fallback = false) const;
  double number(double fallback = 0) const;
  std::int64_t integer(std::int64_t fallback = 0) const;
  std::uint64_t natural(std::uint64_t fallback = 0) const;

  std::vector<Json> items() const;                            // of an array, else none
  std::vector<std::pair<std::string, Json>> members() const;  // of an object, in order, else none

 private:
  explicit Json(std::string_view raw) : raw_(raw) {}
  std::string_view raw_;
};

// A JSON string of these characters, with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the result is
// always valid JSON.
std::string json_string(std::string_view text);

// Writes one object, member by member: JsonObject().add("a", "x").add("n", 3).raw("input", bytes).text().
class JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view value);
  JsonObject& add(std::string_view name, const char* value) { return add(name, std::string_view(value)); }
  JsonObject& add(std::string_view name, const std::string& value) { return add(name, std::string_view(value)); }
  JsonObject& add(std::string_view name, bool value);
  JsonObject& add(std::string_view name, int value) { return add(name, static_cast<std::int64_t>(value)); }
  JsonObject& add(std::string_view name, unsigned value) { return add(name, static_cast<std::uint64_t>(value)); }
  JsonObject& add(std::string_view name, std::int64_t value);
  JsonObject& add(std::string_view name, std::uint64_t value);
  // `json` must be one JSON value; it is written as it is.
  JsonObject& raw(std::string_view name, std::string_view json);
  bool empty() const { return text_.size() == 1; }
  std::string text() const { return text_ + '}'; }

 private:
  std::string text_ = "{";
};

// Writes one array in the same way.
class JsonArray {
 public:
  JsonArray& add(std::string_view value) { return raw(json_string(value)); }
  JsonArray& raw(std::string_view json);
  bool empty() const { return text_.size() == 1; }
  std::string text() const { return text_ + ']'; }

 private:
  std::string text_ = "[";
};

}  // namespace dta
