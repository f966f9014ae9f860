// Kotlin on Android: implementation("com.google.ai.edge.litert:litert:2.3.0") and
// implementation("org.jetbrains.kotlinx:kotlinx-serialization-json:1.9.0"); manifest.json and the model in assets.
import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.abs
import kotlin.math.exp
import kotlin.math.round
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.double
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

private val BLANKS = setOf("", "na", "n/a", "nan", "null", "none", "?")
private val TRUTHS = mapOf("false" to 0.0, "true" to 1.0)

/** A model that is prepared, and answered, as the bundle's manifest says. For one thread. */
class Predictor(context: Context, model: String = "pressed-int8.tflite") : AutoCloseable {
    private val manifest = context.assets.openFd("manifest.json").use {
        Json.parseToJsonElement(it.createInputStream().readBytes().decodeToString()).jsonObject
    }
    private val task = manifest.of("task")
    private val labels = task.texts("labels")
    private val artifact = requireNotNull(manifest.objects("artifacts").find { it.text("file") == model }) {
        "manifest.json tells of no $model: a file keeps the name that it has in the bundle"
    }
    private val given = artifact.objects("inputs").associateBy { it.text("name") }
    private val wanted = artifact.objects("outputs").associateBy { it.text("name") }
    private val contracts = manifest.of("contract").objects("inputs").let { stated ->
        if (stated.size == 1) given.mapValues { stated.single() } else stated.associateBy { it.text("name") }
    }
    private val compiled = CompiledModel.create(context.assets, model, CompiledModel.Options(Accelerator.CPU))
    private val inputs = given.mapValues { compiled.createInputBuffer(it.key) }
    private val outputs = wanted.mapValues { compiled.createOutputBuffer(it.key) }

    /** Names of the inputs, in the contract's order. */
    val names = contracts.keys.toList()

    /** [predict] for a model of one input. */
    fun predict(numbers: DoubleArray, unknown: Boolean = false) = predict(mapOf(names.single() to numbers), unknown)

    /**
     * One example: for each input its numbers in the contract's order, pixels 0 to 255 (colours as RGB), a row, a window
     * of samples. [unknown] labels what is below the bundle's threshold so. Numbers and answers that are not finite are
     * refused.
     */
    fun predict(numbers: Map<String, DoubleArray>, unknown: Boolean = false): Map<String, Any> {
        require(numbers.keys == contracts.keys) { "inputs ${numbers.keys}: $names are allowed" }
        val reals = contracts.mapValues { (name, contract) -> reals(numbers.getValue(name), contract) }
        require(reals.values.all { each -> each.all { it.isFinite() } }) { "numbers must be finite in float32" }
        return answer(run(reals), reals.getValue(given.keys.first()), unknown)
    }

    /** A row by column name as numbers: texts for categories, null or nothing where a value is missing. */
    fun numbersOf(row: Map<String, Any?>, input: String = names.single()): DoubleArray {
        val contract = contracts.getValue(input)
        val columns = contract.texts("columns")
        val misspelt = row.keys.any { it !in columns }
        return columns.flatMap { column ->
            val texts = contract.of("categories")[column]?.jsonArray?.map { it.jsonPrimitive.content }
            val bare = "${row[column] ?: ""}".trim().lowercase()
            val number = when {
                column !in row && misspelt -> null
                bare in BLANKS -> contract.of("missing")[column]?.jsonPrimitive?.double
                texts != null -> texts.indexOf("${row[column]}").takeIf { it >= 0 }?.toDouble()
                else -> TRUTHS[bare] ?: bare.takeIf { "x" !in it }?.toDoubleOrNull()
            }
            require(number != null && number.isFinite()) { "column $column is ${row[column]}" }
            if (texts == null || !contract.getValue("one_hot").jsonPrimitive.boolean) listOf(number)
            else texts.indices.map { if (it == number.toInt()) 1.0 else 0.0 }
        }.toDoubleArray()
    }

    /** A recording of the contract's rate, one channel between -1 and 1, as one window. */
    fun windowOf(sound: FloatArray, input: String = names.single()): DoubleArray {
        val contract = contracts.getValue(input)
        val size = contract.getValue("samples").jsonPrimitive.int
        val place = contract.text("place")
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

    override fun close() {
        (inputs.values + outputs.values).forEach { it.close() }
        compiled.close()
    }

    /** Pixels in float32, all else centred and scaled in float64 first, as the runtime does. */
    private fun reals(numbers: DoubleArray, contract: JsonObject): FloatArray {
        val mean = contract.numbers("mean")
        val std = contract.numbers("std")
        val turned = contract["order"]?.jsonPrimitive?.content == "bgr"
        return FloatArray(numbers.size) { i ->
            // Of a picture one number may stand for all channels.
            val centre = if (mean.isEmpty()) 0.0 else mean[i % mean.size]
            val width = if (std.isEmpty()) 1.0 else std[i % std.size]
            val value = numbers[if (turned) i + 2 - 2 * (i % 3) else i]
            when {
                contract.text("kind") == "picture" ->
                    value.toFloat() * (1 / width).toFloat() + (-centre / width).toFloat()
                mean.isEmpty() -> value.toFloat()
                else -> ((value - centre) / width).toFloat()
            }
        }
    }

    /** The first output. */
    private fun run(reals: Map<String, FloatArray>): FloatArray {
        for ((name, buffer) in inputs) {
            val taken = Steps(given.getValue(name))
            val each = reals.getValue(name)
            if (taken.whole) buffer.writeInt8(taken.bytes(each)) else buffer.writeFloat(each)
        }
        compiled.run(inputs, outputs)
        val (name, tensor) = wanted.entries.first()
        val made = Steps(tensor)
        val buffer = outputs.getValue(name)
        return if (made.whole) made.reals(buffer.readInt8()) else buffer.readFloat()
    }

    /** How a tensor stands for real numbers, as the manifest says: as they are, or in steps of 8 bits. */
    private class Steps(tensor: JsonObject) {
        private val type = tensor.text("dtype")
        private val low = if (type == "uint8") 0 else -128
        val whole = type != "float32"
        private val scale = if (whole) tensor.getValue("scale").jsonPrimitive.double.toFloat() else 1f
        private val zeroPoint = if (whole) tensor.getValue("zero_point").jsonPrimitive.int else 0

        fun bytes(reals: FloatArray) = ByteArray(reals.size) {
            (round(reals[it] / scale) + zeroPoint).coerceIn(low.toFloat(), low + 255f).toInt().toByte()
        }

        fun reals(bytes: ByteArray) = FloatArray(bytes.size) {
            val step = bytes[it].toInt()
            ((if (low == 0) step and 0xff else step) - zeroPoint) * scale
        }
    }

    private fun answer(outputs: FloatArray, reals: FloatArray, unknown: Boolean): Map<String, Any> {
        val kind = task.text("kind")
        val logits = task.text("meaning") == "logits"
        val threshold = task.getValue("threshold").jsonPrimitive.double.toFloat()
        val classifies = kind == "multiclass" || kind == "binary"
        require(!unknown || classifies) { "unknown is for classifiers, and this model is $kind" }
        val found = if (classifies) classes(outputs, logits, kind == "binary") else outputs.toList()
        check(found.all { it.isFinite() }) { "the model gives NaN or infinity for this input: that is no answer" }
        return when (kind) {
            "multiclass", "binary" -> {
                check(found.size == labels.size) { "the model gives ${found.size} numbers for ${labels.size} classes" }
                val best = found.indices.maxBy { found[it] }
                val least = task["unknown_threshold"]?.jsonPrimitive?.doubleOrNull
                require(!unknown || least != null) { "the bundle has no threshold for unknown" }
                val known = !unknown || found[best] >= least!!.toFloat()
                mapOf("label" to if (known) labels[best] else "unknown", "probabilities" to found)
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
}

private fun JsonObject.of(name: String) = getValue(name).jsonObject
private fun JsonObject.objects(name: String) = getValue(name).jsonArray.map { it.jsonObject }
private fun JsonObject.text(name: String) = getValue(name).jsonPrimitive.content
private fun JsonObject.texts(name: String) = getValue(name).jsonArray.map { it.jsonPrimitive.content }
private fun JsonObject.numbers(name: String) = this[name]?.jsonArray?.map { it.jsonPrimitive.double }.orEmpty()
