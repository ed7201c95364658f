// The verb `dta def sim`. Main thread; it forks, so nothing may have started a thread before.
#pragma once

namespace CLI {
class App;
}

namespace dta::cli {

struct Session;
void add_simulation(CLI::App& def, Session& session);

}  // namespace dta::cli
