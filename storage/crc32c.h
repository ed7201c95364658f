// CRC-32C (Castagnoli, RFC 3720 appendix B.4), as LevelDB's log files use it. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace dta::storage {

// Continues `crc` (0 to begin with) over more bytes.
std::uint32_t crc32c(std::uint32_t crc, std::string_view bytes);

// The form in which LevelDB stores a checksum: turned by 15 bits and offset, so that checksums of checksums do not
// degenerate.
inline std::uint32_t masked_crc32c(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace dta::storage
