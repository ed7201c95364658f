// See model_judge.h.
#include "tests/simulation/model_judge.h"

#include "tests/model/replay.h"

namespace dta::simulation {
namespace {

class ModelJudge final : public Judge {
 public:
  ModelJudge(const schema::DefinitionPtr& definition, PayloadOf payload) : replay_(definition, std::move(payload)) {}

  std::optional<std::string> run(const Events& events) override {
    std::vector<model::Logged> logged;
    logged.reserve(events.size());
    for (const Logged& e : events) logged.push_back({e.record, e.event});
    return replay_.run(logged);
  }
  std::vector<schema::TaskRef> not_undone() const override { return replay_.transaction().not_undone(); }
  std::string input(const schema::TaskRef& task) const override { return replay_.transaction().task(task).input; }

 private:
  model::Replay replay_;
};

}  // namespace

std::unique_ptr<Judge> judge_by_model(const schema::DefinitionPtr& definition, PayloadOf payload) {
  return std::make_unique<ModelJudge>(definition, std::move(payload));
}

}  // namespace dta::simulation
