// Strong ids: one template, so that a transaction number can never be passed where a position is meant.
// All of them are values; 0 means "none" for every id that counts from 1.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace dta::schema {

template <class Tag, class Rep = std::uint64_t>
struct StrongId {
  Rep value{};

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep v) : value(v) {}
  constexpr auto operator<=>(const StrongId&) const = default;
  constexpr explicit operator bool() const { return value != Rep{}; }
  constexpr StrongId next() const { return StrongId(value + 1); }
};

// The number of a transaction inside one partition, from 1, rising in order of start.
using TransactionNumber = StrongId<struct TransactionNumberTag>;
// The sequence of an event inside one transaction, from 1, no gaps.
using Sequence = StrongId<struct SequenceTag>;
// The position of a record inside one partition, from 1, no gaps.
using Position = StrongId<struct PositionTag>;
// The partition's write guard: raised and persisted at every open of the log.
using Fence = StrongId<struct FenceTag>;

}  // namespace dta::schema

template <class Tag, class Rep>
struct std::hash<dta::schema::StrongId<Tag, Rep>> {
  std::size_t operator()(const dta::schema::StrongId<Tag, Rep>& id) const noexcept {
    return std::hash<Rep>{}(id.value);
  }
};
