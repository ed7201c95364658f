// Reading and writing of HEAD; the layout stands in head.h.
#include "storage/head.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cstring>

#include "storage/big_endian.h"

namespace dta::storage {
namespace {

constexpr std::string_view kMagic = "DTAHEAD1";

std::optional<HeadSlot> decode_slot(std::size_t slot, std::string_view file_bytes) {
  if (file_bytes.size() < slot * kHeadBlockBytes + kHeadSlotBytes) return std::nullopt;
  const std::string_view bytes = file_bytes.substr(slot * kHeadBlockBytes, kHeadSlotBytes);
  if (get_u64(bytes.data()) != XXH3_64bits_withSeed(bytes.data() + 8, bytes.size() - 8, slot)) return std::nullopt;
  if (bytes.substr(8, kMagic.size()) != kMagic) return std::nullopt;
  HeadSlot content{Position(get_u64(bytes.data() + 16)), {}};
  std::memcpy(content.digest.data(), bytes.data() + 24, content.digest.size());
  return content;
}

}  // namespace

std::string encode_head_slot(std::size_t slot, const HeadSlot& content) {
  std::string bytes(8, '\0');
  bytes.append(kMagic);
  append_u64(bytes, content.position.value);
  bytes.append(reinterpret_cast<const char*>(content.digest.data()), content.digest.size());
  put_u64(bytes.data(), XXH3_64bits_withSeed(bytes.data() + 8, bytes.size() - 8, slot));
  return bytes;
}

HeadReading read_head(std::string_view file_bytes) {
  HeadReading reading;
  for (std::size_t slot = 0; slot < kHeadSlots; ++slot) {
    const std::optional<HeadSlot> content = decode_slot(slot, file_bytes);
    if (!content) {
      reading.notes.push_back(
          fmt::format("Slot {} of HEAD (offset {}) does not match its checksum.", slot, slot * kHeadBlockBytes));
    } else if (!reading.newest || content->position > reading.newest->position) {
      reading.newest = content;
      reading.newest_slot = slot;
    }
  }
  return reading;
}

Status Head::advance(const HeadSlot& to) {
  const std::size_t slot = next_slot_;
  next_slot_ = (slot + 1) % kHeadSlots;
  return file_->write_at(slot * kHeadBlockBytes, encode_head_slot(slot, to));
}

Status Head::settle(const HeadSlot& at) {
  for (std::size_t turn = 0; turn < kHeadSlots; ++turn) {
    if (Status ok = advance(at); !ok) return ok;
    if (Status ok = file_->sync(); !ok) return ok;
  }
  return {};
}

}  // namespace dta::storage
