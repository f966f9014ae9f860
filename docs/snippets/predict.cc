// C++ on a microcontroller: TensorFlow Lite Micro and the header that `--target microcontroller` writes, which states the
// manifest's contract and task too. Compile with -ffp-contract=off: numbers are then the runtime's own.
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "pressed-int8.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace {
alignas(16) uint8_t arena[PRESSED_INT8_ARENA_BYTES];
const EdgepressTask& task = pressed_int8_task;

// Pixels in float32, all else centred and scaled in float64 first, as the runtime does.
float Real(const EdgepressInput& input, const double* numbers, int i) {
  const int k = input.statistics_count ? i % input.statistics_count : 0;
  if (input.kind == EDGEPRESS_PICTURE) {
    const float value = static_cast<float>(numbers[input.turned ? i + 2 - 2 * (i % 3) : i]);
    return value * static_cast<float>(1 / input.std[k]) + static_cast<float>(-input.mean[k] / input.std[k]);
  }
  return static_cast<float>(input.statistics_count ? (numbers[i] - input.mean[k]) / input.std[k] : numbers[i]);
}

float Logistic(float value) {
  const float small = std::exp(-std::fabs(value));
  return value >= 0 ? 1 / (1 + small) : small / (1 + small);
}

// Of `count` outputs, in place: the probability of each class. An output by itself is that of the second class.
int Classes(float* outputs, int count) {
  if (count == 1) {
    const float yes = task.logits ? Logistic(outputs[0]) : outputs[0];
    outputs[0] = 1 - yes;
    outputs[1] = yes;
    return 2;
  }
  if (!task.logits && task.kind != EDGEPRESS_BINARY) return count;
  float most = outputs[0], sum = 0;
  for (int i = 1; i < count; ++i) most = std::fmax(most, outputs[i]);
  for (int i = 0; i < count; ++i) sum += outputs[i] = task.logits ? std::exp(outputs[i] - most) : outputs[i];
  for (int i = 0; i < count; ++i) outputs[i] /= sum > 0 ? sum : 1;
  return count;
}

// Whether a text is that word, in any case and with spaces around it.
bool Is(const char* text, const char* word) {
  while (std::isspace(static_cast<unsigned char>(*text))) ++text;
  while (*word && std::tolower(static_cast<unsigned char>(*text)) == *word) ++text, ++word;
  while (std::isspace(static_cast<unsigned char>(*text))) ++text;
  return !*text && !*word;
}

bool IsMissing(const char* text) {
  for (const char* word : {"", "na", "n/a", "nan", "null", "none", "?"}) {
    if (Is(text, word)) return true;
  }
  return false;
}

// NAN where a text is no decimal number, nor true or false.
double NumberOf(const char* text) {
  if (Is(text, "true") || Is(text, "false")) return Is(text, "true");
  char* end = nullptr;
  const double number = std::strtod(text, &end);
  return end == text || !Is(end, "") || std::strpbrk(text, "xX") ? NAN : number;
}
}  // namespace

// One value of a row, as text: "12.5", "red", or empty where it is missing.
struct Cell {
  const char* column;
  const char* text;
};

const char* Find(const Cell* row, int cells, const char* column) {
  for (int i = 0; i < cells; ++i) {
    if (!std::strcmp(row[i].column, column)) return row[i].text;
  }
  return nullptr;
}

// What the model says of one example.
struct Answer {
  // Probabilities by label, values in the task's units, the score of an anomaly, or the outputs as they are.
  float* numbers;
  int count;
  int label;    // Of classes: the place of the most probable one in the task's labels. Otherwise -1.
  bool normal;  // Of an anomaly: whether the score is at most the threshold.
};

// Whether label i of a label set is there.
bool Has(const Answer& answer, int i) { return answer.numbers[i] >= static_cast<float>(task.threshold); }

// Whether the most probable class is below the bundle's threshold: what was given may be none of them.
bool IsUnknown(const Answer& answer) {
  return answer.label >= 0 && answer.numbers[answer.label] < static_cast<float>(task.unknown_threshold);
}

// A row of a table as numbers (size of the input). Returns the column whose value is missing, no number or no category; a
// column that is not there beside names that are unknown may be misspelt, and is returned too.
const char* NumbersOf(const EdgepressInput& input, const Cell* row, int cells, double* numbers) {
  const EdgepressColumn* const end = input.columns + input.column_count;
  int known = 0;
  for (const EdgepressColumn* column = input.columns; column != end; ++column) {
    known += Find(row, cells, column->name) != nullptr;
  }
  for (const EdgepressColumn* column = input.columns; column != end; ++column) {
    const char* text = Find(row, cells, column->name);
    if (!text && known != cells) return column->name;
    double number = column->missing;
    if (text && !IsMissing(text)) {
      number = column->category_count ? NAN : NumberOf(text);
      for (int i = 0; i < column->category_count; ++i) {
        if (!std::strcmp(text, column->categories[i])) number = i;
      }
    }
    if (!std::isfinite(number)) return column->name;
    if (!input.one_hot || !column->category_count) *numbers++ = number;
    for (int i = 0; input.one_hot && i < column->category_count; ++i) *numbers++ = i == number;
  }
  return nullptr;
}

// A recording of the input's rate, one channel between -1 and 1, as one window (size of the input).
void WindowOf(const EdgepressInput& input, const float* sound, int count, double* window) {
  const int missing = input.size - count;
  int start = 0, before = 0;
  if (missing >= 0) {
    before = input.place == EDGEPRESS_START ? 0 : missing / 2;
  } else if (input.place == EDGEPRESS_MIDDLE) {
    start = -missing / 2;
  } else if (input.place == EDGEPRESS_LOUDEST) {
    // Energy up to either end of the window, added up as the runtime does.
    double first = 0, last = 0, most = 0;
    for (int i = 0; i < count; ++i) {
      last += static_cast<double>(sound[i]) * sound[i];
      const int at = i + 1 - input.size;
      if (at > 0) first += static_cast<double>(sound[at - 1]) * sound[at - 1];
      if (at >= 0 && last - first > most) most = last - first, start = at;
    }
  }
  for (int i = 0; i < input.size; ++i) {
    const int at = start + i - before;
    window[i] = i < before || at >= count ? 0 : sound[at];
  }
}

// One example: for each input its numbers in the contract's order (pixels 0 to 255 with colours as RGB, a row, a window of
// samples). Returns whether all are finite and the model ran. An int8 model's answers are finite: steps of a scale.
// answer.numbers has room for all outputs, and for two.
bool Predict(const double* const* numbers, Answer* answer) {
  // Add here what `edgepress inspect` lists of the model's operators.
  static tflite::MicroMutableOpResolver<1> operators;
  static const bool registered = operators.AddFullyConnected() == kTfLiteOk;
  static tflite::MicroInterpreter interpreter(tflite::GetModel(pressed_int8), operators, arena, sizeof(arena));
  static const bool allocated = registered && interpreter.AllocateTensors() == kTfLiteOk;
  if (!allocated) return false;
  for (int k = 0; k < pressed_int8_input_count; ++k) {
    TfLiteTensor* input = interpreter.input(k);
    for (int i = 0; i < pressed_int8_inputs[k].size; ++i) {
      const float real = Real(pressed_int8_inputs[k], numbers[k], i);
      if (!std::isfinite(real)) return false;
      // Half to even, as every runtime rounds.
      const float step = std::nearbyint(real / input->params.scale);
      const float integer = step + static_cast<float>(input->params.zero_point);
      input->data.int8[i] = static_cast<int8_t>(std::fmax(-128.0f, std::fmin(127.0f, integer)));
    }
  }
  if (interpreter.Invoke() != kTfLiteOk) return false;
  const TfLiteTensor* output = interpreter.output(0);
  float* found = answer->numbers;
  const int count = static_cast<int>(output->bytes);
  for (int i = 0; i < count; ++i) {
    found[i] = static_cast<float>(output->data.int8[i] - output->params.zero_point) * output->params.scale;
  }
  answer->count = count;
  answer->label = -1;
  answer->normal = false;
  switch (task.kind) {
    case EDGEPRESS_MULTICLASS:
    case EDGEPRESS_BINARY:
      answer->count = Classes(found, count);
      answer->label = 0;
      for (int i = 1; i < answer->count; ++i) {
        if (found[i] > found[answer->label]) answer->label = i;
      }
      break;
    case EDGEPRESS_MULTILABEL:
      for (int i = 0; task.logits && i < count; ++i) found[i] = Logistic(found[i]);
      break;
    case EDGEPRESS_REGRESSION:
      for (int i = 0; task.mean && i < count; ++i) {
        found[i] = static_cast<float>(found[i] * task.std[i] + task.mean[i]);
      }
      break;
    case EDGEPRESS_ANOMALY: {
      double sum = 0;
      for (int i = 0; i < count; ++i) {
        const double gap = static_cast<double>(Real(pressed_int8_inputs[0], numbers[0], i)) - found[i];
        sum += gap * gap;
      }
      found[0] = static_cast<float>(sum / count);
      answer->count = 1;
      answer->normal = found[0] <= static_cast<float>(task.threshold);
      break;
    }
    case EDGEPRESS_RAW:
      break;
  }
  return true;
}
