// Swift on iOS: pod 'TensorFlowLiteSwift'; manifest.json and the model in the app's bundle.
import Foundation
import TensorFlowLite

/// What the model says of one example: that which its task gives.
enum Answer {
    case label(String, probabilities: [Float])
    case labels([String], probabilities: [Float])
    case values([(name: String, value: Float, unit: String?)])
    case anomaly(score: Float, normal: Bool)
    case outputs([Float])
}

/// What cannot be asked about, in words.
struct Refusal: Error {
    let reason: String
}

/// How one input is made, as the manifest's contract says.
struct Contract: Decodable {
    let name: String
    let kind: String
    let mean: [Double]?
    let std: [Double]?
    let order: String?
    let columns: [String]?
    let categories: [String: [String]]?
    let missing: [String: Double]?
    let one_hot: Bool?
    let samples: Int?
    let place: String?

    /// A row by column name as numbers: texts for categories; empty or nothing where a value is missing.
    func numbers(row: [String: String]) throws -> [Double] {
        let names = columns ?? []
        let misspelt = row.keys.contains { !names.contains($0) }
        return try names.flatMap { column -> [Double] in
            if row[column] == nil && misspelt { throw Refusal(reason: "column \(column) is not there") }
            let text = row[column] ?? ""
            let texts = categories?[column]
            let bare = text.trimmingCharacters(in: .whitespaces).lowercased()
            var number: Double?
            if ["", "na", "n/a", "nan", "null", "none", "?"].contains(bare) {
                number = missing?[column]
            } else if let texts = texts {
                number = texts.firstIndex(of: text).map { Double($0) }
            } else {
                number = ["false": 0, "true": 1][bare] ?? (bare.contains("x") ? nil : Double(bare))
            }
            guard let found = number, found.isFinite else { throw Refusal(reason: "column \(column) is '\(text)'") }
            guard let texts = texts, one_hot == true else { return [found] }
            return texts.indices.map { Double($0) == found ? 1 : 0 }
        }
    }

    /// A recording of the contract's rate, one channel between -1 and 1, as one window.
    func window(sound: [Float]) -> [Double] {
        let size = samples ?? sound.count
        let missing = size - sound.count
        let numbers = sound.map { Double($0) }
        if missing >= 0 {
            let before = place == "start" ? 0 : missing / 2
            return Array(repeating: 0, count: before) + numbers + Array(repeating: 0, count: missing - before)
        }
        var start = place == "middle" ? -missing / 2 : 0
        if place == "loudest" {
            var energy: [Double] = [0]
            for number in numbers { energy.append(energy[energy.count - 1] + number * number) }
            for i in 1...(-missing) where energy[i + size] - energy[i] > energy[start + size] - energy[start] { start = i }
        }
        return Array(numbers[start..<(start + size)])
    }

    /// Pixels in float32, all else centred and scaled in float64 first, as the runtime does.
    func reals(numbers: [Double]) -> [Float] {
        let mean = self.mean ?? []
        let std = self.std ?? []
        return numbers.indices.map { i -> Float in
            let value = numbers[order == "bgr" ? i + 2 - 2 * (i % 3) : i]
            if mean.isEmpty && std.isEmpty { return Float(value) }
            // Of a picture one number may stand for all channels.
            let centre = mean[i % mean.count]
            let width = std[i % std.count]
            if kind == "picture" {
                let scaled = Float(value) * Float(1 / width)
                return scaled + Float(-centre / width)
            }
            return Float((value - centre) / width)
        }
    }
}

/// How outputs are answered, as the manifest's task says.
struct Task: Decodable {
    let kind: String
    let meaning: String
    let labels: [String]
    let units: [String]?
    let mean: [Double]?
    let std: [Double]?
    let threshold: Double
    let unknown_threshold: Double?

    /// Real outputs of one example as its answer; `reals` are what the first input held. `unknown` labels what is below
    /// the bundle's threshold so. Answers that are not finite are refused.
    func answer(outputs: [Float], reals: [Float], unknown: Bool) throws -> Answer {
        let classifies = kind == "multiclass" || kind == "binary"
        if unknown && !classifies { throw Refusal(reason: "unknown is for classifiers, and this model is \(kind)") }
        let found = classifies ? classes(outputs) : outputs
        guard found.allSatisfy({ $0.isFinite }) else {
            throw Refusal(reason: "the model gives NaN or infinity for this input: that is no answer")
        }
        switch kind {
        case "multiclass", "binary":
            guard found.count == labels.count else {
                throw Refusal(reason: "the model gives \(found.count) numbers for \(labels.count) classes")
            }
            // The first of several that are as high.
            let best = found.indices.reduce(0) { found[$1] > found[$0] ? $1 : $0 }
            if unknown {
                guard let least = unknown_threshold else { throw Refusal(reason: "the bundle has no threshold for unknown") }
                if found[best] < Float(least) { return .label("unknown", probabilities: found) }
            }
            return .label(labels[best], probabilities: found)
        case "multilabel":
            let shares = meaning == "logits" ? outputs.map(logistic) : outputs
            return .labels(labels.indices.filter { shares[$0] >= Float(threshold) }.map { labels[$0] }, probabilities: shares)
        case "regression":
            let mean = self.mean ?? []
            let std = self.std ?? []
            let units = self.units ?? []
            return .values(outputs.indices.map { i in
                let value = mean.isEmpty ? outputs[i] : Float(Double(outputs[i]) * std[i] + mean[i])
                return (i < labels.count ? labels[i] : "value\(i)", value, i < units.count ? units[i] : nil)
            })
        case "anomaly":
            let gaps = outputs.indices.map { Double(reals[$0]) - Double(outputs[$0]) }
            let score = Float(gaps.reduce(0) { $0 + $1 * $1 } / Double(gaps.count))
            return .anomaly(score: score, normal: score <= Float(threshold))
        default:
            return .outputs(outputs)
        }
    }

    private func classes(_ outputs: [Float]) -> [Float] {
        if outputs.count == 1 {
            let yes = meaning == "logits" ? logistic(outputs[0]) : outputs[0]
            return [1 - yes, yes]
        }
        if meaning != "logits" && kind != "binary" { return outputs }
        let most = outputs.max() ?? 0
        let parts = meaning == "logits" ? outputs.map { exp($0 - most) } : outputs
        let sum = parts.reduce(0, +)
        return parts.map { $0 / (sum > 0 ? sum : 1) }
    }

    private func logistic(_ value: Float) -> Float {
        let small = exp(-abs(value))
        return value >= 0 ? 1 / (1 + small) : small / (1 + small)
    }
}

/// A model that is prepared, and answered, as the bundle's manifest says. For one thread.
final class Predictor {
    private struct Manifest: Decodable {
        struct Inputs: Decodable { let inputs: [Contract] }
        struct Artifact: Decodable {
            struct Tensor: Decodable { let name: String }
            let file: String
            let inputs: [Tensor]
        }
        let contract: Inputs
        let task: Task
        let artifacts: [Artifact]
    }

    /// In the order of the file's inputs.
    let inputs: [Contract]
    let task: Task
    private let interpreter: Interpreter

    init(model: String = "pressed-int8.tflite") throws {
        guard let stated = Bundle.main.url(forResource: "manifest", withExtension: "json"),
            let path = Bundle.main.path(forResource: model, ofType: nil)
        else { throw Refusal(reason: "manifest.json or \(model) is not in the app's bundle") }
        let manifest = try JSONDecoder().decode(Manifest.self, from: Data(contentsOf: stated))
        guard let artifact = manifest.artifacts.first(where: { $0.file == model })
        else { throw Refusal(reason: "\(model) is not in the manifest") }
        let contracts = manifest.contract.inputs
        inputs = contracts.count == 1 ? contracts : artifact.inputs.compactMap { tensor in
            contracts.first { $0.name == tensor.name }
        }
        task = manifest.task
        interpreter = try Interpreter(modelPath: path)
        try interpreter.allocateTensors()
    }

    /// One example: for each of `inputs` its numbers (pixels 0 to 255 with colours as RGB, a row, a window of samples).
    func predict(_ numbers: [[Double]], unknown: Bool = false) throws -> Answer {
        guard numbers.count == inputs.count else { throw Refusal(reason: "the model takes \(inputs.count) inputs") }
        let reals = zip(inputs, numbers).map { contract, values in contract.reals(numbers: values) }
        guard reals.allSatisfy({ each in each.allSatisfy { $0.isFinite } }) else {
            throw Refusal(reason: "numbers must be finite in float32")
        }
        for (i, values) in reals.enumerated() {
            try interpreter.copy(data(of: values, for: interpreter.input(at: i)), toInputAt: i)
        }
        try interpreter.invoke()
        return try task.answer(outputs: floats(of: try interpreter.output(at: 0)), reals: reals[0], unknown: unknown)
    }

    private func data(of reals: [Float], for tensor: Tensor) -> Data {
        guard let steps = tensor.quantizationParameters, tensor.dataType != .float32 else {
            return reals.withUnsafeBytes { Data($0) }
        }
        let low: Float = tensor.dataType == .uInt8 ? 0 : -128
        return Data(reals.map { real -> UInt8 in
            // Half to even, as every runtime rounds.
            let step = (real / steps.scale).rounded(.toNearestOrEven) + Float(steps.zeroPoint)
            return UInt8(truncatingIfNeeded: Int(max(low, min(low + 255, step))))
        })
    }

    private func floats(of tensor: Tensor) -> [Float] {
        guard let steps = tensor.quantizationParameters, tensor.dataType != .float32 else {
            return tensor.data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        return tensor.data.map { byte in
            let integer = tensor.dataType == .uInt8 ? Int(byte) : Int(Int8(bitPattern: byte))
            return Float(integer - steps.zeroPoint) * steps.scale
        }
    }
}
