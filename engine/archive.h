// Values to bytes and back, little-endian, for what is folded from the log and can be folded again: checkpoints and
// directory rows. One function template names the fields of a type once, for both directions. Not for events: those
// have a schema of their own.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/bitset.h"
#include "schema/ids.h"
#include "schema/time.h"

namespace dta::engine {

class Writer {
 public:
  static constexpr bool kReading = false;
  std::string bytes;

  void raw(const void* data, std::size_t size) { bytes.append(static_cast<const char*>(data), size); }
  bool ok() const { return true; }
};

class Reader {
 public:
  static constexpr bool kReading = true;
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  void raw(void* data, std::size_t size) {
    if (size > rest_.size()) {
      failed_ = true;
      return;
    }
    std::memcpy(data, rest_.data(), size);
    rest_.remove_prefix(size);
  }
  bool ok() const { return !failed_; }
  bool at_end() const { return rest_.empty(); }
  std::size_t left() const { return rest_.size(); }
  void fail() { failed_ = true; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// Scalars, enumerations, ids and times.
template <class A, class T>
  requires((std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) || std::is_enum_v<T>)
void archive(A& a, T& value) {
  a.raw(&value, sizeof value);
}
// One byte, 0 or 1; any other is no truth value and must never become a bool.
template <class A>
void archive(A& a, bool& value) {
  std::uint8_t byte = value ? 1 : 0;
  a.raw(&byte, 1);
  if constexpr (A::kReading) {
    if (byte > 1) a.fail();
    value = byte == 1;
  }
}
// One byte: 0 nothing, 1 no, 2 yes.
template <class A>
void archive(A& a, std::optional<bool>& value) {
  std::uint8_t byte = !value ? 0 : *value ? 2 : 1;
  a.raw(&byte, 1);
  if constexpr (A::kReading) {
    if (byte > 2) a.fail();
    value.reset();
    if (byte != 0) value = byte == 2;
  }
}
template <class A, class Tag, class Rep>
void archive(A& a, schema::StrongId<Tag, Rep>& id) {
  archive(a, id.value);
}
template <class A>
void archive(A& a, schema::Time& t) {
  archive(a, t.ms);
}
template <class A>
void archive(A& a, schema::Duration& d) {
  archive(a, d.ms);
}
template <class A, std::size_t N>
void archive(A& a, std::array<std::uint8_t, N>& bytes) {
  a.raw(bytes.data(), N);
}

// A count that no sane input exceeds what is left of it.
template <class A>
std::uint32_t archive_count(A& a, std::size_t size) {
  auto count = static_cast<std::uint32_t>(size);
  archive(a, count);
  if constexpr (A::kReading) {
    if (!a.ok() || count > a.left()) {
      a.fail();
      return 0;
    }
  }
  return count;
}
template <class A>
void archive(A& a, std::string& text) {
  const std::uint32_t size = archive_count(a, text.size());
  if constexpr (A::kReading) text.resize(size);
  a.raw(text.data(), size);
}
template <class A, class T>
void archive(A& a, std::vector<T>& list) {
  const std::uint32_t size = archive_count(a, list.size());
  if constexpr (A::kReading) list.resize(size);
  for (T& item : list) archive(a, item);
}
template <class A>
void archive(A& a, BitSet& bits) {
  const std::uint32_t words = archive_count(a, bits.word_count());
  if constexpr (A::kReading) bits = BitSet(std::size_t{words} * 64);
  for (std::uint32_t i = 0; i < words; ++i) {
    std::uint64_t word = A::kReading ? 0 : bits.word(i);
    archive(a, word);
    if constexpr (A::kReading) bits.set_word(i, word);
  }
}

}  // namespace dta::engine
