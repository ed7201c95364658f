// Ready work by queue: undos, then priority, then the definitions in turn, then what became ready first; work in
// backoff comes when its time has come, never before. Conformance: K5.
#include "projections/work_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace dta::projections {
namespace {

using engine::Action;
using schema::Time;

constexpr Rank kRank{0, "d"};

WorkItem item(std::uint64_t number, std::int64_t at = 0, Action action = Action::perform) {
  return {schema::TransactionNumber(number), {0, 0, 0}, action, Time{at}};
}

std::vector<std::uint64_t> take_all(WorkQueue& work, const std::string& queue) {
  std::vector<std::uint64_t> numbers;
  while (const auto taken = work.take(queue)) numbers.push_back(taken->number.value);
  return numbers;
}

using Numbers = std::vector<std::uint64_t>;

// The order follows from the items, so that a restart keeps it.
TEST(WorkQueue, GivesItemsInTheOrderInWhichTheyBecameReady) {
  WorkQueue work;
  for (std::uint64_t n : {3, 1, 2}) work.add("q", kRank, item(n, static_cast<std::int64_t>(5 - n)), Time{5});
  EXPECT_TRUE(work.has("q"));
  EXPECT_EQ(take_all(work, "q"), (std::vector<std::uint64_t>{3, 2, 1}));
  EXPECT_FALSE(work.has("q"));
  EXPECT_FALSE(work.take("q")) << "an item is taken once";
}

TEST(WorkQueue, KeepsQueuesApart) {
  WorkQueue work;
  work.add("a", kRank, item(1), Time{0});
  work.add("b", kRank, item(2, 0, engine::Action::undo), Time{0});
  EXPECT_FALSE(work.take("c"));
  EXPECT_FALSE(work.has("c"));
  EXPECT_EQ(work.take("b"), item(2, 0, engine::Action::undo));
  EXPECT_EQ(work.take("a"), item(1));
}

TEST(WorkQueue, HoldsBackWhatIsNotReadyYet) {
  WorkQueue work;
  work.add("q", kRank, item(1, 20), Time{10});
  work.add("q", kRank, item(2, 15), Time{10});
  work.add("r", kRank, item(3, 12), Time{10});
  work.add("q", kRank, item(4, 10), Time{10});
  EXPECT_EQ(work.next_ready(), Time{12});
  EXPECT_EQ(take_all(work, "q"), std::vector<std::uint64_t>{4}) << "ready at its very time";
  EXPECT_TRUE(work.advance(Time{11}).empty()) << "never early";
  EXPECT_EQ(work.advance(Time{12}), std::vector<std::string>{"r"});
  EXPECT_EQ(work.advance(Time{20}), std::vector<std::string>{"q"}) << "a queue that gains two is named once";
  EXPECT_EQ(take_all(work, "q"), (std::vector<std::uint64_t>{2, 1})) << "in the order of their times";
  EXPECT_EQ(take_all(work, "r"), std::vector<std::uint64_t>{3});
  EXPECT_EQ(work.next_ready(), Time::never());
}

TEST(WorkQueue, ItemsWithOneTimeAllComeOnce) {
  WorkQueue work;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t n = 1; n <= 100; ++n) {
    work.add("q", kRank, item(n, 50), Time{0});
    expected.push_back(n);
  }
  EXPECT_EQ(work.advance(Time{50}), std::vector<std::string>{"q"});
  std::vector<std::uint64_t> taken = take_all(work, "q");
  std::sort(taken.begin(), taken.end());
  EXPECT_EQ(taken, expected);
}

TEST(WorkQueue, TellsHowDeepQueuesAreAndHowLongTheOldestWaits) {
  WorkQueue work;
  work.add("a", kRank, item(1, 3), Time{5});
  work.add("a", kRank, item(2, 4), Time{5});
  work.add("b", kRank, item(3, 9), Time{5});
  auto depths = work.depths();
  std::sort(depths.begin(), depths.end(), [](const auto& x, const auto& y) { return x.queue < y.queue; });
  ASSERT_EQ(depths.size(), 2u);
  EXPECT_EQ(depths[0].items, 2u);
  EXPECT_EQ(depths[0].oldest, Time{3});
  EXPECT_EQ(depths[1].items, 0u) << "what is in backoff is not waiting for a worker";
}

TEST(WorkQueue, ManyQueuesMayGrowWhileWorkIsInBackoff) {
  WorkQueue work;
  for (std::uint64_t n = 1; n <= 2000; ++n)
    work.add("q" + std::to_string(n), kRank, item(n, static_cast<std::int64_t>(1 + n % 7)), Time{0});
  std::size_t gained = 0;
  for (std::int64_t now = 1; now <= 7; ++now) gained += work.advance(Time{now}).size();
  EXPECT_EQ(gained, 2000u);
  for (std::uint64_t n = 1; n <= 2000; ++n)
    EXPECT_EQ(take_all(work, "q" + std::to_string(n)), std::vector<std::uint64_t>{n});
}

TEST(WorkQueue, TakesUndosFirstThenWhatIsMoreUrgent) {
  WorkQueue work;
  work.add("q", {0, "d"}, item(1), Time{0});
  work.add("q", {9, "d"}, item(2), Time{0});
  work.add("q", {0, "d"}, item(3, 0, Action::undo), Time{0});
  work.add("q", {5, "d"}, item(4), Time{0});
  work.add("q", {5, "d"}, item(5, 0, Action::undo), Time{0});
  EXPECT_EQ(take_all(work, "q"), (Numbers{5, 3, 2, 4, 1}));
}

TEST(WorkQueue, LetsDefinitionsTakeTurns) {
  WorkQueue work;
  for (std::uint64_t n = 1; n <= 6; ++n) work.add("q", {0, "flood"}, item(n), Time{0});
  work.add("q", {0, "a"}, item(10), Time{0});
  work.add("q", {0, "z"}, item(20), Time{0});
  work.add("q", {0, "z"}, item(21), Time{0});
  EXPECT_EQ(take_all(work, "q"), (Numbers{10, 1, 20, 2, 21, 3, 4, 5, 6}));
  // Whose turn it was is remembered while anyone waits.
  for (std::uint64_t n = 1; n <= 2; ++n)
    for (const char* definition : {"a", "b"})
      work.add("q", {0, definition}, item(n + (*definition == 'b' ? 10 : 0)), Time{0});
  EXPECT_EQ(work.take("q")->number.value, 1u);
  work.add("q", {0, "a"}, item(3), Time{0});
  EXPECT_EQ(take_all(work, "q"), (Numbers{11, 2, 12, 3}));
}

TEST(WorkQueue, PassesOverDefinitionsThatAreHeld) {
  WorkQueue work;
  work.add("q", {9, "held"}, item(1), Time{0});
  work.add("q", {0, "other"}, item(2), Time{0});
  work.add("r", {0, "held"}, item(3), Time{0});
  work.hold("held");
  EXPECT_TRUE(work.has("q"));
  EXPECT_FALSE(work.has("r"));
  EXPECT_EQ(work.depth("r"), 1u) << "it keeps its place";
  EXPECT_EQ(take_all(work, "q"), Numbers{2});
  EXPECT_FALSE(work.has("q"));
  work.release("held");
  EXPECT_EQ(take_all(work, "q"), Numbers{1});
  EXPECT_EQ(take_all(work, "r"), Numbers{3});
}

TEST(WorkQueue, TakesOutWhatIsReadyNoLonger) {
  WorkQueue work;
  work.add("q", kRank, item(1), Time{0});
  work.add("q", kRank, item(2), Time{0});
  work.add("q", kRank, item(3, 50), Time{0});
  EXPECT_TRUE(work.remove("q", kRank, item(1)));
  EXPECT_FALSE(work.remove("q", kRank, item(1))) << "it is gone";
  EXPECT_FALSE(work.remove("q", kRank, item(2, 0, Action::undo))) << "another";
  EXPECT_FALSE(work.remove("r", kRank, item(2)));
  EXPECT_EQ(work.depth("q"), 1u);
  EXPECT_TRUE(work.remove("q", kRank, item(3, 50))) << "out of its backoff, too";
  EXPECT_EQ(work.next_ready(), Time::never());
  EXPECT_EQ(take_all(work, "q"), Numbers{2});
}

// Whatever is added, taken out, held and taken: the queue gives what a plain list sorted by the rules would give.
TEST(WorkQueue, AgreesWithAPlainList) {
  struct Listed {
    WorkItem item;
    Rank rank;
    std::string queue;
  };
  static const std::vector<std::string> kDefinitions{"a", "b", "c"}, kQueues{"q", "r"};
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto draw = [&](std::uint64_t n) { return random() % n; };
    WorkQueue work;
    std::vector<Listed> list;
    std::set<std::string> held;
    std::int64_t now = 0;
    for (std::uint64_t step = 1; step <= 300; ++step) {
      const auto what = draw(10);
      if (what < 5) {
        Listed l{
            item(step, now + static_cast<std::int64_t>(draw(8)) - 4, draw(4) == 0 ? Action::undo : Action::perform),
            {static_cast<std::uint8_t>(draw(3)), kDefinitions[draw(3)]},
            kQueues[draw(2)]};
        work.add(l.queue, l.rank, l.item, Time{now});
        list.push_back(l);
      } else if (what == 5 && !list.empty()) {
        const std::size_t i = draw(list.size());
        ASSERT_TRUE(work.remove(list[i].queue, list[i].rank, list[i].item));
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
      } else if (what == 6) {
        const std::string& definition = kDefinitions[draw(3)];
        if (held.erase(definition) != 0) {
          work.release(definition);
        } else {
          held.insert(definition);
          work.hold(definition);
        }
      } else if (what == 7) {
        now += static_cast<std::int64_t>(draw(3));
        work.advance(Time{now});
      } else {
        const std::string& queue = kQueues[draw(2)];
        const auto taken = work.take(queue);
        // The best undo and priority that is offered; and of the definition it comes from, the oldest.
        const auto offered = [&](const Listed& l) {
          return l.queue == queue && l.item.at.ms <= now && !held.contains(std::string(l.rank.definition));
        };
        const auto band = [](const Listed& l) {
          return std::pair(l.item.action == Action::perform, 9 - l.rank.priority);
        };
        std::optional<std::pair<bool, int>> best;
        for (const Listed& l : list)
          if (offered(l) && (!best || band(l) < *best)) best = band(l);
        ASSERT_EQ(taken.has_value(), best.has_value());
        if (!taken) continue;
        const auto at = std::find_if(list.begin(), list.end(), [&](const Listed& l) { return l.item == *taken; });
        ASSERT_NE(at, list.end()) << "an item is taken once";
        ASSERT_TRUE(offered(*at));
        EXPECT_EQ(band(*at), *best);
        for (const Listed& l : list)
          if (offered(l) && band(l) == *best && l.rank.definition == at->rank.definition) {
            EXPECT_GE(l.item.at, taken->at);
          }
        list.erase(at);
      }
      for (const std::string& queue : kQueues) {
        const auto in = [&](const Listed& l) { return l.queue == queue && l.item.at.ms <= now; };
        ASSERT_EQ(work.depth(queue), static_cast<std::size_t>(std::count_if(list.begin(), list.end(), in)));
      }
    }
  }
}

// Nobody who waits is passed over by the same other definition twice in a row.
TEST(WorkQueue, GivesEveryDefinitionThatWaitsItsTurn) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    static const std::vector<std::string> kNames{"a", "b", "c", "d", "e"};
    WorkQueue work;
    std::uint64_t number = 0;
    std::map<std::uint64_t, std::string> of;
    std::map<std::string, std::size_t> waiting;
    const auto add = [&](const std::string& name) {
      of[++number] = name;
      ++waiting[name];
      work.add("q", {0, name}, item(number), Time{0});
    };
    for (const std::string& name : kNames) add(name);
    std::map<std::string, std::map<std::string, int>> passed_by;  // since its own last turn
    for (int step = 0; step < 500; ++step) {
      for (std::uint64_t n = random() % 3; n > 0; --n) add(kNames[random() % 5]);
      const auto taken = work.take("q");
      if (!taken) continue;
      const std::string name = of[taken->number.value];
      --waiting[name];
      passed_by[name].clear();
      for (const std::string& other : kNames)
        if (other != name && waiting[other] > 0) {
          EXPECT_LE(++passed_by[other][name], 1) << other << " waits, and " << name << " had two turns";
        } else if (other != name) {
          passed_by[other].clear();
        }
    }
  }
}

}  // namespace
}  // namespace dta::projections
