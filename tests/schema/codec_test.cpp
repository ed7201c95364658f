// Events to bytes and back: round trips of fixed and random events, a pinned encoding, and damage of every sort.
#include <gtest/gtest.h>

#include <random>

#include "schema/codec.h"
#include "tests/schema/samples.h"

namespace dta::schema {
namespace {

std::string hex(std::string_view bytes) {
  return to_hex(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

TEST(Codec, EveryKindComesBackAsItWas) {
  for (const Event& event : samples::every_kind_and_field()) {
    SCOPED_TRACE(to_string(kind_of(event)));
    const auto decoded = decode_events(encode_events(std::span(&event, 1)));
    ASSERT_TRUE(decoded) << decoded.error().message;
    ASSERT_EQ(decoded->size(), 1u);
    EXPECT_EQ(decoded->front(), event);
  }
}

TEST(Codec, AWholeRecordComesBackInOrder) {
  const auto events = samples::every_kind_and_field();
  const auto decoded = decode_events(encode_events(events));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, events);
}

TEST(Codec, AnEmptyRecordIsARecord) {
  const auto decoded = decode_events(encode_events({}));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_TRUE(decoded->empty());
}

// Every kind again with nothing but defaults: what is not stored must come back as the same default.
template <std::size_t... I>
std::vector<Event> all_defaults(std::index_sequence<I...>) {
  return {Event(std::variant_alternative_t<I, Event>{})...};
}

TEST(Codec, DefaultsComeBackAndTakeNoRoom) {
  const auto events = all_defaults(std::make_index_sequence<std::variant_size_v<Event>>());
  const auto decoded = decode_events(encode_events(events));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, events);
  const Event met = StepMet{};
  EXPECT_LE(encode_events(std::span(&met, 1)).size(), 64u);
}

TEST(Codec, IsDeterministicAndSharesWorkerAndPollOfOneRecord) {
  const TaskLeased lease{{1, 2, 0},           Action::perform,  1, 1, 1, "a worker with a name",
                         "a poll with an id", Duration{60'000}, {}};
  const std::vector<Event> one{lease}, two{lease, lease};
  const std::string bytes = encode_events(two);
  encode_events(samples::every_kind_and_field());
  EXPECT_EQ(encode_events(two), bytes);
  EXPECT_EQ(bytes.find("a worker with a name"), bytes.rfind("a worker with a name"));
  EXPECT_LT(bytes.size() - encode_events(one).size(), 40u);
}

TEST(Codec, AnUndoSaysThatItFoundSomethingOrNothingOrNeither) {
  for (const std::optional<bool> found : {std::optional<bool>(), std::optional(false), std::optional(true)}) {
    const std::vector<Event> events{TaskCompleted{{{1, 2, 0}, Action::undo, 1, Sequence(7)}, {}, found}};
    const auto decoded = decode_events(encode_events(events));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, events);
  }
}

// What is on disk must stay readable, so these bytes may never be edited: a changed encoding needs a new identifier.
TEST(Codec, EncodingIsPinned) {
  const std::vector<Event> events{
      TaskCompleted{{{1, 2, 0}, Action::perform, 1, Sequence(7)}, samples::payload(0, "{}"), {}},
      TaskLeased{{1, 3, 0}, Action::perform, 1, 1, 1, "w1", "p-9", Duration{30'000}, Duration{5000}}, StepMet{1}};
  const std::string pinned =
      "100000004454414508000c000400080008000000080000000c0000000300000006050300030000006c00000028000000"
      "0c0000000000060008000600060000000000010010002800040000000c00100014001c00100000000000000001000300"
      "2400000018000000307500000000000088130000000000000000000003000000702d3900020000007731000008004400"
      "04001c0008000000070000000000000000000000010000000100020000000000000000000200000044136fa355b3678a"
      "1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
  EXPECT_EQ(hex(encode_events(events)), pinned);
  std::string bytes;
  for (std::size_t i = 0; i < pinned.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(pinned.substr(i, 2), nullptr, 16)));
  const auto decoded = decode_events(bytes);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, events);
}

std::vector<Event> kinds_up_to(EventKind last) {
  auto events = samples::every_kind();
  std::erase_if(events, [&](const Event& event) { return kind_of(event) > last; });
  return events;
}

TEST(Codec, EveryKindHasItsPinnedDigest) {
  EXPECT_EQ(to_hex(sha256(encode_events(kinds_up_to(EventKind::incident_resolved)))),
            "9c2c61bbbcf799f3bd253a9e01063052e05a631085cb30408b287f3fa3e72b26");
  EXPECT_EQ(to_hex(sha256(encode_events(kinds_up_to(EventKind::transaction_resumed)))),
            "b2e2311f88a09fbf2a4af931554ea1f38d132ec184ab324aba0039c347317ba0");
  EXPECT_EQ(to_hex(sha256(encode_events(samples::every_kind()))),
            "08260d64780aa3b80e0b08521c2a68820984fa397a8e61d9d082d05ae2b2830f");
  EXPECT_EQ(to_hex(sha256(encode_events(kinds_up_to(EventKind::definition_changed)))),
            "18ac1653849cf42a7ba679d6ff59ea58a0d05f60c671265ff4fec4ca63d5c803");
  EXPECT_EQ(to_hex(sha256(encode_events(samples::later_fields()))),
            "6bcbd401d4432a0c3da426ca3e6cb0f536be74a2f5489b6d1389776a2188a064");
  auto earlier = samples::later_fields();
  earlier.resize(earlier.size() - 5);  // without those of child transactions and of priorities
  EXPECT_EQ(to_hex(sha256(encode_events(earlier))), "dc71b2ab40fdc0b48a5b304c78f2615cf0eabfce9a888e5c0677cd8cccbd1e3b");
}

// Kinds and fields that came later take nothing from those before: without them the bytes are what they were.
TEST(Codec, LaterKindsAndFieldsLeaveTheBytesBeforeThemAlone) {
  auto events = kinds_up_to(EventKind::definition_published);
  for (Event& event : events) {
    if (auto* completed = std::get_if<TransactionCompleted>(&event)) completed->not_undone.clear();
    if (auto* terminated = std::get_if<TransactionTerminated>(&event)) terminated->not_undone.clear();
  }
  EXPECT_EQ(to_hex(sha256(encode_events(events))), "828f6b39f8be2185de292711ff061cbda6ff8ffe903b4fc6d885341d7a9ba440");
}

TEST(Codec, MisalignedBytesAreReadToo) {
  const auto events = samples::every_kind_and_field();
  const std::string bytes = encode_events(events);
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string shifted = std::string(shift, 'x') + bytes;
    const auto decoded = decode_events(std::string_view(shifted).substr(shift));
    ASSERT_TRUE(decoded) << shift;
    EXPECT_EQ(*decoded, events);
  }
}

void expect_damage_or_events(const std::string& bytes) {
  const auto decoded = decode_events(bytes);
  if (!decoded) {
    EXPECT_EQ(decoded.error().code, ErrorCode::log_damaged);
  }
}

TEST(Codec, EveryByteFlippedIsNoticedOrGivesEvents) {
  const std::string bytes = encode_events(samples::every_kind_and_field());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ mask);
      expect_damage_or_events(damaged);
    }
  }
}

TEST(Codec, EveryTruncationIsNoticedOrGivesEvents) {
  const std::string bytes = encode_events(samples::every_kind_and_field());
  for (std::size_t size = 0; size < bytes.size(); ++size) expect_damage_or_events(bytes.substr(0, size));
  EXPECT_FALSE(decode_events(bytes.substr(0, bytes.size() / 2)));
  EXPECT_FALSE(decode_events(""));
}

TEST(Codec, RandomDamageIsNoticedOrGivesEvents) {
  const std::string bytes = encode_events(samples::every_kind_and_field());
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    std::mt19937 random(seed);
    std::string damaged = bytes;
    for (int hits = 1 + static_cast<int>(random() % 8); hits > 0; --hits)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    expect_damage_or_events(damaged);
  }
}

TEST(Codec, WhatIsNotKnownIsNamed) {
  const Event event = TaskTimedOut{{1, 2, 3}, TaskLimit::total};
  std::string bytes = encode_events(std::span(&event, 1));
  std::string foreign = bytes;
  foreign[4] = 'X';
  EXPECT_FALSE(decode_events(foreign));
  // The limit is the only byte that differs between the two limits, the kind the only one between two like kinds.
  const Event queue = TaskTimedOut{{1, 2, 3}, static_cast<TaskLimit>(9)};
  const auto unknown = decode_events(encode_events(std::span(&queue, 1)));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "event 1 of a record has an unknown limit 9");
  const Event met = StepMet{5}, undone = StepUndone{5};
  const std::string a = encode_events(std::span(&met, 1)), b = encode_events(std::span(&undone, 1));
  ASSERT_EQ(a.size(), b.size());
  std::size_t at = 0;
  while (a[at] == b[at]) ++at;
  std::string later = a;
  later[at] = 99;
  const auto kind = decode_events(later);
  ASSERT_FALSE(kind);
  EXPECT_EQ(kind.error().message, "event 1 of a record has an unknown kind 99");
}

// Numbers that a later release may give a meaning are named, those that never have one are refused too.
TEST(Codec, NoEnumeratorIsReadThatIsNotKnown) {
  const auto why = [](const Event& event) {
    const auto decoded = decode_events(encode_events(std::span(&event, 1)));
    return decoded ? "" : decoded.error().message;
  };
  const std::string at = "event 1 of a record ";
  EXPECT_EQ(why(StepMet{1, {static_cast<GoKind>(4), 0, 0}}), at + "has an unknown way on 4");
  EXPECT_EQ(why(StepFailed{1, false, {}, "", "", {static_cast<GoKind>(9), 0, 0}}), at + "has an unknown way on 9");
  EXPECT_EQ(why(StepFailed{1, false, {}, "", "", {GoKind::follow, 0, 0}}),
            at + "lets a failed step go on as if it were met");
  EXPECT_EQ(why(WaitEnded{1, static_cast<WaitEnd>(2)}), at + "has an unknown end of a wait 2");
  EXPECT_EQ(why(CompensationStarted{static_cast<CompensationCause>(5), "", ""}), at + "has an unknown cause 5");
  EXPECT_EQ(why(IncidentRaised{1, static_cast<IncidentKind>(5), {}, "", ""}), at + "has an unknown kind of incident 5");
  EXPECT_EQ(why(IncidentResolved{1, static_cast<IncidentResolution>(5), "", ""}), at + "has an unknown resolution 5");
}

// The bytes of a step met that goes to step 3, with the step it goes to changed on disk to one before it.
TEST(Codec, ARouteNeverGoesBack) {
  const Event event = StepMet{2, {GoKind::step, 0x0303, kNoChoice}};
  std::string bytes = encode_events(std::span(&event, 1));
  const std::size_t at = bytes.find("\x03\x03\xff\xff\x01");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 2;
  bytes[at + 1] = 0;
  const auto decoded = decode_events(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().message, "event 1 of a record goes from step 2 back to step 2");
}

TEST(Codec, ALengthOfNothingIsNotTheSameAsNone) {
  for (const std::optional<Duration> length : {std::optional<Duration>(), std::optional(Duration{0})}) {
    StepEntered entered;
    entered.deadline = length;
    const Event event = entered;
    const auto decoded = decode_events(encode_events(std::span(&event, 1)));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->front(), event);
  }
}

TEST(Codec, RandomRecordsComeBack) {
  const auto kinds = samples::every_kind_and_field();
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<Event> events;
    for (std::size_t n = random() % 6; n > 0; --n) {
      Event event = kinds[random() % kinds.size()];
      if (auto* leased = std::get_if<TaskLeased>(&event)) {
        leased->task = {static_cast<std::uint16_t>(random()), static_cast<std::uint16_t>(random()),
                        static_cast<std::uint32_t>(random())};
        leased->worker = std::string(random() % 20, 'w');
        leased->attempt_timeout.ms = static_cast<std::int64_t>(random());
      }
      if (auto* failed = std::get_if<TaskFailed>(&event)) {
        failed->message = std::string(random() % 4096, static_cast<char>(random()));
        failed->retry_at = random() % 2 == 0 ? Time::never() : Time{static_cast<std::int64_t>(random())};
        failed->attempt.lease = Sequence(random());
      }
      if (auto* entered = std::get_if<StepEntered>(&event)) {
        entered->instances = static_cast<std::uint32_t>(random());
        entered->skipped.resize(random() % 300);
        entered->timeouts.resize(random() % 300);
        if (random() % 2 == 0) entered->wait = Duration{static_cast<std::int64_t>(random())};
      }
      if (auto* done = std::get_if<TransactionCompensated>(&event)) done->not_undone.resize(random() % 300);
      events.push_back(std::move(event));
    }
    const auto decoded = decode_events(encode_events(events));
    ASSERT_TRUE(decoded) << "seed " << seed << ": " << decoded.error().message;
    EXPECT_EQ(*decoded, events) << "seed " << seed;
  }
}

}  // namespace
}  // namespace dta::schema
