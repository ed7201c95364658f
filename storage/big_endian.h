// Integers as they stand in keys and values of the log: big-endian, fixed width, so that keys sort by number; and the
// variable-length form (seven bits a byte, low bits first, the top bit says "more") that position entries use.
// Pure functions over the caller's bytes; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dta::storage {

inline char* put_u32(char* at, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = static_cast<char>(value >> shift);
  return at;
}

inline char* put_u64(char* at, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) *at++ = static_cast<char>(value >> shift);
  return at;
}

inline std::uint32_t get_u32(const char* at) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(at[i]);
  return value;
}

inline std::uint64_t get_u64(const char* at) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(at[i]);
  return value;
}

inline void append_u32(std::string& to, std::uint32_t value) {
  char bytes[4];
  put_u32(bytes, value);
  to.append(bytes, sizeof bytes);
}

inline void append_u64(std::string& to, std::uint64_t value) {
  char bytes[8];
  put_u64(bytes, value);
  to.append(bytes, sizeof bytes);
}

inline void append_varint(std::string& to, std::uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  to.push_back(static_cast<char>(value));
}

// Takes a varint off the front of `from`; false when it is cut short or longer than 64 bits.
inline bool take_varint(std::string_view& from, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(from.front());
    from.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

}  // namespace dta::storage
