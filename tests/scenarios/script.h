// A scenario script: comments, and commands with the text that is expected below them. Reading keeps every line, so
// that writing a script with new expectations changes nothing else. Values; any thread.
//
//   # a comment
//   definition { ...JSON, which may go on over many lines until its brackets are closed... }
//   start o-1 {"total":5}
//       1 transaction_started order v1 input {"total":5}
//       -> running
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dta::scenarios {

// A word of a command. Text in quotes is one word, so is JSON in brackets; `raw` is as written, `text` without quotes.
struct Word {
  std::string raw, text;
};

struct Command {
  std::size_t line = 0;            // of its first line, from 1
  std::vector<std::string> above;  // comments and blank lines before it
  std::string source;              // as written, without line end; may hold several lines
  std::vector<Word> words;
  std::string expected;  // lines with their indentation and line ends
};

struct Script {
  std::vector<Command> commands;
  std::vector<std::string> below;  // comments after the last command
};

Script read_script(std::string_view text);
// The script with `outputs[i]` below command i.
std::string write_script(const Script& script, const std::vector<std::string>& outputs);

inline constexpr std::string_view kIndentation = "    ";

}  // namespace dta::scenarios
