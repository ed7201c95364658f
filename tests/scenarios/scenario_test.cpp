// Makes a test of every script at every depth: Scenario.<file>.<depth>. With DTA_REWRITE=1 in the environment the core
// depth writes what it saw into the script; the change is then read like any other.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/scenarios/runner.h"

namespace dta::scenarios {
namespace {

namespace fs = std::filesystem;

using MakeDepth = std::unique_ptr<Depth> (*)();
struct NamedDepth {
  const char* name;
  MakeDepth make;
};
constexpr NamedDepth kDepths[] = {
    {"core", make_core_depth}, {"memory", make_memory_depth}, {"leveldb", make_leveldb_depth}};

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Scenario : public testing::Test {
 public:
  Scenario(fs::path path, MakeDepth make, bool may_rewrite)
      : path_(std::move(path)), make_(make), may_rewrite_(may_rewrite) {}

  void TestBody() override {
    const std::string text = read_file(path_);
    const Script script = read_script(text);
    ASSERT_FALSE(script.commands.empty());
    const std::unique_ptr<Depth> depth = make_();
    const std::vector<std::string> outputs = run(script, *depth);
    const char* rewrite = std::getenv("DTA_REWRITE");
    if (may_rewrite_ && rewrite != nullptr && std::string_view(rewrite) == "1") {
      std::ofstream(path_, std::ios::binary) << write_script(script, outputs);
      return;
    }
    for (std::size_t i = 0; i < outputs.size(); ++i)
      EXPECT_EQ(outputs[i], script.commands[i].expected)
          << path_.filename().string() << ":" << script.commands[i].line << ": " << script.commands[i].source;
  }

 private:
  const fs::path path_;
  const MakeDepth make_;
  const bool may_rewrite_;
};

void register_all() {
  std::vector<fs::path> scripts;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(DTA_SOURCE_DIR) / "tests" / "scenarios"))
    if (entry.path().extension() == ".txt" && entry.path().filename() != "CMakeLists.txt")
      scripts.push_back(entry.path());
  std::ranges::sort(scripts);
  for (const fs::path& script : scripts)
    for (const NamedDepth& depth : kDepths)
      testing::RegisterTest("Scenario", (script.stem().string() + "." + depth.name).c_str(), nullptr, nullptr, __FILE__,
                            __LINE__, [script, depth]() -> Scenario* {
                              return new Scenario(script, depth.make, std::string_view(depth.name) == "core");
                            });
}

}  // namespace
}  // namespace dta::scenarios

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  dta::scenarios::register_all();
  return RUN_ALL_TESTS();
}
