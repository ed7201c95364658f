// Finding things: transactions in memory or in the log, payloads, request ids; and letting go of what has ended.
// Partition's thread.
#include <algorithm>

#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

Entry& Partition::insert(std::unique_ptr<Entry> owned) {
  Entry& entry = *owned;
  tally(entry);
  ids_.emplace(entry.state.id, entry.number);
  entries_.emplace(entry.number, std::move(owned));
  return entry;
}

Result<Entry*> Partition::find(const std::string& id) {
  const auto known = ids_.find(id);
  if (known != ids_.end()) return entries_.at(known->second).get();
  const auto not_found = [&] {
    return refuse(ErrorCode::transaction_not_found, "there is no transaction '" + id + "'");
  };
  if (id.starts_with("$")) return not_found();
  auto number = reader_->find_id(id);
  if (!number) return tl::unexpected<Error>(number.error());
  if (!*number) return not_found();
  return load(**number);
}

Result<Entry*> Partition::load(TransactionNumber number) {
  const auto known = entries_.find(number);
  if (known != entries_.end()) return known->second.get();
  if (number > last_number_)
    return refuse(ErrorCode::transaction_not_found, "there is no transaction with this number");
  for (const auto& [name, reserved] : definitions_.all_reserved())
    if (reserved.number == number)
      return refuse(ErrorCode::transaction_not_found, "there is no transaction with this number");
  // Open transactions are always in memory, so this one has ended and everything about it is durable.
  auto entry = load_entry(*reader_, definitions_, number);
  if (!entry) return tl::unexpected<Error>(entry.error());
  (*entry)->closed = true;
  closed_.push_back(number);
  return &insert(std::move(*entry));
}

void Partition::evict_closed() {
  while (closed_.size() > settings_.closed_cache) {
    const auto it = entries_.find(closed_.front());
    DTA_ASSERT(it != entries_.end());
    if (it->second->last_position > durable_) return;  // the next commit frees it and those behind it
    closed_.pop_front();
    attention_ -= it->second->tally.attention;  // it has ended, so it is neither of the others
    ids_.erase(it->second->state.id);
    entries_.erase(it);
  }
}

Result<std::string> Partition::payload(const Entry& entry, const engine::PayloadAt& at) {
  if (!at.present()) return std::string();
  if (const std::string* cached = payloads_.find(entry.number, at.sequence, at.index)) return *cached;
  auto stored = reader_->payload(entry.number, at.sequence, at.index);
  if (!stored) return tl::unexpected<Error>(stored.error());
  if (!*stored)
    return refuse(ErrorCode::log_damaged, "a payload of transaction '" + entry.state.id + "' (sequence " +
                                              std::to_string(at.sequence.value) + ") is missing");
  payloads_.put(entry.number, at.sequence, at.index, Position{}, **stored);
  return std::move(**stored);
}

Result<std::optional<storage::RequestEntry>> Partition::find_request(const Entry& entry, const std::string& id) {
  const auto recent = recent_requests_.find({entry.number, id});
  if (recent != recent_requests_.end()) return std::optional(recent->second.second);
  return reader_->find_request(entry.number, id);
}

void Partition::remember_request(const Entry& entry, const std::string& id, const storage::RequestEntry& request) {
  batch_.put_request(entry.number, id, request);
  recent_requests_[{entry.number, id}] = std::pair(built(), request);
}

}  // namespace dta::server
