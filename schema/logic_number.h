// Numbers and their texts as JavaScript has them (ECMA-262: Number::toString, StringToNumber, parseFloat). Pure; any
// thread; seen by schema/logic*.cpp alone.
#pragma once

#include <string>
#include <string_view>

namespace dta::schema::logic {

// The number that the whole text is, without the white space around it; nothing at all is 0, anything else not a
// number.
double text_to_number(std::string_view text);
// The number that the text begins with, as parseFloat; JSON's numbers too. One out of range is infinite or zero.
double number_at(std::string_view text);
// The shortest text that reads as the same number.
std::string number_to_text(double value);

}  // namespace dta::schema::logic
