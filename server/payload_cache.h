// Bytes of recent payloads, so that hand-outs and templates rarely go to the disk. Whatever is not yet durable stays;
// the rest goes oldest first when the cache is over its size. Owned by the partition's thread.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>

#include "engine/transaction.h"
#include "schema/ids.h"

namespace dta::server {

class PayloadCache {
 public:
  explicit PayloadCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void put(schema::TransactionNumber number, schema::Sequence sequence, std::uint32_t index, schema::Position position,
           std::string bytes);
  const std::string* find(schema::TransactionNumber number, schema::Sequence sequence, std::uint32_t index) const;
  // Drops the oldest durable ones until the size fits.
  void trim(schema::Position durable);

 private:
  struct Key {
    std::uint64_t number, sequence;
    std::uint32_t index;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const noexcept {
      return (k.number * 0x9e3779b97f4a7c15u ^ k.sequence * 0xc2b2ae3d27d4eb4fu) + k.index;
    }
  };

  // What an entry takes beside its bytes, about: node, string, bucket, and its place in the order.
  static constexpr std::size_t kEntryBytes = 160;

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::unordered_map<Key, std::string, KeyHash> map_;
  std::deque<std::pair<schema::Position, Key>> order_;
};

}  // namespace dta::server
