// Rows of text in aligned columns, and times as people read them. Values; main thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dta/client.h"

namespace dta::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> heads) { rows_.push_back(std::move(heads)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  // Two blanks between columns, none at the end of a line. Control characters become "?", so that foreign text cannot
  // steer the terminal.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "just now", "3m ago", "2d ago", "in 20s"; "-" for none.
std::string relative(const std::optional<Time>& time, Time now);
// "2026-11-20 15:49:51.123Z"; "-" for none.
std::string absolute(const std::optional<Time>& time);
Time now();

// Printable, at most this many characters, with an ellipsis when cut.
std::string shortened(std::string_view text, std::size_t characters);

}  // namespace dta::cli
