// What a user of the installed package writes: every public header that needs no database, and a call that reaches into
// each part of the library.
#include <dta/barrier.h>
#include <dta/client.h>
#include <dta/definition.h>
#include <dta/error.h>
#include <dta/json.h>
#include <dta/worker.h>

#include <cstdio>

int main() {
  dta::DefinitionBuilder order("order", 1);
  order.step("reserve").task("stock", "inventory.reserve").undo("inventory.release");
  const std::string text = order.text();
  const auto json = dta::Json::parse(text);
  if (!json || json->at("/steps/0/tasks/0/undo/queue").string() != "inventory.release") return 1;

  dta::Worker worker("http://127.0.0.1:1");
  worker.on_do("inventory.reserve", [](dta::Task& task) { return task.input; });
  worker.on_undo("inventory.release", [](dta::Task&) { return dta::Undone::nothing_found; });

  if (dta::action_key("t/s/a/0/1/undo/2") != "t/s/a/0/1/do/1") return 4;

  dta::Client client("http://127.0.0.1:1", {.retry_for = std::chrono::milliseconds(0)});
  try {
    client.publish(text);
  } catch (const dta::Error& error) {  // nobody listens on port 1
    std::puts(error.what());
    return error.code() == "connection_failed" ? 0 : 2;
  }
  return 3;
}
