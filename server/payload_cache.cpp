// Payloads in the order in which they came (payload_cache.h). Partition thread.
#include "server/payload_cache.h"

namespace dta::server {

void PayloadCache::put(schema::TransactionNumber number, schema::Sequence sequence, std::uint32_t index,
                       schema::Position position, std::string bytes) {
  const Key key{number.value, sequence.value, index};
  const auto [it, fresh] = map_.try_emplace(key, std::move(bytes));
  if (!fresh) return;
  bytes_ += it->second.size() + kEntryBytes;
  order_.emplace_back(position, key);
}

const std::string* PayloadCache::find(schema::TransactionNumber number, schema::Sequence sequence,
                                      std::uint32_t index) const {
  const auto it = map_.find(Key{number.value, sequence.value, index});
  return it == map_.end() ? nullptr : &it->second;
}

void PayloadCache::trim(schema::Position durable) {
  while (bytes_ > bytes_max_ && !order_.empty() && order_.front().first <= durable) {
    const auto it = map_.find(order_.front().second);
    if (it != map_.end()) {
      bytes_ -= it->second.size() + kEntryBytes;
      map_.erase(it);
    }
    order_.pop_front();
  }
}

}  // namespace dta::server
