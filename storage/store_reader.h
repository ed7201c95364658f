// Reader over a view of the key-value seam: all read code of both logs. Checks every frame it hands out, that positions
// and sequences have no gap, and that an iteration did not end because of a read error. Belongs to one thread.
#pragma once

#include <memory>

#include "storage/key_value.h"
#include "storage/position_entry.h"

namespace dta::storage {

class StoreReader final : public Reader {
 public:
  explicit StoreReader(std::unique_ptr<View> view);

  Position end() const override;
  Result<std::optional<TransactionNumber>> find_id(std::string_view callers_id) const override;
  Status ids(std::string_view prefix,
             const std::function<bool(std::string_view id, TransactionNumber)>& visit) const override;
  Result<std::optional<RequestEntry>> find_request(TransactionNumber number,
                                                   std::string_view request_id) const override;
  Result<std::optional<std::string>> payload(TransactionNumber number, Sequence sequence,
                                             std::uint32_t index) const override;
  Status records_of(TransactionNumber number, Sequence from,
                    const std::function<bool(const Record&)>& visit) const override;
  Status records_from(Position from, const std::function<bool(const Record&)>& visit) const override;
  Status open_transactions(const std::function<bool(TransactionNumber)>& visit) const override;
  Status directory(std::string_view prefix, std::string_view after,
                   const std::function<bool(const DirectoryEntry&)>& visit) const override;
  Status definitions(const std::function<bool(const DefinitionEntry&)>& visit) const override;
  Result<TransactionNumber> last_number() const override;
  Result<std::optional<Checkpoint>> checkpoint() const override;

  // What the other files of this folder need beyond the contract.
  const View& view() const { return *view_; }
  // The entry of the last batch; nothing in an empty log.
  Result<std::optional<PositionEntry>> last_entry() const;
  // Entries from the one that holds `from`, in order; checks that each continues the one before.
  Status entries_from(Position from, const std::function<Result<bool>(const PositionEntry&)>& visit) const;
  // A record that a position entry names; that it is missing is damage.
  Result<Record> record_at(const RecordPlace& place, Position position) const;

 private:
  std::unique_ptr<View> view_;
  mutable std::optional<Position> end_;  // read once, when first asked for
};

}  // namespace dta::storage
