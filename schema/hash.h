// SHA-256 (FIPS 180-4) by OpenSSL: chain values, payload names and request digests.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace dta::schema {

using Hash = std::array<std::uint8_t, 32>;

Hash sha256(std::string_view bytes);
// SHA-256 over the concatenation of the parts, without joining them in memory first.
Hash sha256_of(std::span<const std::string_view> parts);
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace dta::schema
