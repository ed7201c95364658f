// LevelDB's own files as far as opening must judge them before LevelDB touches anything: the physical format of its log
// files and manifests (blocks of 32 KiB; each piece has a CRC-32C, a length and a type), read strictly. LevelDB itself
// takes a flipped length byte near the end of a file for a torn write and drops what follows without a word.
// Pure functions over a file's bytes; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "schema/ids.h"

namespace dta::storage {

// Where a log file stops being sound.
struct FileDamage {
  std::size_t cut_at = 0;       // begin of the logical record that is not whole: everything before it is sound
  std::size_t offset = 0;       // of the piece at fault
  std::string what;             // "the checksum does not match", for messages
  bool length_flipped = false;  // the piece is whole under another length: no torn write looks like that
};

// Hands out the logical records from the start; returns the first place that is not sound, nothing for a clean end.
std::optional<FileDamage> scan_log_file(std::string_view file, const std::function<void(std::string_view)>& visit);

// Searches byte by byte for the begin of an intact record at or after `from`; `plausible` sees what the piece holds.
std::optional<std::size_t> find_intact_record(std::string_view file, std::size_t from,
                                              const std::function<bool(std::string_view)>& plausible);

// What a write in LevelDB's log says about us.
struct LoggedWrite {
  std::uint64_t first_sequence = 0;           // LevelDB's, not ours
  std::optional<schema::Position> stands_at;  // of the position entry or stand it holds
};
// Nothing when the bytes are no write batch.
std::optional<LoggedWrite> read_logged_write(std::string_view record);

// What a manifest says, as far as it was read.
struct ManifestState {
  std::optional<std::uint64_t> log_number;  // of the oldest log file that is still needed; 0: all of them
  bool next_file = false, last_sequence = false;
  std::set<std::uint64_t> tables;  // by number

  // LevelDB cannot open without these; CURRENT names a manifest only after they are durable in it.
  bool whole() const { return log_number && next_file && last_sequence; }
};
// False when the record is none.
bool read_manifest_record(std::string_view record, ManifestState& state);

}  // namespace dta::storage
