// Data for a definition: what it reads of the input, of workers' outputs and of signals, and random values that fit.
// A pointer that a for_each names gets an array, one that a timeout names a length, and a variable that a condition
// compares gets values on both sides of the comparison. Now and then something is missing or of the wrong kind: that is
// legal too. Pure; a value depends on the chance given and on nothing else.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/definition.h"
#include "schema/json.h"
#include "simulation/chance.h"

namespace dta::simulation {

// What is read at one place of a JSON document.
struct Shape {
  std::map<std::string, Shape, std::less<>> members;
  std::unique_ptr<Shape> element;  // of an array
  std::set<std::string> literals;  // raw JSON that it is compared with
  bool length = false, time = false, object = false;
  bool needed = false;  // by a template or a for_each: what is missing fails the step
};

class Data {
 public:
  explicit Data(schema::DefinitionPtr definition);

  std::string input(Chance& chance) const;
  std::string output(std::string_view step, std::string_view task, Chance& chance) const;  // empty: none
  std::string signal(std::string_view name, Chance& chance) const;                         // empty: none
  // Error codes that retries or conditions tell apart, and one that nobody knows.
  const std::vector<std::string>& codes() const { return codes_; }

 private:
  using Path = std::vector<std::string>;
  void read_step(const schema::Step& step);
  void read_task(const schema::Task& task);
  void read(const schema::Template& t, bool needed, bool object);
  void read(const schema::Logic& condition);
  void read_rule(schema::JsonValue rule, Shape* base);
  void gather(schema::JsonValue rule, Shape* base, std::vector<Path>& variables, std::vector<std::string>& literals);
  void length_at(const std::string& pointer);
  Shape* at(const Path& path);  // nothing: it does not come from outside
  Shape& elements_of(const Path& path);
  bool is_spread(std::string_view step) const;

  const schema::DefinitionPtr definition_;
  Shape input_, nowhere_;
  std::map<std::pair<std::string, std::string>, Shape, std::less<>> outputs_;
  std::map<std::string, Shape, std::less<>> signals_;
  std::vector<std::string> codes_;
  const schema::Step* step_ = nullptr;  // being read
  Shape* item_ = nullptr;               // of its for_each
};

}  // namespace dta::simulation
