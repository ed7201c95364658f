// The values that JsonLogic rules compute with, and how JavaScript turns one sort into another. Seen by
// schema/logic*.cpp alone. A value that stands in the rule or in the data is a span of that text, which outlives the
// evaluation; arrays and objects are read only when a rule asks. Strings are UTF-8 and are counted and compared by code
// point, where JavaScript does it by UTF-16 unit, so that no character is ever cut in two.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/json.h"

namespace dta::schema::logic {

// What one evaluation may still cost: about one unit for each value looked at and for every 16 bytes. A rule can double
// a string with each element of an array; when the work is used up, every value is null and the rule's value is null.
class Work {
 public:
  void spend(std::size_t units) { left_ -= std::min(units, left_); }
  void spend_bytes(std::size_t bytes) { spend(1 + bytes / 16); }
  bool used_up() const { return left_ == 0; }

 private:
  std::size_t left_ = 4'000'000;
};

// Arrays that a rule builds may be no deeper than this; deeper ones use up the work.
inline constexpr std::size_t kDepthMax = 256;

struct Value {
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };
  struct Built {
    std::vector<Value> values;
    std::size_t depth = 1;
  };

  Kind kind = Kind::null;
  bool flag = false;
  double number = 0;
  std::string_view raw;                // the span it stands in; empty: computed
  std::string text;                    // of a string
  std::shared_ptr<const Built> built;  // of a computed array, or of a reduce: {current, accumulator}

  static Value null() { return {}; }
  static Value of(bool flag);
  static Value of(double number);
  static Value of(std::string text);
  static Value of(std::vector<Value> values, Work& work);
  static Value reducing(Value current, Value accumulator, Work& work);
  static Value from(JsonValue json);
};

bool truthy(const Value& v);  // JsonLogic's: as JavaScript, but an empty array is false
double to_number(const Value& v, Work& work);
double parse_float(const Value& v, Work& work);  // the number that its text begins with
std::string to_text(const Value& v, Work& work);
bool loosely_equal(const Value& a, const Value& b, Work& work);  // ==
bool strictly_equal(const Value& a, const Value& b);             // ===
enum class Order : std::uint8_t { less, equal, greater, none };
Order compare(const Value& a, const Value& b, Work& work);

// The elements of an array; none for anything else.
std::vector<Value> items(const Value& v, Work& work);
// The member, element or `length` called `name`. False: there is none.
bool child(const Value& v, std::string_view name, Work& work, Value& out);
// The code points from `start` on, `length` of them, as substr does: negative ones count from the end.
std::string substring(std::string_view text, double start, const double* length);
void append_json(std::string& out, const Value& v, Work& work);

}  // namespace dta::schema::logic
