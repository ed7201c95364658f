// Strict reading of LevelDB's log files and manifests.
#include "storage/leveldb_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "storage/crc32c.h"
#include "storage/keys.h"

namespace dta::storage {
namespace {

constexpr std::size_t kBlockBytes = 32768, kPieceHeaderBytes = 7;
enum PieceType : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

struct Piece {
  std::uint32_t crc = 0;
  std::size_t length = 0;
  std::uint8_t type = 0;
};

Piece piece_at(std::string_view file, std::size_t offset) {
  return {static_cast<std::uint32_t>(little_endian(file.substr(offset, 4))),
          static_cast<std::size_t>(little_endian(file.substr(offset + 4, 2))),
          static_cast<std::uint8_t>(file[offset + 6])};
}

// Bytes from `offset` to the end of its block or of the file.
std::size_t room_at(std::string_view file, std::size_t offset) {
  return std::min(file.size() - offset, kBlockBytes - offset % kBlockBytes);
}

// The checksum covers the type and the content, which stand side by side.
bool intact(std::string_view file, std::size_t offset, const Piece& piece) {
  return piece.crc == masked_crc32c(crc32c(0, file.substr(offset + 6, 1 + piece.length)));
}

// A piece whose content is whole but for its length: some other length satisfies the checksum.
bool intact_under_other_length(std::string_view file, std::size_t offset, const Piece& piece) {
  const std::string_view covered = file.substr(offset + 6, room_at(file, offset) - 6);
  std::uint32_t crc = crc32c(0, covered.substr(0, 1));
  for (std::size_t length = 0;; ++length) {
    if (masked_crc32c(crc) == piece.crc) return true;
    if (length + 1 >= covered.size()) return false;
    crc = crc32c(crc, covered.substr(length + 1, 1));
  }
}

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == '\0'; });
}

// Nothing when the piece is sound.
std::optional<std::string> fault_of(std::string_view file, std::size_t offset, bool inside) {
  const std::size_t room = room_at(file, offset);
  if (room < kPieceHeaderBytes) return "a header is cut short";
  const Piece piece = piece_at(file, offset);
  if (piece.type == 0 && piece.length == 0 && piece.crc == 0) return "there are zeros where a record should be";
  if (kPieceHeaderBytes + piece.length > room)
    return offset + room == file.size() ? "a record is cut short" : "a record runs over its block";
  if (!intact(file, offset, piece)) return "a checksum does not match";
  if (piece.type < kFull || piece.type > kLast) return "a record has an unknown type";
  if (inside != (piece.type == kMiddle || piece.type == kLast)) return "the pieces of a record are out of order";
  return std::nullopt;
}

}  // namespace

std::optional<FileDamage> scan_log_file(std::string_view file, const std::function<void(std::string_view)>& visit) {
  std::string joined;
  std::size_t offset = 0, begin = 0;
  bool inside = false;
  while (offset < file.size()) {
    // What is left of a block when no header fits is filler; a file may end in it.
    if (kBlockBytes - offset % kBlockBytes < kPieceHeaderBytes) {
      offset += room_at(file, offset);
      continue;
    }
    if (!inside) begin = offset;
    if (std::optional<std::string> fault = fault_of(file, offset, inside)) {
      FileDamage damage{begin, offset, std::move(*fault), false};
      if (room_at(file, offset) >= kPieceHeaderBytes && !all_zero(file.substr(offset))) {
        const Piece piece = piece_at(file, offset);
        damage.length_flipped =
            !(kPieceHeaderBytes + piece.length <= room_at(file, offset) && intact(file, offset, piece)) &&
            intact_under_other_length(file, offset, piece);
        if (damage.length_flipped) damage.what = "the length of a record that is otherwise intact is wrong";
      }
      return damage;
    }
    const Piece piece = piece_at(file, offset);
    const std::string_view content = file.substr(offset + kPieceHeaderBytes, piece.length);
    offset += kPieceHeaderBytes + piece.length;
    if (piece.type == kFull) {
      visit(content);
      continue;
    }
    if (piece.type == kFirst) joined.clear();
    joined.append(content);
    inside = piece.type != kLast;
    if (!inside) visit(joined);
  }
  if (inside) return FileDamage{begin, file.size(), "a record is cut short", false};
  return std::nullopt;
}

std::optional<std::size_t> find_intact_record(std::string_view file, std::size_t from,
                                              const std::function<bool(std::string_view)>& plausible) {
  for (std::size_t offset = from; offset + kPieceHeaderBytes <= file.size(); ++offset) {
    const auto type = static_cast<std::uint8_t>(file[offset + 6]);
    if (type != kFull && type != kFirst) continue;
    const std::size_t room = room_at(file, offset);
    if (room < kPieceHeaderBytes) continue;
    const Piece piece = piece_at(file, offset);
    if (kPieceHeaderBytes + piece.length > room) continue;
    if (!plausible(file.substr(offset + kPieceHeaderBytes, piece.length))) continue;
    if (intact(file, offset, piece)) return offset;
  }
  return std::nullopt;
}

std::optional<LoggedWrite> read_logged_write(std::string_view record) {
  if (record.size() < 12) return std::nullopt;
  LoggedWrite write{little_endian(record.substr(0, 8)), std::nullopt};
  std::uint64_t count = little_endian(record.substr(8, 4));
  record.remove_prefix(12);
  const auto take = [&record](std::string_view& bytes) {
    std::uint64_t size = 0;
    if (!take_varint(record, size) || size > record.size()) return false;
    bytes = record.substr(0, size);
    record.remove_prefix(size);
    return true;
  };
  const std::string_view stand = "\x01\x03";
  static_assert(static_cast<int>(KeyKind::meta) == 1 && static_cast<int>(MetaKey::stand) == 3);
  for (; count > 0; --count) {
    if (record.empty()) return std::nullopt;
    const bool puts = record.front() == 1;
    record.remove_prefix(1);
    std::string_view key, value;
    if (!take(key) || (puts && !take(value))) return std::nullopt;
    if (!puts) continue;
    std::optional<schema::Position> position;
    if (is_kind(key, KeyKind::position) && key.size() == kPositionKeyBytes)
      position = schema::Position(get_u64(key.data() + 1));
    else if (key == stand && value.size() == 8)
      position = schema::Position(get_u64(value.data()));
    if (position) write.stands_at = std::max(position, write.stands_at);
  }
  if (!record.empty()) return std::nullopt;
  return write;
}

bool read_manifest_record(std::string_view record, ManifestState& state) {
  const auto number = [&record] {
    std::uint64_t value = 0;
    return take_varint(record, value) ? std::optional<std::uint64_t>(value) : std::nullopt;
  };
  const auto bytes = [&record, &number] {
    const auto size = number();
    if (!size || *size > record.size()) return false;
    record.remove_prefix(*size);
    return true;
  };
  while (!record.empty()) {
    const auto tag = number();
    if (!tag) return false;
    bool read = false;
    switch (*tag) {
      case 1:  // comparator
        read = bytes();
        break;
      case 2:  // log number
        state.log_number = number();
        read = state.log_number.has_value();
        break;
      case 3:  // next file number
        read = state.next_file = number().has_value();
        break;
      case 4:  // last sequence
        read = state.last_sequence = number().has_value();
        break;
      case 9:  // previous log number, no longer in use
        read = number().has_value();
        break;
      case 5:  // compaction pointer: level, key
        read = number() && bytes();
        break;
      case 6:  // deleted table: level, number
        if (number()) {
          const auto table = number();
          read = table.has_value();
          state.tables.erase(table.value_or(0));
        }
        break;
      case 7:  // new table: level, number, size, smallest key, largest key
        if (number()) {
          const auto table = number();
          read = table && number() && bytes() && bytes();
          if (read) state.tables.insert(*table);
        }
        break;
      default:
        break;
    }
    if (!read) return false;
  }
  return true;
}

}  // namespace dta::storage
