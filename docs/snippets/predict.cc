// C++ on a microcontroller: TensorFlow Lite Micro and the header that `--target microcontroller` writes.
#include <cstddef>
#include <cstdint>

#include "pressed-int8.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace {
alignas(16) uint8_t arena[PRESSED_INT8_ARENA_BYTES];
}  // namespace

// Class index of 784 pixels, quantized as the manifest's input says: q = round(real / scale) + zero_point.
int Predict(const int8_t* pixels) {
  static tflite::MicroMutableOpResolver<1> operators;
  static const bool registered = operators.AddFullyConnected() == kTfLiteOk;
  static tflite::MicroInterpreter interpreter(tflite::GetModel(pressed_int8), operators, arena, sizeof(arena));
  static const bool allocated = registered && interpreter.AllocateTensors() == kTfLiteOk;
  if (!allocated) return -1;
  TfLiteTensor* input = interpreter.input(0);
  for (size_t i = 0; i < input->bytes; ++i) input->data.int8[i] = pixels[i];
  if (interpreter.Invoke() != kTfLiteOk) return -1;
  const TfLiteTensor* output = interpreter.output(0);
  size_t best = 0;
  for (size_t i = 1; i < output->bytes; ++i) {
    if (output->data.int8[i] > output->data.int8[best]) best = i;
  }
  return static_cast<int>(best);
}
