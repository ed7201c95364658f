// The bytes on disk: docs/log_format.md is read and its worked examples are decoded byte by byte; frames, position
// entries, HEAD slots and LevelDB's own files are read strictly.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <leveldb/db.h>
#include <leveldb/write_batch.h>
#include <xxhash.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "storage/crc32c.h"
#include "storage/head.h"
#include "storage/keys.h"
#include "storage/leveldb_files.h"
#include "storage/position_entry.h"
#include "storage/record_frame.h"
#include "tests/storage/workbench.h"

namespace dta::storage {
namespace {

using testing::HasSubstr;

// The bytes of the fenced block that follows the line "<!-- example: NAME -->"; what stands after '|' is comment.
std::string example(const std::string& name) {
  std::ifstream document(std::string(DTA_SOURCE_DIR) + "/docs/log_format.md");
  std::string line, bytes;
  while (std::getline(document, line) && line != "<!-- example: " + name + " -->") {
  }
  std::getline(document, line);
  EXPECT_EQ(line, "```text") << "example " << name;
  while (std::getline(document, line) && line != "```") {
    std::istringstream hex(line.substr(0, line.find('|')));
    for (std::string byte; hex >> byte;) bytes.push_back(static_cast<char>(std::stoi(byte, nullptr, 16)));
  }
  return bytes;
}

Record example_record() {
  Record record;
  record.number = TransactionNumber(7);
  record.first_sequence = Sequence(3);
  record.position = Position(42);
  record.event_count = 2;
  record.recorded_at = Time{1'700'000'000'000};
  record.definition_version = 5;
  record.epoch = 1;
  record.fence = Fence(9);
  record.events = "EVENTS";
  return record;
}

Hash hash_of(std::uint8_t byte) {
  Hash hash;
  hash.fill(byte);
  return hash;
}

std::string hex_lines(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    text += fmt::format("{:02x}{}", static_cast<std::uint8_t>(bytes[i]), i % 16 == 15 ? "\n" : " ");
  return text;
}

TEST(LogFormat, TheDocumentedRecordDecodesByteByByte) {
  const std::string key = example("record key"), value = example("record value");
  EXPECT_EQ(key, std::string_view(record_key(TransactionNumber(7), Sequence(3))));
  ASSERT_EQ(value.size(), kFrameHeaderBytes + 6) << "should be\n"
                                                 << [] {
                                                      std::string frame;
                                                      encode_frame(example_record(), hash_of(0x11), frame);
                                                      return hex_lines(frame);
                                                    }();
  const char* at = value.data();
  EXPECT_EQ(get_u64(at), XXH3_64bits_withSeed(at + 8, value.size() - 8, 7));
  EXPECT_EQ(get_u32(at + 8), 1u);                   // format
  EXPECT_EQ(get_u32(at + 12), 2u);                  // event count
  EXPECT_EQ(get_u64(at + 16), 42u);                 // position
  EXPECT_EQ(get_u64(at + 24), 3u);                  // first sequence
  EXPECT_EQ(get_u64(at + 32), 1'700'000'000'000u);  // recorded-at
  EXPECT_EQ(get_u32(at + 40), 5u);                  // definition version
  EXPECT_EQ(get_u32(at + 44), 1u);                  // epoch
  EXPECT_EQ(get_u64(at + 48), 9u);                  // fence
  const std::string chained =
      std::string(32, '\x11') + std::string("\0\0\0\0\0\0\0\x07", 8) + value.substr(8, 48) + "EVENTS";
  const Hash chain = schema::sha256(chained);
  EXPECT_EQ(value.substr(56, 32), std::string_view(reinterpret_cast<const char*>(chain.data()), chain.size()));
  EXPECT_EQ(value.substr(88), "EVENTS");

  Record expected = example_record();
  expected.chain = chain;
  EXPECT_EQ(decode_frame(TransactionNumber(7), Sequence(3), std::string(value)).value(), expected);
  std::string encoded;
  EXPECT_EQ(encode_frame(example_record(), hash_of(0x11), encoded), chain);
  EXPECT_EQ(encoded, value);
  EXPECT_EQ(chain_of(example_record(), hash_of(0x11)), chain);
}

TEST(LogFormat, TheDocumentedPositionEntryDecodes) {
  const std::string key = example("position key"), value = example("position value");
  EXPECT_EQ(key, std::string_view(position_key(Position(43))));
  PositionEntry expected{Position(42),
                         Position(43),
                         TransactionNumber(300),
                         hash_of(0x22),
                         {{TransactionNumber(7), Sequence(3)}, {TransactionNumber(300), Sequence(1)}}};
  std::string encoded;
  encode_position_entry(expected, encoded);
  EXPECT_EQ(value, encoded) << "should be\n" << hex_lines(encoded);
  EXPECT_EQ(decode_position_entry(Position(43), value).value(), expected);
}

TEST(LogFormat, TheDocumentedHeadSlotDecodes) {
  const std::string value = example("head slot");
  const HeadSlot slot{Position(43), hash_of(0x22)};
  EXPECT_EQ(value, encode_head_slot(1, slot)) << "should be\n" << hex_lines(encode_head_slot(1, slot));
  std::string file(kHeadBlockBytes, '\0');
  file += value;
  const HeadReading reading = read_head(file);
  EXPECT_EQ(reading.newest, slot);
  EXPECT_EQ(reading.newest_slot, 1u);
  EXPECT_EQ(reading.notes.size(), 1u);  // slot 0 is all zeros
}

TEST(RecordFrame, EveryFlippedByteIsNoticedAndSoIsAForeignKey) {
  std::string frame;
  encode_frame(example_record(), hash_of(0), frame);
  for (std::size_t i = 0; i < frame.size(); ++i) {
    std::string flipped = frame;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    const auto decoded = decode_frame(TransactionNumber(7), Sequence(3), std::move(flipped));
    ASSERT_FALSE(decoded) << i;
    EXPECT_EQ(decoded.error().code, schema::ErrorCode::log_damaged);
    EXPECT_THAT(decoded.error().message, HasSubstr("record of transaction 7 from sequence 3"));
  }
  for (std::size_t size = 0; size < frame.size(); ++size)
    EXPECT_FALSE(decode_frame(TransactionNumber(7), Sequence(3), frame.substr(0, size))) << size;
  EXPECT_FALSE(decode_frame(TransactionNumber(8), Sequence(3), std::string(frame)));
  EXPECT_FALSE(decode_frame(TransactionNumber(7), Sequence(4), std::string(frame)));
}

TEST(PositionEntry, EveryFlippedByteIsNoticed) {
  std::string value;
  encode_position_entry({Position(5),
                         Position(6),
                         TransactionNumber(1u << 20),
                         hash_of(3),
                         {{TransactionNumber(1u << 20), Sequence(1)}, {TransactionNumber(2), Sequence(900)}}},
                        value);
  for (std::size_t i = 0; i < value.size(); ++i) {
    std::string flipped = value;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    EXPECT_FALSE(decode_position_entry(Position(6), flipped)) << i;
    EXPECT_FALSE(decode_position_entry(Position(6), value.substr(0, i))) << i;
  }
  EXPECT_TRUE(decode_position_entry(Position(6), value));
  EXPECT_FALSE(decode_position_entry(Position(7), value));
}

TEST(Keys, SortByNumber) {
  EXPECT_LT(std::string_view(record_key(TransactionNumber(255), Sequence(256))),
            std::string_view(record_key(TransactionNumber(256), Sequence(1))));
  EXPECT_LT(std::string_view(payload_key(TransactionNumber(1), Sequence(2), 9)),
            std::string_view(payload_key(TransactionNumber(1), Sequence(10), 0)));
  EXPECT_LT(definition_key("a", 9), definition_key("a", 10));
  EXPECT_LT(definition_key("a", 10), definition_key("a-b", 1));
  EXPECT_LT(std::string_view(position_key(Position(UINT64_MAX))), std::string_view(kind_end(KeyKind::position)));
}

TEST(Varint, RoundTripsAndRefusesWhatIsCutShort) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{300}, UINT64_MAX}) {
    std::string bytes;
    append_varint(bytes, value);
    std::string_view rest = bytes;
    std::uint64_t read = 0;
    ASSERT_TRUE(take_varint(rest, read));
    EXPECT_EQ(read, value);
    EXPECT_TRUE(rest.empty());
    rest = std::string_view(bytes).substr(0, bytes.size() - 1);
    EXPECT_FALSE(take_varint(rest, read));
  }
}

TEST(Crc32c, MatchesRfc3720) {
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
  std::string rising;
  for (char byte = 0; byte < 32; ++byte) rising.push_back(byte);
  EXPECT_EQ(crc32c(0, rising), 0x46dd794eu);
  EXPECT_EQ(crc32c(crc32c(0, rising.substr(0, 13)), rising.substr(13)), 0x46dd794eu);
}

// A log file as LevelDB itself writes it: writes that span blocks, end in filler, and carry positions.
class LevelDbFile : public testing::Test {
 protected:
  void SetUp() override {
    leveldb::Options options;
    options.create_if_missing = true;
    leveldb::DB* db = nullptr;
    ASSERT_TRUE(leveldb::DB::Open(options, directory_.path() + "/db", &db).ok());
    const std::unique_ptr<leveldb::DB> owner(db);
    for (std::uint64_t i = 1; i <= 12; ++i) {
      leveldb::WriteBatch puts;
      const ShortKey key = position_key(Position(i));
      const std::string_view bytes = key;
      puts.Put({bytes.data(), bytes.size()}, std::string(i == 6 ? 100'000 : i * 1000 - 500, 'v'));
      puts.Delete("gone");
      ASSERT_TRUE(db->Write({}, &puts).ok());
    }
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/db")) {
      if (entry.path().extension() != ".log") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      bytes_.assign(std::istreambuf_iterator<char>(file), {});
    }
    ASSERT_GT(bytes_.size(), 150'000u);
  }

  std::vector<std::uint64_t> positions(std::string_view bytes, std::optional<FileDamage>* damage = nullptr) {
    std::vector<std::uint64_t> found;
    const auto at = scan_log_file(bytes, [&](std::string_view record) {
      const auto write = read_logged_write(record);
      ASSERT_TRUE(write && write->stands_at);
      found.push_back(write->stands_at->value);
    });
    if (damage != nullptr) *damage = at;
    return found;
  }

  TemporaryDirectory directory_;
  std::string bytes_;
};

TEST_F(LevelDbFile, IsReadToItsEnd) {
  std::optional<FileDamage> damage;
  EXPECT_THAT(positions(bytes_, &damage), testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  EXPECT_FALSE(damage);
}

TEST_F(LevelDbFile, CutAnywhereItGivesAPrefixAndSaysWhere) {
  std::optional<FileDamage> damage;
  std::size_t before = 0;
  for (std::size_t size = 1; size < bytes_.size(); size += 97) {
    const std::string_view part = std::string_view(bytes_).substr(0, size);
    const auto found = positions(part, &damage);
    EXPECT_GE(found.size(), before);
    before = found.size();
    if (!damage) continue;
    EXPECT_LT(damage->cut_at, size);
    EXPECT_FALSE(damage->length_flipped) << size;
    EXPECT_EQ(positions(part.substr(0, damage->cut_at)), found);
  }
}

TEST_F(LevelDbFile, AnIntactWriteBehindDamageIsFound) {
  const auto any = [](std::string_view) { return true; };
  for (std::size_t offset = 0; offset < bytes_.size(); offset += 1009) {
    std::string flipped = bytes_;
    flipped[offset] = static_cast<char>(flipped[offset] ^ 0x55);
    std::optional<FileDamage> damage;
    const auto found = positions(flipped, &damage);
    if (!damage) {
      EXPECT_EQ(found.size(), 12u);  // the flip hit filler
      continue;
    }
    EXPECT_LT(found.size(), 12u);
    EXPECT_EQ(found.size() < 11, find_intact_record(flipped, damage->offset + 1, any).has_value()) << offset;
  }
}

TEST_F(LevelDbFile, AWrongLengthAtTheEndIsToldFromATornWrite) {
  std::optional<FileDamage> damage;
  positions(std::string_view(bytes_).substr(0, bytes_.size() - 1), &damage);
  ASSERT_TRUE(damage);
  EXPECT_FALSE(damage->length_flipped);
  const std::size_t last_piece = damage->offset;
  for (int bit = 0; bit < 16; ++bit) {
    std::string flipped = bytes_;
    char& byte = flipped[last_piece + 4 + static_cast<std::size_t>(bit / 8)];
    byte = static_cast<char>(byte ^ (1 << bit % 8));
    positions(flipped, &damage);
    ASSERT_TRUE(damage) << bit;
    EXPECT_TRUE(damage->length_flipped) << bit;
  }
}

TEST_F(LevelDbFile, ZerosAtTheEndAreTorn) {
  std::optional<FileDamage> damage;
  EXPECT_EQ(positions(bytes_ + std::string(5000, '\0'), &damage).size(), 12u);
  ASSERT_TRUE(damage);
  EXPECT_EQ(damage->cut_at, bytes_.size());
  EXPECT_FALSE(damage->length_flipped);
}

TEST(LoggedWrite, RefusesWhatIsNoWriteBatch) {
  EXPECT_FALSE(read_logged_write("short"));
  const std::string header("\x01\0\0\0\0\0\0\0\x01\0\0\0", 12);
  EXPECT_FALSE(read_logged_write(header));
  EXPECT_FALSE(read_logged_write(header + std::string("\x01\x05"
                                                      "abc",
                                                      5)));
  EXPECT_TRUE(read_logged_write(header + std::string("\x00\x03"
                                                     "abc",
                                                     5)));
  EXPECT_FALSE(read_logged_write(header + std::string("\x00\x03"
                                                      "abcd",
                                                      6)));
}

}  // namespace
}  // namespace dta::storage
