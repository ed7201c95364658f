// Definitions, starts, reads, and what people ask of one transaction: one handler a request.
#include <algorithm>

#include "schema/codec.h"
#include "server/digest.h"
#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

namespace {

std::string version_name(const std::string& name, std::uint32_t version) {
  return version == 0 ? "'" + name + "'" : "'" + name + "' version " + std::to_string(version);
}

}  // namespace

void Partition::on(PublishRequest& request, Time now) {
  const Definition& definition = *request.definition;
  const auto published = [this](const std::string& name, std::uint32_t version) {
    const Published* found = definitions_.find(name, version);
    return found == nullptr ? nullptr : &found->machine->definition();
  };
  const bool is_new = definitions_.find(definition.name, definition.version) == nullptr;
  if (const Status status = check_ancestry(definition, published); is_new && !status)
    return answer<PublishReply>({}, std::move(request.reply), tl::unexpected<Error>(status.error()));
  ReservedLog& reserved = definitions_.reserved(definition.name);
  if (const Published* known = definitions_.find(definition.name, definition.version)) {
    if (known->machine->definition().digest != definition.digest)
      return answer<PublishReply>(
          reserved.position, std::move(request.reply),
          refuse(ErrorCode::definition_conflict,
                 version_name(definition.name, definition.version) + " is published with other content"));
    return answer<PublishReply>(reserved.position, std::move(request.reply),
                                PublishReply{definition.name, definition.version, definition.digest, false});
  }
  const PayloadRef text{0, static_cast<std::uint32_t>(definition.text.size()), sha256(definition.text)};
  append_reserved(reserved, "$definition/" + definition.name,
                  DefinitionPublished{definition.name, definition.version, text}, definition.version, now);
  batch_.put_payload(reserved.number, reserved.sequence, 0, definition.text);
  batch_.put_definition(definition.name, definition.version, reserved.number, reserved.sequence);
  definitions_.put(std::make_shared<const engine::Machine>(request.definition), now);
  answer<PublishReply>(reserved.position, std::move(request.reply),
                       PublishReply{definition.name, definition.version, definition.digest, true});
}

void Partition::on(DefinitionsRequest& request, Time) {
  DefinitionsReply reply;
  const auto info = [&](const Published& published) {
    const Definition& definition = published.machine->definition();
    const DefinitionSettings* said = definitions_.settings(definition.name);
    return DefinitionInfo{published.machine->definition_ptr(), published.published_at,
                          said != nullptr && said->said.paused,
                          said != nullptr && said->deprecates(definition.version)};
  };
  if (!request.name.empty()) {
    const Published* found = definitions_.find(request.name, request.version);
    if (found == nullptr)
      return answer<DefinitionsReply>({}, std::move(request.reply),
                                      refuse(ErrorCode::definition_not_found,
                                             "there is no definition " + version_name(request.name, request.version)));
    reply.definitions.push_back(info(*found));
    return answer<DefinitionsReply>(definitions_.reserved(request.name).position, std::move(request.reply),
                                    std::move(reply));
  }
  Position newest;
  for (const auto& [name, versions] : definitions_.all()) {
    newest = std::max(newest, definitions_.reserved(name).position);
    for (const auto& [version, published] : versions) reply.definitions.push_back(info(published));
  }
  answer<DefinitionsReply>(newest, std::move(request.reply), std::move(reply));
}

void Partition::on(StartRequest& request, Time now) {
  const auto refuse_start = [&](Position position, Error error) {
    answer<TransactionSummary>(position, std::move(request.reply), tl::unexpected<Error>(std::move(error)));
  };
  const auto reply_with = [this](const Entry& entry, bool created, ReplyTo<TransactionSummary> reply) {
    answer<TransactionSummary>(entry.last_position, std::move(reply), summary(entry, created));
  };
  Entry* entry = nullptr;
  auto known = find(request.id);
  const bool created = !known;
  if (known) {
    entry = *known;
    if (entry->state.request_digest != request.digest || (request.version && *request.version != entry->state.version))
      return refuse_start(entry->last_position, Error{ErrorCode::id_reused, "transaction '" + request.id +
                                                                                "' was started with other content"});
  } else {
    if (known.error().code != ErrorCode::transaction_not_found) return refuse_start({}, known.error());
    const auto startable = definitions_.startable(request.definition, request.version.value_or(0));
    if (!startable) return refuse_start({}, startable.error());
    entry = &begin(**startable,
                   engine::Start{request.id, request.input, request.attributes, request.headers, request.digest},
                   request.priority, now);
  }
  if (request.wait.ms <= 0 || entry->state.outcome_decided)
    return reply_with(*entry, created, std::move(request.reply));
  wait_for_outcome(*entry, request.wait, now,
                   [=, this, number = entry->number, reply = std::move(request.reply)](const Error* failed) {
                     if (failed != nullptr) return reply(tl::unexpected<Error>(*failed));
                     reply_with(*entries_.at(number), created, reply);
                   });
}

Entry& Partition::begin(const Published& published, const engine::Start& start, std::uint8_t priority, Time now) {
  auto owned = std::make_unique<Entry>();
  owned->number = last_number_ = last_number_.next();
  owned->machine = published.machine;
  owned->priority = priority;
  Turn turn(*owned);
  const auto decision = decide(turn, start, now);
  DTA_ASSERT(decision.has_value());  // a start brings its own payloads and an unused id
  // What it means belongs to the queues: the engine neither asks for it nor keeps it.
  std::get<TransactionStarted>(turn.events.front()).priority = priority;
  Entry& entry = insert(std::move(owned));
  finish(turn, now);
  return entry;
}

void Partition::on(GetRequest& request, Time now) {
  auto found = find(request.id);
  if (!found) return answer<TransactionReply>({}, std::move(request.reply), tl::unexpected<Error>(found.error()));
  const auto reply_with = [this](const Entry& entry, ReplyTo<TransactionReply> reply) {
    answer<TransactionReply>(entry.last_position, std::move(reply),
                             TransactionReply{entry.number, entry.state, entry.machine->definition_ptr()});
  };
  Entry& entry = **found;
  if (request.wait.ms <= 0 || entry.state.outcome_decided) return reply_with(entry, std::move(request.reply));
  wait_for_outcome(entry, request.wait, now,
                   [=, this, number = entry.number, reply = std::move(request.reply)](const Error* failed) {
                     if (failed != nullptr) return reply(tl::unexpected<Error>(*failed));
                     reply_with(*entries_.at(number), reply);
                   });
}

template <class Asked>
void Partition::control(Asked& request, const engine::Command& command, const Hash& digest, Time now) {
  auto found = find(request.id);
  if (!found) return answer<TransactionSummary>({}, std::move(request.reply), tl::unexpected<Error>(found.error()));
  Entry& entry = **found;
  const auto refused = [&](Error error) {
    answer<TransactionSummary>(entry.last_position, std::move(request.reply), tl::unexpected<Error>(std::move(error)));
  };
  if (!request.request_id.empty()) {
    auto before = find_request(entry, request.request_id);
    if (!before) return refused(before.error());
    if (*before && (*before)->digest != digest)
      return refused(
          Error{ErrorCode::id_reused, "request id '" + request.request_id + "' was used for another request"});
    if (*before) {
      after(entry.last_position, [this, number = entry.number, at = (*before)->first_sequence,
                                  reply = std::move(request.reply)](const Error* failed) {
        if (failed != nullptr) return reply(tl::unexpected<Error>(*failed));
        auto then = load_as_answered(number, at);
        if (!then) return reply(tl::unexpected<Error>(then.error()));
        reply(summary(**then, false));
      });
      return;
    }
  }
  Turn turn(entry);
  const auto decision = decide(turn, command, now);
  if (!decision) return refused(decision.error());
  const Sequence first = turn.first;
  finish(turn, now);
  if (!request.request_id.empty()) remember_request(entry, request.request_id, storage::RequestEntry{first, digest});
  answer<TransactionSummary>(entry.last_position, std::move(request.reply), summary(entry, false));
}

void Partition::on(CancelRequest& request, Time now) {
  control(request, engine::Cancel{request.reason, request.who}, digest_of({"cancel", request.reason, request.who}),
          now);
}

void Partition::on(TerminateRequest& request, Time now) {
  control(request, engine::Terminate{request.reason, request.who},
          digest_of({"terminate", request.reason, request.who}), now);
}

void Partition::on(PauseRequest& request, Time now) {
  control(request, engine::Pause{request.reason, request.who}, digest_of({"pause", request.reason, request.who}), now);
}

void Partition::on(ResumeRequest& request, Time now) {
  control(request, engine::Resume{request.reason, request.who}, digest_of({"resume", request.reason, request.who}),
          now);
}

void Partition::on(SignalRequest& request, Time now) {
  control(request, engine::Signal{request.name, request.request_id, request.payload},
          digest_of({"signal", request.name, content_of(request.payload)}), now);
}

void Partition::on(ResolveRequest& request, Time now) {
  control(request, engine::Resolve{request.incident, request.resolution, request.reason, request.who},
          digest_of({"resolve", std::to_string(request.incident), to_string(request.resolution), request.reason,
                     request.who}),
          now);
}

Result<std::unique_ptr<Entry>> Partition::load_as_answered(TransactionNumber number, Sequence sequence) const {
  // State is defined at record ends: what followed from the request in the same write was part of its answer.
  Sequence end;
  const Status read = reader_->records_of(number, sequence, [&](const storage::Record& record) {
    end = Sequence(record.first_sequence.value + record.event_count - 1);
    return false;
  });
  if (!read) return tl::unexpected<Error>(read.error());
  return load_entry(*reader_, definitions_, number, end);
}

void Partition::on(WaitRequest& request, Time now) {
  if (durable_ > request.after || request.wait.ms <= 0) return request.reply(WaitReply{durable_});
  followers_.push_back(Follower{request.after, std::move(request.reply), {}});
  const auto follower = std::prev(followers_.end());
  follower->end = ends_.emplace(now + request.wait, [this, follower](Time) {
    const auto reply = std::move(follower->reply);
    followers_.erase(follower);
    reply(WaitReply{durable_});
  });
}

}  // namespace dta::server
