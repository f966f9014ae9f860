// The part of TensorFlow Lite Micro's interface that docs/snippets/predict.cc uses, with a model that repeats its first
// inputs. No package ships the real headers.
#pragma once
#include <cstddef>
#include <cstdint>

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

union TfLitePtrUnion {
  int8_t* int8;
};

struct TfLiteTensor {
  TfLitePtrUnion data;
  size_t bytes;
};

namespace tflite {
struct Model {};
inline const Model* GetModel(const void* buffer) { return static_cast<const Model*>(buffer); }

struct MicroOpResolver {};

class MicroInterpreter {
 public:
  MicroInterpreter(const Model* model, const MicroOpResolver&, uint8_t* arena, size_t arena_size)
      : usable_(model != nullptr && arena != nullptr && arena_size > 0) {}
  TfLiteStatus AllocateTensors() { return usable_ ? kTfLiteOk : kTfLiteError; }
  TfLiteStatus Invoke() {
    for (size_t i = 0; i < sizeof(scores_); ++i) scores_[i] = pixels_[i];
    return kTfLiteOk;
  }
  TfLiteTensor* input(size_t) { return &input_; }
  TfLiteTensor* output(size_t) { return &output_; }

 private:
  bool usable_;
  int8_t pixels_[784];
  int8_t scores_[10];
  TfLiteTensor input_ = {{pixels_}, sizeof(pixels_)};
  TfLiteTensor output_ = {{scores_}, sizeof(scores_)};
};
}  // namespace tflite
