// Keys and rows of lists: newest first within a status, bytes that are on disk, and rows that read back as written.
#include "projections/directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

namespace dta::projections {
namespace {

using schema::Time;
using schema::TransactionNumber;

TEST(Directory, KeysOfAStatusStandNewestFirst) {
  const std::uint64_t numbers[] = {
      1, 2, 255, 256, 257, 65'535, 65'536, 1ull << 32, (1ull << 32) + 1, std::numeric_limits<std::uint64_t>::max()};
  for (const StatusByte& row : kStatuses)
    for (std::size_t i = 1; i < std::size(numbers); ++i)
      EXPECT_LT(directory_key(row.status, TransactionNumber(numbers[i])),
                directory_key(row.status, TransactionNumber(numbers[i - 1])));
}

TEST(Directory, KeysTellTheirNumber) {
  for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{256}, std::uint64_t{0x0102030405060708},
                                std::numeric_limits<std::uint64_t>::max()}) {
    const std::string key = directory_key("running", TransactionNumber(n));
    EXPECT_EQ(key.size(), 9u);
    EXPECT_EQ(number_of_key(key), TransactionNumber(n));
    EXPECT_TRUE(key.starts_with(directory_prefix("running")));
  }
  EXPECT_FALSE(number_of_key(""));
  EXPECT_FALSE(number_of_key("r"));
  EXPECT_FALSE(number_of_key(directory_key("running", TransactionNumber(1)) + "x"));
}

// The bytes are in databases: this list may only grow.
TEST(Directory, StatusBytesAreThoseOnDisk) {
  const std::vector<std::pair<std::string, char>> expected{
      {"attention", 'a'}, {"paused", 'p'},      {"running", 'r'},   {"compensating", 'g'},
      {"completed", 'c'}, {"compensated", 'u'}, {"terminated", 't'}};
  ASSERT_EQ(kStatuses.size(), expected.size());
  std::set<char> bytes;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(kStatuses[i].status, expected[i].first);
    EXPECT_EQ(kStatuses[i].byte, expected[i].second);
    EXPECT_TRUE(bytes.insert(kStatuses[i].byte).second) << "no byte means two things";
  }
  EXPECT_EQ(directory_key("completed", TransactionNumber(1)), std::string("c\xff\xff\xff\xff\xff\xff\xff\xfe"));
}

TEST(Directory, EveryStatusThatAStateCanShowHasAByte) {
  engine::State state;
  for (const engine::Phase phase : {engine::Phase::running, engine::Phase::compensating, engine::Phase::completed,
                                    engine::Phase::compensated, engine::Phase::terminated}) {
    state.phase = phase;
    for (const bool attention : {false, true})
      for (const bool paused : {false, true}) {
        state.paused = paused;
        state.incidents.clear();
        if (attention) state.incidents.push_back({});
        const std::string_view shown = engine::status(state);
        EXPECT_TRUE(std::any_of(kStatuses.begin(), kStatuses.end(), [&](const StatusByte& row) {
          return row.status == shown;
        })) << shown;
        if (attention) {
          EXPECT_EQ(shown, "attention") << "it stands before everything";
        }
      }
  }
}

DirectoryRow full_row() {
  return {"o-1",
          "order",
          7,
          engine::Phase::compensating,
          true,
          true,
          Time{1},
          Time{2},
          {{"region", "eu"}, {"", std::string("a\0b", 3)}}};
}

TEST(Directory, RowsReadBackAsWritten) {
  EXPECT_EQ(decode_row(encode_row(full_row())), full_row());
  EXPECT_EQ(decode_row(encode_row(DirectoryRow{})), DirectoryRow{});
}

TEST(Directory, RowsThatAreCutOrLongerOrOfAnotherFormatReadAsNothing) {
  const std::string bytes = encode_row(full_row());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_row(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(decode_row(bytes + "x"));
  std::string other = bytes;
  other.front() = 9;
  EXPECT_FALSE(decode_row(other));
}

TEST(Directory, ARowIsWhatTheStateShows) {
  engine::State state;
  state.id = "o-1";
  state.definition = "order";
  state.version = 3;
  state.phase = engine::Phase::compensated;
  state.started_at = Time{5};
  state.ended_at = Time{9};
  state.attributes = {{"region", "eu"}};
  EXPECT_EQ(row_of(state),
            (DirectoryRow{
                "o-1", "order", 3, engine::Phase::compensated, false, false, Time{5}, Time{9}, {{"region", "eu"}}}));
  state.incidents.push_back({});
  EXPECT_TRUE(row_of(state).attention);
  state.incidents.front().open = false;
  EXPECT_FALSE(row_of(state).attention) << "a resolved incident needs nobody";
}

}  // namespace
}  // namespace dta::projections
