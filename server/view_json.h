// A transaction's state as people and programs see it: the document of GET /v1/transactions/{id}, and the words for the
// states of steps, tasks and undos that replay uses too. Pure; payloads come through a lookup.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/step_view.h"
#include "engine/transaction.h"
#include "schema/ids.h"

namespace dta::server {

// "not_entered", "entered", "met", "failed", "undone", "skipped"
std::string_view step_word(const engine::Machine& machine, const engine::State& state, std::size_t step);
// Of the task at `slot` of a step: "not_entered", "waiting", "ready", "leased", "outside", "held", "backoff", "done",
// "failed", "unknown", "withdrawn", "skipped". `now` tells backoff from ready.
std::string_view task_word(const engine::StepView& step, std::size_t slot, schema::Time now);
// "none", "idle", "ready", "leased", "backoff", "done", "incident", "given_up"
std::string_view undo_word(const engine::StepView& step, std::size_t slot, schema::Time now);

struct ViewContext {
  schema::TransactionNumber number;
  schema::Time now;
  // Raw bytes of a payload; nothing when it was erased.
  std::function<std::optional<std::string>(const engine::PayloadAt&)> payload;
};
std::string view_json(const engine::Machine& machine, const engine::State& state, const ViewContext& context);

}  // namespace dta::server
