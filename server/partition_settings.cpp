// What people say of queues and definitions: each request that changes something is an event of a reserved transaction,
// takes effect with it, and is known again by its request id. Partition's thread.
#include <algorithm>
#include <set>

#include "schema/codec.h"
#include "server/digest.h"
#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

namespace {

const Pauses kNeverPaused;

Hash digest_of_change(const ChangeQueueRequest& request) {
  return digest_of({"queue", std::to_string(static_cast<int>(request.act)), std::to_string(request.rate.per_1000s),
                    std::to_string(request.rate.burst), std::to_string(request.concurrency), request.reason,
                    request.who});
}

Hash digest_of_change(const ChangeDefinitionRequest& request) {
  return digest_of({"definition", std::to_string(static_cast<int>(request.act)), std::to_string(request.version),
                    request.reason, request.who});
}

}  // namespace

const Pauses& Partition::pauses_of_queue(const std::string& queue) const {
  const auto found = queues_.find(queue);
  return found == queues_.end() ? kNeverPaused : found->second.pauses;
}

const Pauses& Partition::pauses_of_definition(const std::string& name) const {
  const DefinitionSettings* settings = definitions_.settings(name);
  return settings == nullptr ? kNeverPaused : settings->pauses;
}

const engine::Settings* Partition::settings_of(const Entry& entry, engine::Settings& room) const {
  const std::string& name = entry.state.definition;
  room.definition = &pauses_of_definition(name.substr(0, name.find('/')));
  const bool queues =
      std::any_of(queues_.begin(), queues_.end(), [](const auto& q) { return !q.second.pauses.empty(); });
  if (room.definition->empty() && !queues) return nullptr;
  room.queue = [this](const std::string& queue) -> const Pauses& { return pauses_of_queue(queue); };
  return &room;
}

void Partition::refresh_all(Time now) {
  for (const auto& [number, entry] : entries_) {
    if (entry->state.ended()) continue;
    const engine::Pending due = pending(*entry);
    refresh_work(*entry, due.ready, now);
    refresh_deadline(*entry, due);
  }
}

void Partition::append_reserved(ReservedLog& log, const std::string& id, const Event& event, std::uint32_t version,
                                Time now) {
  if (!log.number) {
    log.number = last_number_ = last_number_.next();
    batch_.bind_id(id, log.number);
  }
  log.sequence = log.sequence.next();
  storage::Record record;
  record.number = log.number;
  record.first_sequence = log.sequence;
  record.event_count = 1;
  record.recorded_at = now;
  record.definition_version = version;
  record.epoch = 1;
  record.events = encode_events(std::span(&event, 1));
  log.chain = batch_.add_record(std::move(record), log.chain);
  log.position = batch_.last_position();
  metrics_.events.Increment();
  metrics_.records.Increment();
}

// True when the request was answered: it is known, or its id was used for something else.
template <class Request, class Change>
bool Partition::answer_known(Request& request, const ReservedLog& log, const Hash& digest) {
  using Reply = ChangeReply<Change>;
  if (request.request_id.empty() || !log.number) return false;
  auto before = find_request(log.number, request.request_id);
  if (before && !*before) return false;
  const auto refused = [&](Error error) {
    answer<Reply>(log.position, std::move(request.reply), tl::unexpected<Error>(std::move(error)));
    return true;
  };
  if (!before) return refused(before.error());
  if ((*before)->digest != digest)
    return refused(Error{ErrorCode::id_reused, "request id '" + request.request_id + "' was used for another request"});
  after(log.position, [this, number = log.number, sequence = (*before)->first_sequence,
                       reply = std::move(request.reply)](const Error* failed) {
    if (failed != nullptr) return reply(tl::unexpected<Error>(*failed));
    Result<Reply> first = refuse(ErrorCode::log_damaged, "the event of a known request is missing");
    const Status read = reader_->records_of(number, sequence, [&](const storage::Record& record) {
      auto events = decode_events(record.events);
      if (!events)
        first = tl::unexpected<Error>(events.error());
      else if (auto* change = std::get_if<Change>(&events->front()))
        first = Reply{std::move(*change), sequence.value, record.recorded_at};
      return false;
    });
    reply(read ? std::move(first) : Result<Reply>(tl::unexpected<Error>(read.error())));
  });
  return true;
}

template <class Request, class Change>
void Partition::write_change(Request& request, ReservedLog& log, const std::string& id, const Hash& digest,
                             const Change& change, Time now) {
  append_reserved(log, id, change, 0, now);
  if (!request.request_id.empty())
    remember_request(log.number, request.request_id, storage::RequestEntry{log.sequence, digest});
  answer<ChangeReply<Change>>(log.position, std::move(request.reply),
                              ChangeReply<Change>{change, log.sequence.value, now});
}

void Partition::on(ChangeQueueRequest& request, Time now) {
  const Hash digest = digest_of_change(request);
  QueueSettings& settings = queues_[request.queue];
  if (answer_known<ChangeQueueRequest, QueueChanged>(request, settings.log, digest)) return;
  QueueChanged change = settings.said;
  change.queue = request.queue;
  change.reason = request.reason;
  change.who = request.who;
  if (request.act == QueueAct::set_limits) {
    change.rate = request.rate;
    change.concurrency = request.concurrency;
  } else {
    change.paused = request.act == QueueAct::pause;
  }
  write_change(request, settings.log, "$queue/" + request.queue, digest, change, now);
  limit_rate(request.queue, change.rate, now);
  settings.apply(std::move(change), now);
  if (request.act != QueueAct::set_limits) refresh_all(now);
  serve(request.queue, now);
}

void Partition::on(ChangeDefinitionRequest& request, Time now) {
  const bool of_version = request.act == DefinitionAct::deprecate || request.act == DefinitionAct::restore;
  // Steps in place of a task have a name with a slash; what is said of them is said of the definition around them.
  if (request.name.find('/') != std::string::npos ||
      definitions_.find(request.name, of_version ? request.version : 0) == nullptr)
    return answer<ChangeReply<DefinitionChanged>>(
        {}, std::move(request.reply),
        refuse(ErrorCode::definition_not_found,
               "there is no definition '" + request.name + "'" +
                   (of_version ? " version " + std::to_string(request.version) : std::string())));
  const Hash digest = digest_of_change(request);
  ReservedLog& log = definitions_.reserved(request.name);
  if (answer_known<ChangeDefinitionRequest, DefinitionChanged>(request, log, digest)) return;
  const DefinitionSettings* settings = definitions_.settings(request.name);
  DefinitionChanged change = settings == nullptr ? DefinitionChanged{} : settings->said;
  change.name = request.name;
  change.reason = request.reason;
  change.who = request.who;
  const auto place = std::lower_bound(change.deprecated.begin(), change.deprecated.end(), request.version);
  const bool there = place != change.deprecated.end() && *place == request.version;
  switch (request.act) {
    case DefinitionAct::pause:
    case DefinitionAct::resume:
      change.paused = request.act == DefinitionAct::pause;
      break;
    case DefinitionAct::deprecate:
      if (!there) change.deprecated.insert(place, request.version);
      break;
    case DefinitionAct::restore:
      if (there) change.deprecated.erase(place);
      break;
  }
  write_change(request, log, "$definition/" + request.name, digest, change, now);
  if (change.paused) {
    work_.hold(request.name);
  } else {
    work_.release(request.name);
  }
  definitions_.apply(std::move(change), now);
  if (!of_version) refresh_all(now);
  serve_all(now);
}

void Partition::on(QueuesRequest& request, Time) {
  std::set<std::string> names;
  if (!request.queue.empty()) {
    names.insert(request.queue);
  } else {
    for (const auto& [name, settings] : queues_) names.insert(name);
    for (const projections::WorkQueue::Depth& depth : work_.depths())
      if (depth.items > 0) names.insert(depth.queue);
    for (const auto& [name, use] : use_)
      if (use.leased > 0) names.insert(name);
    for (const auto& [name, polls] : polls_by_queue_) names.insert(name);
  }
  QueuesReply reply;
  for (const std::string& name : names) {
    QueueInfo info;
    if (const auto settings = queues_.find(name); settings != queues_.end()) {
      info.settings = settings->second.said;
      info.changed_at = settings->second.changed_at;
    }
    info.settings.queue = name;
    info.ready = work_.depth(name);
    if (const auto use = use_.find(name); use != use_.end()) info.leased = use->second.leased;
    if (const auto polls = polls_by_queue_.find(name); polls != polls_by_queue_.end())
      info.waiting_polls = polls->second.size();
    reply.queues.push_back(std::move(info));
  }
  answer<QueuesReply>(built(), std::move(request.reply), std::move(reply));
}

}  // namespace dta::server
