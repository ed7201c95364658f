// The one gate that JSON text from outside passes: RFC 8259 grammar, well-formed UTF-8 (RFC 3629), a bounded depth, and
// nothing after the value. It walks the bytes once, without recursion, builds nothing and converts nothing, so that a
// number of any size is text like any other. A lone surrogate escape is refused: it stands for no character, so such a
// string could never be handed on decoded. Everything that reads JsonValue spans relies on this having been passed. Any
// thread.
#include <bitset>
#include <cstring>

#include "schema/json.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

// Whether eight bytes at once are all plain string content: no control, quote, backslash or non-ASCII byte. It may say
// no too often (a borrow between bytes), never yes too often.
bool eight_plain(const char* p) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, sizeof word);
  const std::uint64_t control = (word - kOnes * 0x20) & ~word;
  const std::uint64_t quote = word ^ (kOnes * 0x22);
  const std::uint64_t slash = word ^ (kOnes * 0x5c);
  return ((control | ((quote - kOnes) & ~quote) | ((slash - kOnes) & ~slash) | word) & kHighs) == 0;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Checker {
 public:
  explicit Checker(std::string_view text) : begin_(text.data()), p_(text.data()), end_(text.data() + text.size()) {}

  Result<JsonValue> run() {
    skip_space();
    const char* const start = p_;
    if (!document()) {
      const auto offset = std::to_string(p_ - begin_);
      if (too_deep_) {
        return refuse(ErrorCode::too_large, "the JSON text is nested deeper than " +
                                                std::to_string(limits::kJsonDepthMax) + " levels at byte " + offset);
      }
      return refuse(ErrorCode::malformed_json, "at byte " + offset + ": " + why_);
    }
    const char* const stop = p_;
    skip_space();
    if (p_ != end_)
      return refuse(ErrorCode::malformed_json, "at byte " + std::to_string(p_ - begin_) +
                                                   ": the value has ended, nothing but white space may follow");
    return JsonValue{std::string_view(start, static_cast<std::size_t>(stop - start))};
  }

 private:
  bool fail(const char* why) {
    why_ = why;
    return false;
  }

  void skip_space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }

  bool document() {
    for (;;) {
      bool opened = false;
      if (!value_or_opening(opened)) return false;
      if (opened) continue;
      // A value has ended: leave every container that ends here, or step to the next value of the innermost.
      for (;;) {
        if (depth_ == 0) return true;
        skip_space();
        const bool object = in_object_[depth_ - 1];
        if (p_ == end_) return fail("the text ends inside an object or array");
        if (*p_ == (object ? '}' : ']')) {
          ++p_;
          --depth_;
          continue;
        }
        if (*p_ != ',') return fail(object ? "a comma or } is expected" : "a comma or ] is expected");
        ++p_;
        skip_space();
        if (object && !member_name()) return false;
        break;
      }
    }
  }

  // Takes a scalar or an empty container whole, or only the opening of a container up to its first value.
  bool value_or_opening(bool& opened) {
    if (p_ == end_) return fail("the text ends where a value is expected");
    switch (*p_) {
      case '{':
      case '[': {
        const bool object = *p_ == '{';
        if (depth_ == limits::kJsonDepthMax) {
          too_deep_ = true;
          return false;
        }
        in_object_[depth_++] = object;
        ++p_;
        skip_space();
        if (p_ != end_ && *p_ == (object ? '}' : ']')) {
          ++p_;
          --depth_;
          return true;
        }
        opened = true;
        return object ? member_name() : true;
      }
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  bool member_name() {
    if (p_ == end_ || *p_ != '"') return fail("a member name in double quotes is expected");
    if (!string()) return false;
    skip_space();
    if (p_ == end_ || *p_ != ':') return fail("a colon is expected after the member name");
    ++p_;
    skip_space();
    return true;
  }

  bool word(std::string_view text) {
    if (!std::string_view(p_, static_cast<std::size_t>(end_ - p_)).starts_with(text))
      return fail("a value is expected: the only words are true, false and null");
    p_ += text.size();
    return true;
  }

  bool digits() {
    if (p_ == end_ || !is_digit(*p_)) return fail("a digit is expected");
    while (p_ != end_ && is_digit(*p_)) ++p_;
    return true;
  }

  bool number() {
    if (*p_ != '-' && !is_digit(*p_)) return fail("a value is expected");
    if (*p_ == '-') ++p_;
    if (p_ != end_ && *p_ == '0') {
      ++p_;
      if (p_ != end_ && is_digit(*p_)) return fail("a number does not begin with 0 before another digit");
    } else if (!digits()) {
      return false;
    }
    if (p_ != end_ && *p_ == '.') {
      ++p_;
      if (!digits()) return false;
    }
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
      ++p_;
      if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (!digits()) return false;
    }
    return true;
  }

  bool string() {
    ++p_;
    for (;;) {
      while (end_ - p_ >= 8 && eight_plain(p_)) p_ += 8;
      if (p_ == end_) return fail("the text ends inside a string");
      const auto byte = static_cast<unsigned char>(*p_);
      if (byte == '"') {
        ++p_;
        return true;
      }
      if (byte < 0x20) return fail("a control character in a string must be escaped");
      if (byte == '\\') {
        if (!escape()) return false;
      } else if (byte < 0x80) {
        ++p_;
      } else if (!utf8(byte)) {
        return fail("a string holds bytes that are not UTF-8");
      }
    }
  }

  bool hex4(unsigned& value) {
    if (end_ - p_ < 4) return fail("four hexadecimal digits are expected after \\u");
    value = 0;
    for (int i = 0; i < 4; ++i, ++p_) {
      const char c = *p_;
      if (is_digit(c)) {
        value = value * 16 + static_cast<unsigned>(c - '0');
      } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
        value = value * 16 + static_cast<unsigned>((c | 0x20) - 'a' + 10);
      } else {
        return fail("four hexadecimal digits are expected after \\u");
      }
    }
    return true;
  }

  bool escape() {
    ++p_;
    if (p_ == end_) return fail("the text ends inside a string");
    if (*p_ != 'u') {
      if (std::strchr("\"\\/bfnrt", *p_) == nullptr || *p_ == '\0') return fail("this escape is not one of JSON's");
      ++p_;
      return true;
    }
    ++p_;
    unsigned unit = 0;
    if (!hex4(unit)) return false;
    if (unit < 0xd800 || unit > 0xdfff) return true;
    if (unit > 0xdbff || end_ - p_ < 2 || p_[0] != '\\' || p_[1] != 'u')
      return fail("a surrogate escape stands alone; it needs its pair");
    p_ += 2;
    if (!hex4(unit)) return false;
    return (unit >= 0xdc00 && unit <= 0xdfff) || fail("a surrogate escape stands alone; it needs its pair");
  }

  // One multi-byte sequence as in RFC 3629, section 4: no overlong form, no surrogate, nothing above U+10FFFF.
  bool utf8(unsigned char lead) {
    int more = 0;
    unsigned char low = 0x80, high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    if (end_ - p_ <= more) return false;
    ++p_;
    for (; more > 0; --more, ++p_) {
      const auto byte = static_cast<unsigned char>(*p_);
      if (byte < low || byte > high) return false;
      low = 0x80;
      high = 0xbf;
    }
    return true;
  }

  const char* begin_;
  const char* p_;
  const char* end_;
  std::bitset<limits::kJsonDepthMax> in_object_;
  std::size_t depth_ = 0;
  bool too_deep_ = false;
  const char* why_ = "";
};

}  // namespace

Result<JsonValue> check_json(std::string_view text) {
  return Checker(text).run();
}

}  // namespace dta::schema
