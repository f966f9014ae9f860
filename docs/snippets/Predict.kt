// Kotlin on Android: implementation("com.google.ai.edge.litert:litert:1.4.0") and
// implementation("org.jetbrains.kotlinx:kotlinx-serialization-json:1.9.0"); manifest.json and the model in assets.
import android.content.Context
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel.MapMode.READ_ONLY
import kotlin.math.abs
import kotlin.math.exp
import kotlin.math.round
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.double
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor

/** A model of one input, which is prepared, and answered, as the bundle's manifest says. For one thread. */
class Predictor(context: Context, model: String = "pressed-int8.tflite") : AutoCloseable {
    private val manifest = context.assets.openFd("manifest.json").use {
        Json.parseToJsonElement(it.createInputStream().readBytes().decodeToString()).jsonObject
    }
    private val contract = manifest.of("contract").getValue("inputs").jsonArray.single().jsonObject
    private val task = manifest.of("task")
    private val labels = task.texts("labels")
    private val interpreter = Interpreter(context.assets.openFd(model).use {
        it.createInputStream().channel.map(READ_ONLY, it.startOffset, it.declaredLength)
    })

    /** One example's numbers, in the contract's order: pixels 0 to 255 (colours as RGB), a row, a window of samples. */
    fun predict(numbers: DoubleArray): Map<String, Any> {
        val reals = reals(numbers)
        return answer(run(reals), reals)
    }

    /** A row by column name as numbers: texts for categories, null or nothing where a value is missing. */
    fun numbersOf(row: Map<String, Any?>): DoubleArray = contract.texts("columns").flatMap { column ->
        val texts = contract.of("categories")[column]?.jsonArray?.map { it.jsonPrimitive.content }
        val missing = contract.of("missing")[column]?.jsonPrimitive?.double
        val number = when (val value = row[column]) {
            null -> requireNotNull(missing) { "column $column has no value" }
            is Number -> value.toDouble()
            else -> texts.orEmpty().indexOf("$value").toDouble().also { require(it >= 0) { "column $column is $value" } }
        }
        val many = texts != null && contract.getValue("one_hot").jsonPrimitive.boolean
        if (many) texts.indices.map { if (it == number.toInt()) 1.0 else 0.0 } else listOf(number)
    }.toDoubleArray()

    /** A recording of the contract's rate, one channel between -1 and 1, as one window. */
    fun windowOf(sound: FloatArray): DoubleArray {
        val size = contract.getValue("samples").jsonPrimitive.int
        val place = contract.getValue("place").jsonPrimitive.content
        val missing = size - sound.size
        val window = DoubleArray(size)
        if (missing >= 0) {
            val before = if (place == "start") 0 else missing / 2
            for (i in sound.indices) window[before + i] = sound[i].toDouble()
            return window
        }
        var start = if (place == "middle") -missing / 2 else 0
        if (place == "loudest") {
            val energy = DoubleArray(sound.size + 1)
            for (i in sound.indices) energy[i + 1] = energy[i] + sound[i].toDouble() * sound[i]
            for (i in 1..-missing) if (energy[i + size] - energy[i] > energy[start + size] - energy[start]) start = i
        }
        for (i in window.indices) window[i] = sound[start + i].toDouble()
        return window
    }

    override fun close() = interpreter.close()

    /** Pixels in float32, all else centred and scaled in float64 first, as the runtime does. */
    private fun reals(numbers: DoubleArray): FloatArray {
        val mean = contract.numbers("mean")
        val std = contract.numbers("std")
        val turned = contract["order"]?.jsonPrimitive?.content == "bgr"
        return FloatArray(numbers.size) { i ->
            val k = if (mean.isEmpty()) 0 else i % mean.size
            val value = numbers[if (turned) i + 2 - 2 * (i % 3) else i]
            when {
                contract.getValue("kind").jsonPrimitive.content == "picture" ->
                    value.toFloat() * (1 / std[k]).toFloat() + (-mean[k] / std[k]).toFloat()
                mean.isEmpty() -> value.toFloat()
                else -> ((value - mean[k]) / std[k]).toFloat()
            }
        }
    }

    private fun run(reals: FloatArray): FloatArray {
        val given = interpreter.getInputTensor(0)
        val wanted = interpreter.getOutputTensor(0)
        val input = ByteBuffer.allocateDirect(given.numBytes()).order(ByteOrder.nativeOrder())
        val output = ByteBuffer.allocateDirect(wanted.numBytes()).order(ByteOrder.nativeOrder())
        for (real in reals) {
            if (given.dataType() == DataType.FLOAT32) input.putFloat(real) else input.put(given.step(real))
        }
        interpreter.run(input.rewind(), output)
        output.rewind()
        val steps = wanted.quantizationParams()
        return FloatArray(wanted.numElements()) {
            when (wanted.dataType()) {
                DataType.FLOAT32 -> output.getFloat()
                DataType.UINT8 -> ((output.get().toInt() and 0xff) - steps.zeroPoint) * steps.scale
                else -> (output.get().toInt() - steps.zeroPoint) * steps.scale
            }
        }
    }

    private fun Tensor.step(real: Float): Byte {
        val steps = quantizationParams()
        val low = if (dataType() == DataType.UINT8) 0f else -128f
        return (round(real / steps.scale) + steps.zeroPoint).coerceIn(low, low + 255).toInt().toByte()
    }

    private fun answer(outputs: FloatArray, reals: FloatArray): Map<String, Any> {
        val logits = task.getValue("meaning").jsonPrimitive.content == "logits"
        val threshold = task.getValue("threshold").jsonPrimitive.double.toFloat()
        return when (val kind = task.getValue("kind").jsonPrimitive.content) {
            "multiclass", "binary" -> {
                val shares = classes(outputs, logits, kind == "binary")
                mapOf("label" to labels[shares.indices.maxBy { shares[it] }], "probabilities" to shares.toList())
            }
            "multilabel" -> {
                val shares = outputs.map { if (logits) logistic(it) else it }
                mapOf("labels" to labels.filterIndexed { i, _ -> shares[i] >= threshold }, "probabilities" to shares)
            }
            "regression" -> {
                val mean = task.numbers("mean")
                val std = task.numbers("std")
                mapOf("values" to outputs.indices.associate { i ->
                    val value = if (mean.isEmpty()) outputs[i] else (outputs[i] * std[i] + mean[i]).toFloat()
                    (labels.getOrNull(i) ?: "value$i") to value
                })
            }
            "anomaly" -> {
                val score = outputs.indices.map { (reals[it] - outputs[it]).let { apart -> apart * apart } }.average()
                mapOf("score" to score.toFloat(), "normal" to (score.toFloat() <= threshold))
            }
            else -> mapOf("output" to outputs.toList())
        }
    }

    private fun classes(outputs: FloatArray, logits: Boolean, binary: Boolean): List<Float> {
        if (outputs.size == 1) {
            val yes = if (logits) logistic(outputs[0]) else outputs[0]
            return listOf(1 - yes, yes)
        }
        val parts = if (logits) outputs.map { exp(it - outputs.max()) } else outputs.toList()
        val sum = if (logits || binary) parts.sum() else 1f
        return parts.map { it / if (sum > 0) sum else 1f }
    }

    private fun logistic(value: Float): Float {
        val small = exp(-abs(value))
        return if (value >= 0) 1 / (1 + small) else small / (1 + small)
    }

    private fun JsonObject.of(name: String) = getValue(name).jsonObject
    private fun JsonObject.texts(name: String) = getValue(name).jsonArray.map { it.jsonPrimitive.content }
    private fun JsonObject.numbers(name: String) = this[name]?.jsonArray?.map { it.jsonPrimitive.double }.orEmpty()
}
