// Swift on iOS: pod 'TensorFlowLiteSwift', pressed-int8.tflite in the app's bundle.
import Foundation
import TensorFlowLite

/// Class index of 784 grey pixels, 0 to 255, light on dark; the manifest's contract says mean 0 and std 255.
func predict(pixels: [UInt8]) throws -> Int {
    let path = Bundle.main.path(forResource: "pressed-int8", ofType: "tflite")!
    let interpreter = try Interpreter(modelPath: path)
    try interpreter.allocateTensors()
    let steps = try interpreter.input(at: 0).quantizationParameters!
    let integers = pixels.map { pixel -> Int8 in
        let step = (Float(pixel) * (1 / 255) / steps.scale).rounded(.toNearestOrEven) + Float(steps.zeroPoint)
        return Int8(max(-128, min(127, step)))
    }
    try interpreter.copy(integers.withUnsafeBytes { Data($0) }, toInputAt: 0)
    try interpreter.invoke()
    let scores = try interpreter.output(at: 0).data.map { Int8(bitPattern: $0) }
    // One scale for all classes: the largest integer is the most probable class.
    return scores.indices.max { scores[$0] < scores[$1] }!
}
