// The part of TensorFlow Lite Micro's interface that docs/snippets/predict.cc uses. No package ships the real headers.
// The file `tensors` states the inputs and the output: sizes, scales, zero points, and what the output holds. Each input
// that the model would get is written to a file of its own.
#pragma once
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

union TfLitePtrUnion {
  int8_t* int8;
};

struct TfLiteQuantizationParams {
  float scale;
  int32_t zero_point;
};

struct TfLiteTensor {
  TfLiteQuantizationParams params;
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
      : usable_(model != nullptr && arena != nullptr && arena_size > 0) {
    std::ifstream file("tensors");
    size_t count = 0;
    file >> count;
    tensors_.resize(count + 1);
    data_.resize(count + 1);
    for (size_t i = 0; i <= count; ++i) {
      file >> tensors_[i].bytes >> tensors_[i].params.scale >> tensors_[i].params.zero_point;
      data_[i].resize(tensors_[i].bytes);
      tensors_[i].data.int8 = data_[i].data();
    }
    for (auto& value : data_[count]) {
      int number = 0;
      file >> number;
      value = static_cast<int8_t>(number);
    }
    usable_ = usable_ && !file.fail();
  }
  TfLiteStatus AllocateTensors() { return usable_ ? kTfLiteOk : kTfLiteError; }
  TfLiteStatus Invoke() {
    for (size_t i = 0; i + 1 < tensors_.size(); ++i) {
      std::ofstream("input" + std::to_string(i), std::ios::binary)
          .write(reinterpret_cast<const char*>(data_[i].data()), static_cast<std::streamsize>(data_[i].size()));
    }
    return kTfLiteOk;
  }
  TfLiteTensor* input(size_t i) { return &tensors_[i]; }
  TfLiteTensor* output(size_t) { return &tensors_.back(); }

 private:
  bool usable_;
  std::vector<TfLiteTensor> tensors_;
  std::vector<std::vector<int8_t>> data_;
};
}  // namespace tflite
