// See seeds.h. Parent and children share a page for how far each has come, and a pipe each for what it found.
#include "simulation/seeds.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <vector>

#include "schema/assert.h"
#include "simulation/scenario.h"
#include "simulation/world.h"

namespace dta::simulation {
namespace {

constexpr std::uint64_t kSeedsBetweenCounts = 64;  // what a process covered is not lost when it ends itself later

// Lives in memory that parent and child share.
struct Place {
  volatile std::uint64_t seed, done, steps;
};

class SharedPlaces {
 public:
  explicit SharedPlaces(std::size_t count) : bytes_(count * sizeof(Place)) {
    void* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    DTA_ASSERT(memory != MAP_FAILED);
    places_ = static_cast<Place*>(memory);
  }
  ~SharedPlaces() { ::munmap(places_, bytes_); }
  SharedPlaces(const SharedPlaces&) = delete;
  SharedPlaces& operator=(const SharedPlaces&) = delete;
  Place& operator[](std::size_t i) { return places_[i]; }

 private:
  const std::size_t bytes_;
  Place* places_;
};

server::Metrics& metrics() {
  static server::Metrics one;
  return one;
}

std::string first_failure(const Simulator& simulator, const Plan& plan, Coverage& coverage, Place& place) {
  World world(plan, simulator.make_disk(), simulator.make_judge, metrics(), coverage, World::Telling::silent);
  world.count_steps_in(&place.steps);
  world.run();
  return world.failures().empty() ? std::string() : world.failures().front();
}

void write_line(int to, std::string line) {
  line += '\n';
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t n = ::write(to, line.data() + sent, line.size() - sent);
    if (n <= 0) ::_exit(4);  // nobody listens any more
    sent += static_cast<std::size_t>(n);
  }
}

// One share of the seeds: `next`, `next + stride`, ... in one process at a time, begun anew behind a seed that ends it.
struct Job {
  std::uint64_t next = 0, left = 0;
  pid_t child = 0;
  int from_child = -1;
  std::string unread;
  bool finished = false;
};

[[noreturn]] void work_off(const Simulator& simulator, const Job& job, std::uint64_t stride, bool to_first_failure,
                           Place& place, int to) {
  Coverage coverage;
  bool stop = false;
  for (std::uint64_t i = 0; i < job.left && !stop; ++i) {
    place.seed = job.next + i * stride;
    const std::string why = first_failure(simulator, simulator.make_plan(place.seed), coverage, place);
    if (!why.empty()) write_line(to, fmt::format("failing {} {}", std::uint64_t{place.seed}, why));
    stop = !why.empty() && to_first_failure;
    place.done = place.done + 1;
    if (i % kSeedsBetweenCounts != 0) continue;
    for (const std::string& line : coverage.lines()) write_line(to, line);
    coverage = {};
  }
  for (const std::string& line : coverage.lines()) write_line(to, line);
  write_line(to, "finished");
  ::_exit(0);
}

void begin(const Simulator& simulator, Job& job, std::uint64_t stride, bool to_first_failure, Place& place) {
  int ends[2];
  DTA_ASSERT(::pipe(ends) == 0);
  std::fflush(nullptr);
  job.child = ::fork();
  DTA_ASSERT(job.child >= 0);
  if (job.child == 0) {
    ::close(ends[0]);
    work_off(simulator, job, stride, to_first_failure, place, ends[1]);
  }
  ::close(ends[1]);
  job.from_child = ends[0];
}

void hear(Job& job, Found& found) {
  for (std::size_t end; (end = job.unread.find('\n')) != std::string::npos; job.unread.erase(0, end + 1)) {
    const std::string line = job.unread.substr(0, end);
    if (line == "finished") {
      job.finished = true;
    } else if (line.starts_with("failing ")) {
      std::uint64_t seed = 0;
      const char* rest = std::from_chars(line.data() + 8, line.data() + line.size(), seed).ptr;
      found.failing.emplace(seed, line.substr(std::min(line.size(), static_cast<std::size_t>(rest - line.data()) + 1)));
    } else {
      DTA_ASSERT(found.coverage.read(line));
    }
  }
}

int in_a_child(const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  DTA_ASSERT(child >= 0);
  if (child == 0) {
    const int code = body();
    std::fflush(nullptr);
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// How a history ends: without failure, with one, or by a broken assertion at the step that stands in `place`.
enum class End : std::uint8_t { well, failure, died };
End end_of(const Simulator& simulator, const Plan& plan, Place& place) {
  const int code = in_a_child([&] {
    static_cast<void>(!::freopen("/dev/null", "w", stdout));
    static_cast<void>(!::freopen("/dev/null", "w", stderr));
    Coverage coverage;
    return first_failure(simulator, plan, coverage, place).empty() ? 0 : 1;
  });
  return code == 0 ? End::well : code == 1 ? End::failure : End::died;
}

}  // namespace

Found run_seeds(const Simulator& simulator, const Seeds& seeds,
                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  Found found;
  const std::uint64_t stride = std::max<std::uint64_t>(1, std::min<std::uint64_t>(seeds.jobs, seeds.count));
  SharedPlaces places(stride);
  std::vector<Job> jobs(stride);
  for (std::uint64_t i = 0; i < stride; ++i) {
    jobs[i].next = seeds.from + i;
    jobs[i].left = (seeds.count + stride - 1 - i) / stride;
    begin(simulator, jobs[i], stride, seeds.to_first_failure, places[i]);
  }
  const auto ran = [&] {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < stride; ++i) sum += places[i].done;
    return sum;
  };
  while (std::any_of(jobs.begin(), jobs.end(), [](const Job& job) { return job.from_child >= 0; })) {
    std::vector<pollfd> waiting;
    for (const Job& job : jobs) waiting.push_back({job.from_child, POLLIN, 0});
    ::poll(waiting.data(), waiting.size(), 300);
    for (std::uint64_t i = 0; i < stride; ++i) {
      Job& job = jobs[i];
      if (job.from_child < 0 || waiting[i].revents == 0) continue;
      char bytes[65536];
      const ssize_t n = ::read(job.from_child, bytes, sizeof bytes);
      if (n > 0) {
        job.unread.append(bytes, static_cast<std::size_t>(n));
        hear(job, found);
        continue;
      }
      ::close(job.from_child);
      job.from_child = -1;
      ::waitpid(job.child, nullptr, 0);
      if (job.finished) continue;
      // It ended itself: that seed has failed, and the seeds behind it are run all the same.
      const std::uint64_t died = places[i].seed;
      found.failing.emplace(died, "the process ended itself");
      places[i].done = places[i].done + 1;
      const std::uint64_t behind = (died - job.next) / stride + 1;
      job.next += behind * stride;
      job.left -= behind;
      if (job.left > 0 && !seeds.to_first_failure) begin(simulator, job, stride, seeds.to_first_failure, places[i]);
    }
    progress(ran(), found.failing.size());
  }
  found.ran = ran();
  return found;
}

std::unique_ptr<Shortest> shortest_history(const Simulator& simulator, Plan plan) {
  SharedPlaces places(1);
  if (end_of(simulator, plan, places[0]) == End::well) return nullptr;
  auto shortest = std::make_unique<Shortest>();
  shortest->moves_before = plan.moves.size();
  for (std::size_t part = std::max<std::size_t>(1, plan.moves.size() / 2); part > 0;) {
    bool shorter = false;
    for (std::size_t at = 0; at < plan.moves.size();) {
      Plan less = plan;
      const std::size_t end = std::min(at + part, less.moves.size());
      less.moves.erase(less.moves.begin() + static_cast<std::ptrdiff_t>(at),
                       less.moves.begin() + static_cast<std::ptrdiff_t>(end));
      if (end_of(simulator, less, places[0]) != End::well) {
        plan = std::move(less);
        shorter = true;
      } else {
        at += part;
      }
    }
    if (part > 1 || !shorter) part /= 2;
  }
  places[0].steps = 0;
  const bool died = end_of(simulator, plan, places[0]) == End::died;
  Coverage coverage;
  World world(plan, simulator.make_disk(), simulator.make_judge, metrics(), coverage, World::Telling::silent);
  // What ends the process is left out here: what led to it is in the log.
  world.run(died ? places[0].steps - 1 : ~std::uint64_t{0});
  shortest->scenario = scenario_of(plan, world.host(), world.failing_transaction());
  shortest->plan = std::move(plan);
  return shortest;
}

bool tell(const Simulator& simulator, const Plan& plan) {
  return in_a_child([&] {
           Coverage coverage;
           World world(plan, simulator.make_disk(), simulator.make_judge, metrics(), coverage, World::Telling::aloud);
           world.run();
           return world.failures().empty() ? 0 : 1;
         }) != 0;
}

}  // namespace dta::simulation
