// HEAD: a small file beside the log that proves at start-up that nothing acknowledged is missing. Two slots in separate
// 4 KiB blocks, each (integers big-endian):
//
//    0  u64  checksum: XXH3-64 of everything after it, seeded with the slot's number
//    8  8    "DTAHEAD1"
//   16  u64  position: last record of a batch that was durable when this was written; 0 before the first
//   24  32   digest over the batches up to there (position_entry.h)
//
// HEAD is never ahead of the log: a slot is written after its batch is durable. Slots are written in turn, so that a
// torn write leaves the other. Owned by the log; the committer's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/disk.h"

namespace dta::storage {

struct HeadSlot {
  Position position;
  Hash digest{};
  bool operator==(const HeadSlot&) const = default;
};

inline constexpr std::size_t kHeadSlots = 2, kHeadBlockBytes = 4096, kHeadSlotBytes = 56;

// What HEAD's bytes say. `newest` is the good slot with the higher position; nothing when both are bad.
struct HeadReading {
  std::optional<HeadSlot> newest;
  std::size_t newest_slot = kHeadSlots - 1;
  std::vector<std::string> notes;  // one sentence for each bad slot
};
HeadReading read_head(std::string_view file_bytes);

std::string encode_head_slot(std::size_t slot, const HeadSlot& content);

class Head {
 public:
  // `newest_slot` as read: it is the one that is overwritten last.
  Head(std::unique_ptr<BlockFile> file, std::size_t newest_slot)
      : file_(std::move(file)), next_slot_((newest_slot + 1) % kHeadSlots) {}

  // After a durable batch: into the slot that is not the newest, unsynced.
  Status advance(const HeadSlot& to);
  // At opening and at a clean stop: both slots, one after the other, synced. Mends a bad slot.
  Status settle(const HeadSlot& at);

 private:
  std::unique_ptr<BlockFile> file_;
  std::size_t next_slot_;
};

}  // namespace dta::storage
