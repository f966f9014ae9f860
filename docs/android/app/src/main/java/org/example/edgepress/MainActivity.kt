package org.example.edgepress

import Predictor
import android.app.Activity
import android.os.Bundle
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.TextView
import kotlin.concurrent.thread
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.double
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/**
 * Asks the bundle in the app's assets about one example, written as JSON: a row by column name, or numbers; for a model
 * of several inputs an object that holds them by name.
 */
class MainActivity : Activity() {
    private lateinit var predictor: Predictor

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        predictor = Predictor(this)
        val given = EditText(this).apply {
            setText(assets.open("example.json").use { it.readBytes().decodeToString() })
            contentDescription = "One example as JSON"
        }
        val answer = TextView(this)
        val ask = Button(this).apply {
            text = "Ask"
            setOnClickListener {
                isEnabled = false
                val text = "${given.text}"
                // Not in the thread that draws.
                thread {
                    val said = try {
                        answerTo(text)
                    } catch (error: Exception) {
                        "This cannot be answered: ${error.message}"
                    }
                    runOnUiThread {
                        answer.text = said
                        isEnabled = true
                    }
                }
            }
        }
        setContentView(LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            for (view in listOf(given, ask, answer)) addView(view)
        })
    }

    override fun onDestroy() {
        predictor.close()
        super.onDestroy()
    }

    /** In words. */
    private fun answerTo(text: String): String {
        val given = Json.parseToJsonElement(text)
        val one = predictor.names.size == 1
        val numbers = predictor.names.associateWith { name ->
            val each = if (one) given else requireNotNull(given.jsonObject[name]) { "input $name is not there" }
            if (each is JsonObject) predictor.numbersOf(rowOf(each), name) else flat(each).toDoubleArray()
        }
        return predictor.predict(numbers).entries.joinToString("\n") { (name, value) -> "$name: $value" }
    }

    private fun rowOf(row: JsonObject): Map<String, Any?> = row.mapValues { (_, value) ->
        if (value is JsonNull) null else value.jsonPrimitive.let { it.doubleOrNull ?: it.contentOrNull }
    }

    private fun flat(value: JsonElement): List<Double> =
        if (value is JsonArray) value.flatMap(::flat) else listOf(value.jsonPrimitive.double)
}
