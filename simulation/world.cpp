// The moves, and the network.
#include "simulation/world.h"

#include <fmt/format.h>

#include <cstdio>

#include "simulation/chance.h"

namespace dta::simulation {

using namespace schema;

namespace {

constexpr std::size_t kWorkers = 3;

std::vector<std::string> queues_of(const std::vector<DefinitionPtr>& definitions) {
  std::set<std::string> queues;
  for (const DefinitionPtr& definition : definitions)
    for (const Step& step : definition->steps)
      for (const Task& task : step.tasks) {
        if (!task.external) queues.insert(task.queue);
        if (task.undo) queues.insert(task.undo->queue);
      }
  return {queues.begin(), queues.end()};
}

}  // namespace

World::World(const Plan& plan, std::unique_ptr<Disk> disk, MakeJudge make_judge, server::Metrics& metrics,
             Coverage& coverage, Telling telling)
    : plan_(plan),
      make_judge_(std::move(make_judge)),
      coverage_(coverage),
      telling_(telling),
      now_(kBegin),
      host_(std::move(disk), server::Partition::Settings{Duration{plan.grace_ms}, plan.closed_cache}, metrics,
            Time{kBegin.ms - plan.grace_ms}),
      queues_(queues_of(plan.definitions)) {
  for (const DefinitionPtr& definition : plan.definitions) data_.emplace_back(definition);
  for (std::size_t i = 0; i < kWorkers; ++i) workers_.push_back(Worker{"w" + std::to_string(i), 1, {}, {}});
}

void World::run(std::uint64_t steps_max) {
  steps_max_ = steps_max;
  for (const DefinitionPtr& definition : plan_.definitions) {
    tell("definition " + definition->text);
    host_.partition().handle(server::PublishRequest{definition, [](const Result<server::PublishReply>&) {}}, now_);
  }
  host_.write_all(now_);
  for (const PlannedMove& step : plan_.moves) {
    if (!failures_.empty() || !step_on()) return;
    take(step);
    check_host();
  }
  if (failures_.empty()) drain();
  if (failures_.empty() && steps_ < steps_max_) check_end();
}

bool World::step_on() {
  if (steps_ == steps_max_) return false;
  ++steps_;
  if (step_place_ != nullptr) *step_place_ = steps_;
  return true;
}

std::vector<std::string> World::ids(Form form) const {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < plan_.transactions.size(); ++i)
    if (plan_.definitions[plan_.transactions[i]]->form == form) found.push_back(id_of(i));
  return found;
}

void World::take(const PlannedMove& step) {
  Worker& worker = workers_[step.a % workers_.size()];
  const bool at_once = step.c % 3 != 0;
  prompt_ = step.c % 2 != 0;
  const auto pick_call = [&](bool answered) -> CallPtr {
    std::vector<CallPtr> fitting;
    for (const CallPtr& call : calls_)
      if (call->answered == answered) fitting.push_back(call);
    return fitting.empty() ? nullptr : fitting[step.a % fitting.size()];
  };
  switch (step.move) {
    case Move::start:
      return send(start(step.a % plan_.transactions.size(), Duration{step.b % 4 == 0 ? step.b % 5000 : 0}), at_once);
    case Move::cancel:
    case Move::append:
    case Move::look:
    case Move::signal:
    case Move::take_part:
    case Move::pause:
    case Move::resume:
    case Move::terminate:
    case Move::resolve:
      return take_people(step, at_once);
    case Move::poll:
      return poll(worker,
                  poll_of(worker, step.b, 1 + step.b % 4, Duration{step.b % 3 == 0 ? 3000 : 0}, step.b % 5 != 0),
                  at_once);
    case Move::work:
      for (std::size_t i = 0; i < worker.held.size(); ++i) {
        Held& held = worker.held[(step.b + i) % worker.held.size()];
        if (held.result) continue;
        return work(worker, held, step.c);
      }
      return;
    case Move::report: {
      std::optional<server::Poll> then_lease;
      if (step.b % 3 == 0)
        then_lease = poll_of(worker, step.c, 2, Duration{step.b % 2 == 0 ? 3000 : 0}, step.b % 5 != 0);
      return report(worker, 1 + step.b % 3, std::move(then_lease), at_once);
    }
    case Move::heartbeat:
      if (!worker.held.empty()) heartbeat(worker, worker.held[step.b % worker.held.size()], step.b, at_once);
      return;
    case Move::worker_dies:
      tell("worker " + worker.name + " dies");
      ++worker.life;
      worker.held.clear();
      return;
    case Move::send_again:
      if (const CallPtr call = pick_call(false)) send(call, at_once);
      return;
    case Move::repeat:
      if (const CallPtr call = pick_call(true)) send(call, at_once);
      return;
    case Move::deliver:
      if (!network_.empty()) deliver(step.a % network_.size());
      return;
    case Move::duplicate:
      if (!network_.empty()) {
        tell("twice: " + network_[step.a % network_.size()].text);
        network_.push_back(Message(network_[step.a % network_.size()]));
      }
      return;
    case Move::lose:
      if (!network_.empty()) {
        tell("lost: " + network_[step.a % network_.size()].text);
        network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(step.a % network_.size()));
      }
      return;
    case Move::pass_time: {
      const Time due = host_.partition().next_due();
      if (step.a % 4 == 0 && due != Time::never())
        now_ = std::max(now_, due);
      else
        now_ = now_ + Duration{static_cast<std::int64_t>(step.b % (step.a % 9 == 0 ? 15'000 : 800))};
      tell(fmt::format("it is +{}ms", now_.ms - kBegin.ms));
      if (step.c % 4 != 0) host_.partition().tick(now_);
      return;
    }
    case Move::tick:
      tell("tick");
      return host_.partition().tick(now_);
    case Move::give_away:
      tell("a batch is being written");
      return host_.give_away(now_);
    case Move::finish:
      tell("the batch is durable");
      return host_.finish(now_);
    case Move::crash:
      return crash(step, false);
    case Move::power_loss:
      return crash(step, true);
    case Move::bad_disk:
      tell("the disk fails");
      host_.finish(now_);
      host_.fail_write(step.a % 2 == 0 ? Fate::durable : Fate::lost, step.b, now_);
      return;
    case Move::restart:
      tell("a clean stop, and a new process");
      return host_.restart(now_);
    case Move::checkpoint:
      tell("checkpoint");
      return host_.checkpoint();
  }
}

void World::take_people(const PlannedMove& step, bool at_once) {
  const std::string id = id_of(step.a % plan_.transactions.size());
  switch (step.move) {
    case Move::cancel:
      return send(cancel(id), at_once);
    case Move::append: {
      const auto tables = ids(Form::table);
      if (tables.empty()) return;
      const std::string& table = tables[step.a % tables.size()];
      // Now and then only if nothing has happened meanwhile: what the caller saw last is a little old.
      std::optional<std::uint64_t> expected;
      if (step.c % 4 == 0) expected = host_.history(table).size();
      auto names = some_events(table, step);
      if (names.empty()) return;
      return send(append(table, std::move(names), expected), at_once);
    }
    case Move::look:
      return send(look(id), at_once);
    case Move::signal: {
      const auto& names = definition_of(id).signals;
      if (names.empty() && step.b % 4 != 0) return;
      return send(signal(id, names.empty() || step.b % 20 == 0 ? "nobody" : names[step.b % names.size()]), at_once);
    }
    case Move::take_part:
      return take_part(id, step, at_once);
    case Move::pause:
      return send(pause(id), at_once);
    case Move::resume:
      return send(resume(id), at_once);
    case Move::terminate:
      if (step.b % 4 == 0) send(terminate(id), at_once);
      return;
    case Move::resolve: {
      const auto events = host_.history(id);
      const auto open = open_incidents(events);
      if (!open.empty() && step.b % 8 != 0) return send(decide(id, *open[step.b % open.size()]), at_once);
      if (step.b % 4 != 0) return;
      // A word that does not fit, or an incident that there is not.
      const auto said = static_cast<std::uint32_t>(1 + step.c % 3);
      const IncidentRaised* raised = incident(events, said);
      const std::uint32_t number = raised == nullptr ? 1'000'000 : said;  // that there never will be
      auto fitting = raised == nullptr ? std::vector<IncidentResolution>() : answers_to(raised->kind);
      const auto resolution = static_cast<IncidentResolution>(step.b / 4 % 5);
      if (std::find(fitting.begin(), fitting.end(), resolution) == fitting.end())
        send(resolve(id, number, resolution), at_once);
      return;
    }
    default:
      return;
  }
}

void World::crash(const PlannedMove& step, bool power_loss) {
  if (step.b % 2 == 0) host_.give_away(now_);
  const Fate fate = step.a % 3 == 0 ? Fate::durable : step.a % 3 == 1 ? Fate::torn : Fate::lost;
  // The clock of a machine that starts again may have been put forward, or back.
  const std::int64_t step_ms = step.c % 5 == 0 ? static_cast<std::int64_t>(step.b % 20'000) - 5'000 : step.b % 100;
  now_ = now_ + Duration{step_ms};
  constexpr const char* kFates[] = {"lost", "torn", "durable"};
  tell(fmt::format("{} with the batch under way {}; it is +{}ms", power_loss ? "power loss" : "crash",
                   kFates[static_cast<std::size_t>(fate)], now_.ms - kBegin.ms));
  host_.crash(fate, power_loss, step.b, now_);
}

// ---- the network

void World::send(const CallPtr& call, bool at_once) {
  network_.push_back({call->text, [call] { call->submit(); }});
  if (at_once) deliver(network_.size() - 1);
}

void World::deliver(std::size_t index) {
  const Message message = std::move(network_[index]);
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(index));
  tell(message.text);
  message.arrive();
}

void World::flush() {
  while (failures_.empty() && host_.broken.empty() &&
         (!network_.empty() || host_.writing() || host_.partition().has_batch())) {
    while (!network_.empty()) deliver(0);
    host_.write_all(now_);
  }
  check_host();
}

void World::fail(std::string what) {
  tell("FAILURE: " + what);
  failures_.push_back(std::move(what));
}

void World::fail(const std::string& id, std::string what) {
  if (failures_.empty()) failing_ = id;
  fail(std::move(what));
}

void World::tell(const std::string& line) {
  if (telling_ == Telling::silent) return;
  fmt::print("{}\n", line);
  std::fflush(stdout);  // the next move may end the process
}

}  // namespace dta::simulation
