// Asks the snippet about what the file `given` holds, input after input, and prints what it says as JSON.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "predict.cc"

int main() {
  std::ifstream file("given");
  std::vector<std::vector<double>> numbers;
  std::vector<const double*> places;
  for (const EdgepressInput& input : pressed_int8_inputs) {
    std::string form;
    int count = 0;
    file >> form >> count;
    file.ignore();
    std::vector<double> values(static_cast<size_t>(form == "numbers" ? count : input.size));
    if (form == "row") {
      std::vector<std::string> texts(2 * static_cast<size_t>(count));
      for (auto& text : texts) std::getline(file, text);
      std::vector<Cell> row;
      for (size_t i = 0; i < texts.size(); i += 2) row.push_back({texts[i].c_str(), texts[i + 1].c_str()});
      if (const char* wrong = NumbersOf(input, row.data(), count, values.data())) {
        std::printf("{\"wrong\": \"%s\"}\n", wrong);
        return 0;
      }
    } else {
      std::vector<double> read(static_cast<size_t>(count));
      for (auto& value : read) file >> value;
      if (form == "numbers") values = read;
      const std::vector<float> sound(read.begin(), read.end());
      if (form == "window") WindowOf(input, sound.data(), count, values.data());
    }
    numbers.push_back(values);
  }
  for (const auto& values : numbers) places.push_back(values.data());
  float found[4096];
  Answer answer = {found, 0, 0, false};
  if (!Predict(places.data(), &answer)) return 1;
  std::printf("{\"label\": %d, \"unknown\": %s, \"normal\": %s, \"has\": [", answer.label,
              IsUnknown(answer) ? "true" : "false", answer.normal ? "true" : "false");
  for (int i = 0; i < answer.count; ++i) std::printf("%s%d", i ? ", " : "", Has(answer, i));
  std::printf("], \"numbers\": [");
  for (int i = 0; i < answer.count; ++i) std::printf("%s%.9g", i ? ", " : "", answer.numbers[i]);
  std::printf("]}\n");
  return 0;
}
